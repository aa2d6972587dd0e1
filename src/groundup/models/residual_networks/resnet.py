"""ResNet and its kin: every block adds to what came before, so that a hundred layers train.

He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385, table 1;
Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431, table 1;
Zagoruyko and Komodakis 2016, Wide Residual Networks, arXiv:1605.07146;
Hu et al. 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507, table 1.

    image ─ stem ─ layer1 ─ layer2 ─ layer3 ─ layer4 ─ mean ─ head
            1/4    1/4      1/8      1/16     1/32            scores

Each layer is a chain of residual blocks; the first block of layer2, 3 and 4 halves the size and doubles the channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partialmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.layers import Linear
from groundup.models.blocks.residual import VARIANTS, ResBlock, ResBottleneckBlock, ResNeXtBlock
from groundup.models.classifier import ImageClassifier
from groundup.models.residual_networks.stem import STEMS, Stem

_50, _101, _152 = ({"block": "bottleneck", "depths": depths} for depths in ((3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)))
_32X4D, _SE, _PAPER = {"groups": 32, "width_per_group": 4}, {"se_reduction": 16}, {"variant": "paper"}
_CIFAR = {"width": 16, "stem": "cifar", "num_classes": 10}

#: He, table 1 and section 4.2 (CIFAR: 6 n + 2 layers); Xie, tables 1 and 3; Hu, table 1; the names are torchvision's
#: and timm's, whose weights they take. "legacy": as the authors' networks in Caffe.
PRESETS: dict[str, dict[str, Any]] = {
    "resnet18": {"block": "basic", "depths": (2, 2, 2, 2)},
    "resnet34": {"block": "basic", "depths": (3, 4, 6, 3)},
    "resnet50": _50,
    "resnet101": _101,
    "resnet152": _152,
    "resnext50_32x4d": _50 | _32X4D,
    "resnext101_32x8d": _101 | {"groups": 32, "width_per_group": 8},
    "resnext101_64x4d": _101 | {"groups": 64, "width_per_group": 4},
    "wide_resnet50_2": _50 | {"width_per_group": 128},
    "wide_resnet101_2": _101 | {"width_per_group": 128},
    "seresnet50": _50 | _SE,
    "seresnext50_32x4d": _50 | _32X4D | _SE,
    "legacy_seresnet50": _50 | _SE | _PAPER,
    "legacy_seresnext50_32x4d": _50 | _32X4D | _SE | _PAPER,
    "resnet20": {"block": "basic", "depths": (3, 3, 3, 0), **_CIFAR},
    "resnet56": {"block": "basic", "depths": (9, 9, 9, 0), **_CIFAR},
    "resnet110": {"block": "basic", "depths": (18, 18, 18, 0), **_CIFAR},
}


class ResNet(ImageClassifier):
    """x (N, in_channels, H, W), any size → scores (N, num_classes).

    block             "basic" (two 3 × 3) or "bottleneck" (1 × 1, 3 × 3, 1 × 1, four times as many channels out)
    depths            the blocks of the four layers; 0 leaves a layer out
    width             the channels of the stem, and of layer1's blocks inside
    groups, width_per_group    of a bottleneck's 3 × 3: 32 and 4 make ResNeXt's "32 × 4d", 1 and 128 a wide ResNet
    se_reduction      squeeze-and-excitation gates of that reduction; se_bias=False leaves out their biases
    stem              "imagenet"; for small images "cifar", or "half", four times as fast: see `Stem`
    variant           "shipped": the form whose weights torchvision and timm publish. "paper": He's and Hu's networks in
                      Caffe, where a bottleneck's first 1 × 1 has the stride (but with groups) and the stem's pool runs
                      over the far edge. The two have the same state_dict.
    zero_init_residual    each block begins without its residual

    Convolutions begin normal with variance 2 / fan_out, as torchvision's.
    Differs from the paper: resnet20, 56 and 110 project where the size changes, as all others (option B); section 4.2
    pads with zeros (A).
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    stages = ("stem", "layer1", "layer2", "layer3", "layer4")
    channels_last = True

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        block: str = "basic",
        depths: Sequence[int] = (2, 2, 2, 2),
        width: int = 64,
        groups: int = 1,
        width_per_group: int = 64,
        se_reduction: int | None = None,
        se_bias: bool = True,
        stem: str = "imagenet",
        variant: str = "shipped",
        zero_init_residual: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        depths = checks.integers("depths", depths, 4, 0, "the blocks of each layer")
        if se_reduction is not None:
            checks.integer("se_reduction", se_reduction)
        checks.require(sum(depths) > 0, "depths must have at least one block, got (0, 0, 0, 0)")
        checks.integer("width", width)
        checks.choice("block", block, ("basic", "bottleneck"))
        checks.choice("stem", stem, tuple(STEMS))
        caffe = checks.choice("variant", variant, VARIANTS) == "paper"
        self.min_size = 3 if caffe and stem == "imagenet" else 1
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        options = {
            "se_reduction": se_reduction,
            "se_bias": se_bias,
            "zero_init_residual": zero_init_residual,
            **factory,
        }
        kind: Callable[..., nn.Module] = ResBlock
        if block == "bottleneck":
            kind = ResBottleneckBlock if groups == 1 else ResNeXtBlock
            options |= {"groups": groups, "width_per_group": width_per_group, "variant": variant}
        elif (groups, width_per_group) != (1, 64):
            raise ValueError('groups and width_per_group belong to block="bottleneck"; leave them out with "basic"')
        expansion = 1 if block == "basic" else 4
        channels = width

        def layer(depth: int, wide: int, stride: int = 2) -> nn.Sequential:
            nonlocal channels
            blocks: list[nn.Module] = []
            for i in range(depth):
                blocks.append(kind(channels, wide * expansion, stride if i == 0 else 1, **options))
                channels = wide * expansion
            return nn.Sequential(*blocks)

        # In the column, resnet18 at 224 × 224; a bottleneck gives four times as many channels.
        self.stem = Stem(in_channels, width, stem, caffe, **factory)  # -> 64, 56, 56
        self.layer1 = layer(depths[0], width, stride=1)  #                -> 64, 56, 56
        self.layer2 = layer(depths[1], 2 * width)  #                      -> 128, 28, 28
        self.layer3 = layer(depths[2], 4 * width)  #                      -> 256, 14, 14
        self.layer4 = layer(depths[3], 8 * width)  #                      -> 512, 7, 7
        self.head = Linear(channels, num_classes, **factory)  #           -> 1000

    def forward_head(self, x: Float[Tensor, "N features P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        """Scores of a feature map; with `pre_logits`, the mean over its places."""
        vector = x.mean((2, 3))
        return vector if pre_logits else self.head(vector)


class ResNet34(ResNet):
    """34 layers: 3, 4, 6 and 3 basic blocks. 21,797,672 parameters, 3.664 · 10⁹ multiply-adds."""

    presets: ClassVar = {"resnet34": {}, "paper": _PAPER}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["resnet34"])


class ResNet50(ResNet):
    """50 layers: 3, 4, 6 and 3 bottlenecks. 25,557,032 parameters, 4.089 · 10⁹ multiply-adds (paper: 3.858)."""

    presets: ClassVar = {"resnet50": {}, "paper": _PAPER}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["resnet50"])


class ResNeXt50(ResNet):
    """ResNet-50 with 32 paths of 4 channels. 25,028,904 parameters, 4.230 · 10⁹ multiply-adds.

    The authors' own network, in Torch, has the stride and the pool of the shipped form: there is no other.
    """

    presets: ClassVar = {"resnext50_32x4d": {}}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["resnext50_32x4d"])


class SEResNet50(ResNet):
    """ResNet-50, each block gated. 28,088,024 parameters, 4.092 · 10⁹ multiply-adds (Hu's in Caffe: 3.860).

    `se_bias=False` (28,071,976 parameters) leaves out the gates' biases, as section 6 recommends.
    """

    presets: ClassVar = {"seresnet50": {}, "legacy_seresnet50": _PAPER}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["seresnet50"])


class SEResNeXt50(ResNet):
    """ResNeXt-50, each block gated. 27,559,896 parameters (27,543,848 with `se_bias=False`), 4.233 · 10⁹
    multiply-adds."""

    presets: ClassVar = {"seresnext50_32x4d": {}, "legacy_seresnext50_32x4d": _PAPER}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["seresnext50_32x4d"])
