"""DenseNet: every layer sees the features of all layers before it, and adds a few of its own.

Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993, table 1 (DenseNet-BC).

    image ─ stem ─ block1 ─ transition1 ─ block2 ─ transition2 ─ block3 ─ transition3 ─ block4 ─ norm ─ mean ─ head
            1/4    1/4      1/8           1/8      1/16          1/16     1/32          1/32                   scores

A block of L layers turns C channels into C + L k; a transition halves channels and size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.layers import BatchNorm2d, Linear, ReLU
from groundup.models.blocks.dense import DenseBlock, DenseTransition
from groundup.models.classifier import ImageClassifier
from groundup.models.residual_networks.stem import Stem


class DenseNet(ImageClassifier):
    """x (N, in_channels, H, W) of at least 29 × 29 → scores (N, num_classes).

    growth_rate         k: the channels that each layer adds
    block_config        the layers of the four blocks; 0 leaves a block and the transition before it out
    num_init_features   the stem's channels; 2 k unless given
    bn_size             a layer's 1 × 1 gives bn_size · k channels to its 3 × 3
    compression         θ: a transition keeps ⌊θ C⌋ channels
    dropout             after each layer's last convolution: 0.2 in the paper for data without augmentation
    stem                "imagenet"; for small images "cifar" (from 8 × 8), or "half" (from 15 × 15): see `Stem`
    memory_efficient    compute concatenations again in the backward pass instead of keeping them: the memory of a block
                        grows with its layers, not with their square, and a training step takes longer
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # table 1; 161 as torchvision's
        "densenet121": {},
        "densenet169": {"block_config": (6, 12, 32, 32)},
        "densenet201": {"block_config": (6, 12, 48, 32)},
        "densenet161": {"block_config": (6, 12, 36, 24), "growth_rate": 48},
    }
    stages = ("stem", "block1", "transition1", "block2", "transition2", "block3", "transition3", "block4", "norm")
    channels_last = True

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
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        layers = checks.integers("block_config", block_config, 4, 0, "the layers of each block")
        checks.require(layers[0] > 0, f"block_config must begin with at least one layer, got {layers}")
        checks.probability("dropout", dropout)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        channels = 2 * checks.integer("growth_rate", growth_rate)
        if num_init_features is not None:
            channels = checks.integer("num_init_features", num_init_features)

        def block(index: int) -> nn.Module:
            nonlocal channels
            if layers[index] == 0:
                return nn.Sequential()
            made = DenseBlock(channels, layers[index], growth_rate, bn_size, dropout, memory_efficient, **factory)
            channels = made.out_channels
            return made

        def transition(to: int) -> nn.Module:
            nonlocal channels
            if layers[to] == 0:
                return nn.Sequential()
            made = DenseTransition(channels, compression, **factory)
            channels = made.out_channels
            return made

        # In the column, densenet121 at 224 × 224.
        self.stem = Stem(in_channels, channels, stem, **factory)  # -> 64, 56, 56
        self.block1 = block(0)  #                                     -> 256, 56, 56
        self.transition1 = transition(1)  #                           -> 128, 28, 28
        self.block2 = block(1)  #                                     -> 512, 28, 28
        self.transition2 = transition(2)  #                           -> 256, 14, 14
        self.block3 = block(2)  #                                     -> 1024, 14, 14
        self.transition3 = transition(3)  #                           -> 512, 7, 7
        self.block4 = block(3)  #                                     -> 1024, 7, 7
        norm = BatchNorm2d(channels, **factory)
        self.norm = nn.Sequential(OrderedDict(bn=norm, relu=ReLU(inplace=True)))  # -> 1024, 7, 7
        self.head = Linear(channels, num_classes, **factory)  #       -> 1000
        halvings = sum(count > 0 for count in layers[1:])
        self.min_size = self.stem.reduction * (2**halvings - 1) + 1

    def forward_head(self, x: Float[Tensor, "N features P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        """Scores of a feature map; with `pre_logits`, the mean over its places."""
        vector = x.mean((2, 3))
        return vector if pre_logits else self.head(vector)


class DenseNet121(DenseNet):
    """6, 12, 24 and 16 layers of growth rate 32. 7,978,856 parameters, 2.834 · 10⁹ multiply-adds."""

    presets: ClassVar = {"densenet121": {}}
