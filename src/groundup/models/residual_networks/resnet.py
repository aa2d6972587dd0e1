"""Residual networks: ResNet, ResNeXt, wide ResNets, and those with squeeze-and-excitation gates.

He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385, table 1;
Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431, table 1;
Zagoruyko and Komodakis 2016, Wide Residual Networks, arXiv:1605.07146;
Hu et al. 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507, table 1.

    image ─ stem ─ layer1 ─ layer2 ─ layer3 ─ layer4 ─ mean ─ head
            1/4    1/4      1/8      1/16     1/32            scores

Each layer is a chain of residual blocks y = relu(F(x) + x), which models/blocks/residual.py defines; the first block of
layer2, 3 and 4 halves the size and doubles the channels.

Why: a plain network of 34 layers trains to a *higher* error than one of 18 (He, section 4.1), although it could copy
the shallower one and let the other layers do nothing. A stack of nonlinear layers hardly learns to do nothing; a
residual block does nothing when its weights are 0. With the shortcuts the deeper network is the better one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, partialmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.layers import Linear
from groundup.models.blocks.residual import STEMS, VARIANTS, ResBlock, ResBottleneckBlock, ResNeXtBlock, Stem
from groundup.models.classifier import ConvolutionalClassifier

_HE = "He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385"
_HU = "Hu et al. 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507"


_50, _101, _152 = ({"block": "bottleneck", "depths": depths} for depths in ((3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)))
_32X4D, _SE, _PAPER = {"groups": 32, "width_per_group": 4}, {"se_reduction": 16}, {"variant": "paper"}
_CIFAR = {"width": 16, "stem": "cifar", "num_classes": 10}

#: He, table 1 and section 4.2 (CIFAR: 6 n + 2 layers); Xie, tables 1 and 3; Hu, table 1. The names are those of the
#: weights that torchvision and timm publish; "legacy" are the authors' networks in Caffe. On the right: parameters, and
#: multiply-adds of a 224 × 224 image (CIFAR: 32 × 32) in 10⁹.
PRESETS: dict[str, dict[str, Any]] = {
    "resnet18": {"block": "basic", "depths": (2, 2, 2, 2)},  #                11,689,512   1.814
    "resnet34": {"block": "basic", "depths": (3, 4, 6, 3)},  #                21,797,672   3.664
    "resnet50": _50,  #                                                       25,557,032   4.089; paper: 3.858
    "resnet101": _101,  #                                                     44,549,160   7.801
    "resnet152": _152,  #                                                     60,192,808  11.514
    "resnext50_32x4d": _50 | _32X4D,  #                                       25,028,904   4.230
    "resnext101_32x8d": _101 | {"groups": 32, "width_per_group": 8},  #       88,791,336  16.414
    "resnext101_64x4d": _101 | {"groups": 64, "width_per_group": 4},  #       83,455,272  15.460
    "wide_resnet50_2": _50 | {"width_per_group": 128},  #                     68,883,240  11.398
    "wide_resnet101_2": _101 | {"width_per_group": 128},  #                  126,886,696  22.753
    "seresnet50": _50 | _SE,  #                                               28,088,024   4.092
    "seresnext50_32x4d": _50 | _32X4D | _SE,  #                               27,559,896   4.233
    "legacy_seresnet50": _50 | _SE | _PAPER,  #                               28,088,024   3.860
    "legacy_seresnext50_32x4d": _50 | _32X4D | _SE | _PAPER,  #               27,559,896   4.233
    "resnet20": {"block": "basic", "depths": (3, 3, 3, 0), **_CIFAR},  #         272,474   0.041
    "resnet56": {"block": "basic", "depths": (9, 9, 9, 0), **_CIFAR},  #         855,770   0.126
    "resnet110": {"block": "basic", "depths": (18, 18, 18, 0), **_CIFAR},  #   1,730,714   0.253
}


class ResNet(ConvolutionalClassifier):
    """Images (N, in_channels, H, W) of any size → scores (N, num_classes).

    Convolutions are initialised normally with variance 2 / fan_out, as torchvision's.

    Differs from the paper: resnet20, 56 and 110 project the shortcut where the size changes, as all others do
    (option B); section 4.2 pads it with zeros (option A).

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        block: "basic" (two 3 × 3) or "bottleneck" (1 × 1, 3 × 3, 1 × 1, with four times as many output channels).
        depths: the number of blocks in each of the four layers; 0 leaves a layer out.
        width: the channels of the stem, and of the 3 × 3 in layer1; doubled in each further layer.
        groups, width_per_group: of a bottleneck's 3 × 3: 32 and 4 make ResNeXt's "32 × 4d", 1 and 128 a wide ResNet.
        se_reduction: the reduction of squeeze-and-excitation gates in every block; None for no gates.
        se_bias: whether the gates have biases.
        stem: "imagenet"; for small images "cifar", or "half", which is four times as fast: see `Stem`.
        variant: "shipped": the form whose weights torchvision and timm publish. "paper": He's and Hu's networks in
            Caffe, where a bottleneck's first 1 × 1 has the stride (unless it has groups) and the stem's pooling extends
            over the far edge. Both have the same state_dict.
        zero_init_residual: initialise each block without its residual.
        device, dtype: of the parameters.

    Example:
        >>> model = ResNet.preset("resnet18", num_classes=10)
        >>> model(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

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
        super().__init__(num_classes, in_channels)
        depths = checks.integers("depths", depths, 4, 0, "the blocks of each layer")
        if se_reduction is not None:
            checks.integer("se_reduction", se_reduction)
        checks.require(sum(depths) > 0, "depths must have at least one block, got (0, 0, 0, 0)")
        checks.integer("width", width)
        checks.choice("block", block, ("basic", "bottleneck"))
        checks.choice("stem", stem, tuple(STEMS))
        is_caffe = checks.choice("variant", variant, VARIANTS) == "paper"
        self.min_size = 3 if is_caffe and stem == "imagenet" else 1
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        kind: Callable[..., nn.Module] = ResBlock
        if block == "bottleneck":
            kind = ResBottleneckBlock if groups == 1 else ResNeXtBlock
            kind = partial(kind, groups=groups, width_per_group=width_per_group, variant=variant)
        elif (groups, width_per_group) != (1, 64):
            raise ValueError('groups and width_per_group belong to block="bottleneck"; leave them out with "basic"')
        make = partial(
            kind, se_reduction=se_reduction, se_bias=se_bias, zero_init_residual=zero_init_residual, **factory
        )
        expansion = 1 if block == "basic" else 4
        channels = width

        def layer(depth: int, wide: int, stride: int = 2) -> nn.Sequential:
            nonlocal channels
            blocks: list[nn.Module] = []
            for i in range(depth):
                blocks.append(make(channels, wide * expansion, stride if i == 0 else 1))
                channels = wide * expansion
            return nn.Sequential(*blocks)

        self.stem = Stem(in_channels, width, stem, is_caffe, **factory)
        self.layer1 = layer(depths[0], width, stride=1)
        self.layer2 = layer(depths[1], 2 * width)
        self.layer3 = layer(depths[2], 4 * width)
        self.layer4 = layer(depths[3], 8 * width)
        self.head = Linear(channels, num_classes, **factory)

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ P Q"]:
        """Return the last map. Shapes: resnet18 at 224 × 224; bottlenecks have four times as many channels."""
        x = self.stem(x)  #   -> 64, 56, 56
        x = self.layer1(x)  # -> 64, 56, 56
        x = self.layer2(x)  # -> 128, 28, 28
        x = self.layer3(x)  # -> 256, 14, 14
        x = self.layer4(x)  # -> 512, 7, 7
        return x

    def forward_head(self, x: Float[Tensor, "N _ P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        x = x.mean((2, 3))  # 512
        return x if pre_logits else self.head(x)  # -> 1000

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))


@component(
    85,
    "34 layers of basic residual blocks",
    paper=_HE,
    oracle="torchvision's resnet34",
    example="ResNet34()(torch.randn(1, 3, 224, 224))",
    figures={
        "multiply-adds": "3.6 × 10⁹ (table 1)",
        "top-1 error, 10 crops": "24.52 % (table 3, projection shortcuts as here)",
    },
)
class ResNet34(ResNet):
    """34 layers: 3, 4, 6 and 3 basic blocks. Args: those of `ResNet`.

    Example:
        >>> ResNet34(num_classes=10)(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {"resnet34": {}, "paper": _PAPER}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["resnet34"])


@component(
    86,
    "50 layers of bottleneck residual blocks",
    paper=_HE,
    oracle="torchvision's resnet50; the paper's form: timm's legacy_seresnet50, its gates opened",
    example="ResNet50()(torch.randn(1, 3, 224, 224))",
    figures={
        "multiply-adds": "3.8 × 10⁹ (table 1; the stride on the first 1 × 1, `--preset paper`)",
        "top-1 error, 10 crops": "22.85 % (table 3)",
    },
)
class ResNet50(ResNet):
    """50 layers: 3, 4, 6 and 3 bottlenecks. Args: those of `ResNet`.

    Example:
        >>> ResNet50(num_classes=10)(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {"resnet50": {}, "paper": _PAPER}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["resnet50"])


@component(
    87,
    "ResNet-50 with 32 parallel paths per block",
    paper="Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431",
    oracle="torchvision's resnext50_32x4d",
    example="ResNeXt50()(torch.randn(1, 3, 224, 224))",
    figures={
        "parameters": "25.0 × 10⁶ (table 1)",
        "multiply-adds": "4.2 × 10⁹ (table 1)",
        "top-1 error": "22.2 % (table 3)",
    },
)
class ResNeXt50(ResNet):
    """ResNet-50 with 32 paths of 4 channels in each block. Args: those of `ResNet`.

    There is no variant "paper": the authors' own network, in Torch, has the stride and the pooling of the shipped form.

    Example:
        >>> ResNeXt50(num_classes=10)(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {"resnext50_32x4d": {}}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["resnext50_32x4d"])


@component(
    88,
    "ResNet-50 with squeeze-and-excitation",
    paper=_HU,
    oracle="timm's seresnet50; the authors' form: timm's legacy_seresnet50",
    example="SEResNet50()(torch.randn(1, 3, 224, 224))",
    figures={
        "multiply-adds": "3.87 × 10⁹ (table 2; the stride on the first 1 × 1, `--preset legacy_seresnet50`)",
        "top-1 error": "23.29 % (table 2)",
    },
)
class SEResNet50(ResNet):
    """ResNet-50 with a squeeze-and-excitation gate in each block. Args: those of `ResNet`.

    `se_bias=False` leaves out the gates' biases, as Hu recommends in section 6: 28,071,976 parameters.

    Example:
        >>> SEResNet50(num_classes=10)(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {"seresnet50": {}, "legacy_seresnet50": _PAPER}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["seresnet50"])


@component(
    89,
    "ResNeXt-50 with squeeze-and-excitation",
    paper=_HU,
    oracle="timm's seresnext50_32x4d; the authors' form: timm's legacy_seresnext50_32x4d",
    example="SEResNeXt50()(torch.randn(1, 3, 224, 224))",
    figures={"multiply-adds": "4.25 × 10⁹ (table 2)", "top-1 error": "21.10 % (table 2)"},
)
class SEResNeXt50(ResNet):
    """ResNeXt-50 with a squeeze-and-excitation gate in each block. Args: those of `ResNet`.

    With `se_bias=False` it has 27,543,848 parameters.

    Example:
        >>> SEResNeXt50(num_classes=10)(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {"seresnext50_32x4d": {}, "legacy_seresnext50_32x4d": _PAPER}
    __init__ = partialmethod(ResNet.__init__, **PRESETS["seresnext50_32x4d"])
