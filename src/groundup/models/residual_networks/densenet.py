"""DenseNet: every layer receives the features of all layers before it, and adds a few of its own.

Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993, table 1 (DenseNet-BC).

    image ─ stem ─ block1 ─ transition1 ─ block2 ─ transition2 ─ block3 ─ transition3 ─ block4 ─ norm ─ mean ─ head
            1/4    1/4      1/8           1/8      1/16          1/16     1/32          1/32                   scores

A block of L layers turns C channels into C + L k; a transition halves channels and size. models/blocks/dense.py defines
both.

Why: features are reused instead of learned again. A layer reads all earlier features directly, so that it needs to add
only k = 32 channels of its own, and the loss reaches every layer through a short path. DenseNet-121 is about as
accurate as ResNet-50 with a third of the parameters; its price is the memory for the concatenated features.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.layers import BatchNorm2d, Linear, ReLU
from groundup.models.blocks.dense import DenseBlock, DenseTransition
from groundup.models.blocks.residual import Stem
from groundup.models.classifier import ConvolutionalClassifier


class DenseNet(ConvolutionalClassifier):
    """Images (N, in_channels, H, W) of at least 29 × 29 → scores (N, num_classes).

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        growth_rate: k, the channels that each layer adds.
        block_config: the number of layers in each of the four blocks; 0 leaves a block and the transition before it
            out.
        num_init_features: the channels of the stem; 2 k by default.
        bn_size: a layer's 1 × 1 convolution gives bn_size · k channels to its 3 × 3.
        compression: θ; a transition keeps ⌊θ C⌋ channels.
        dropout: after each layer's last convolution: 0.2 in the paper for data without augmentation.
        stem: "imagenet"; for small images "cifar" (from 8 × 8), or "half" (from 15 × 15): see `Stem`.
        memory_efficient: compute concatenations again in the backward pass instead of keeping them: the memory of a
            block grows with the number of its layers, not with their square; a training step takes longer.
        device, dtype: of the parameters.

    Example:
        >>> model = DenseNet(num_classes=10, growth_rate=12, block_config=(2, 2, 2, 2))
        >>> model(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # table 1: parameters, 10⁹ multiply-adds; 161: torchvision's
        "densenet121": {},  #                                                    7,978,856  2.834
        "densenet169": {"block_config": (6, 12, 32, 32)},  #                    14,149,480  3.360
        "densenet201": {"block_config": (6, 12, 48, 32)},  #                    20,013,928  4.291
        "densenet161": {"block_config": (6, 12, 36, 24), "growth_rate": 48},  # 28,681,000  7.728
    }

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int | None = None,
        bn_size: int = 4,
        compression: float = 0.5,
        dropout: float = 0.0,
        stem: str = "imagenet",
        memory_efficient: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        layers = checks.integers("block_config", block_config, 4, 0, "the layers of each block")
        checks.require(layers[0] > 0, f"block_config must begin with at least one layer, got {layers}")
        checks.probability("dropout", dropout)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        channels = 2 * checks.integer("growth_rate", growth_rate)
        if num_init_features is not None:
            channels = checks.integer("num_init_features", num_init_features)

        def add(part: DenseBlock | DenseTransition) -> nn.Module:
            nonlocal channels
            channels = part.out_channels
            return part

        def block(index: int) -> nn.Module:
            if layers[index] == 0:
                return nn.Sequential()
            return add(DenseBlock(channels, layers[index], growth_rate, bn_size, dropout, memory_efficient, **factory))

        def transition(to: int) -> nn.Module:
            return add(DenseTransition(channels, compression, **factory)) if layers[to] else nn.Sequential()

        self.stem = Stem(in_channels, channels, stem, **factory)
        self.block1 = block(0)
        self.transition1 = transition(1)
        self.block2 = block(1)
        self.transition2 = transition(2)
        self.block3 = block(2)
        self.transition3 = transition(3)
        self.block4 = block(3)
        self.norm = nn.Sequential(OrderedDict(bn=BatchNorm2d(channels, **factory), relu=ReLU(inplace=True)))
        self.head = Linear(channels, num_classes, **factory)
        halvings = sum(count > 0 for count in layers[1:])
        self.min_size = self.stem.reduction * (2**halvings - 1) + 1

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ P Q"]:
        """Return the last map. Shapes: densenet121 at 224 × 224."""
        x = self.stem(x)  #        -> 64, 56, 56
        x = self.block1(x)  #      -> 256, 56, 56
        x = self.transition1(x)  # -> 128, 28, 28
        x = self.block2(x)  #      -> 512, 28, 28
        x = self.transition2(x)  # -> 256, 14, 14
        x = self.block3(x)  #      -> 1024, 14, 14
        x = self.transition3(x)  # -> 512, 7, 7
        x = self.block4(x)  #      -> 1024, 7, 7
        x = self.norm(x)  #        -> 1024, 7, 7
        return x

    def forward_head(self, x: Float[Tensor, "N _ P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        x = x.mean((2, 3))  # 1024
        return x if pre_logits else self.head(x)  # -> 1000

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))


@component(
    90,
    "every layer sees the outputs of all earlier layers",
    paper="Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993",
    oracle="torchvision's densenet121",
    example="DenseNet121()(torch.randn(1, 3, 224, 224))",
    figures={"feature maps": "256, 512, 1024 and 1024 after the blocks (table 1)", "top-1 error": "25.02 % (table 3)"},
)
class DenseNet121(DenseNet):
    """6, 12, 24 and 16 layers of growth rate 32. Args: those of `DenseNet`.

    Example:
        >>> DenseNet121(num_classes=10)(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {"densenet121": {}}
