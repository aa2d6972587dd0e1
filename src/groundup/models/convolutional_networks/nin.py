"""Network in Network. Lin, Chen and Yan 2014, Network In Network, arXiv:1312.4400.

    CIFAR-10   32 × 32 ─ perceptron 5×5 ─ max pool ─ perceptron 5×5 ─ average pool ─ perceptron 3×3 ─ mean of each map
                         192 160 96       16 × 16    192 192 192      8 × 8          192 192 classes

A convolution applies one linear model to every window of the image. Here a small multilayer perceptron takes its place:
a k × k convolution, then 1 × 1 convolutions, each with a ReLU (equation 2). The last perceptron has one output map per
class, and the mean of a map is the score of its class.

Why: whether a window shows an object is rarely a linear function of its pixels; the 1 × 1 layers combine features
nonlinearly at each place. Why the mean: the linear layers at the end of AlexNet hold most of its parameters and
overfit; a mean has none, and accepts any image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, relu
from groundup.layers import AvgPool2d, Conv2d, Dropout, MaxPool2d
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ConvolutionalClassifier


class Perceptron(NamedTuple):
    """One multilayer perceptron: the `channels` of its layers, how it moves over the map, and the pooling after it."""

    channels: tuple[int, ...]
    kernel_size: int
    padding: int = 0
    stride: int = 1
    pool: str = ""  # "max" or "average": 3 × 3 windows of stride 2, the last may extend over the edge; "" for none
    drops: bool = False  # whether dropout follows


# The authors' definitions for Caffe; the paper states no widths. The layer `head` adds one map per class to the last.
CIFAR10 = (
    Perceptron((192, 160, 96), 5, padding=2, pool="max", drops=True),  #     -> 96, 16, 16
    Perceptron((192, 192, 192), 5, padding=2, pool="average", drops=True),  # -> 192, 8, 8
    Perceptron((192, 192), 3, padding=1),  #                                   -> 192, 8, 8
)
IMAGENET = (
    Perceptron((96, 96, 96), 11, stride=4, pool="max"),  #                     -> 96, 27, 27
    Perceptron((256, 256, 256), 5, padding=2, pool="max"),  #                  -> 256, 13, 13
    Perceptron((384, 384, 384), 3, padding=1, pool="max", drops=True),  #    -> 384, 6, 6
    Perceptron((1024, 1024), 3, padding=1),  #                                 -> 1024, 6, 6
)
POOLS = {"max": MaxPool2d, "average": AvgPool2d}


@component(
    81,
    "small perceptrons as convolutions, then global average pooling",
    paper="Lin et al. 2014, Network In Network, arXiv:1312.4400",
    oracle="the same networks in torch.nn",
    example="NetworkInNetwork()(torch.randn(1, 3, 32, 32))",
    figures={"CIFAR-10 error": "10.41 %, with augmentation 8.81 %"},
)
class NetworkInNetwork(ConvolutionalClassifier):
    """Images (N, in_channels, H, W) → scores (N, num_classes), never negative: a ReLU follows the last layer.

    Weights are initialised N(0, 2 / fan-in), biases 0; those of the head N(0, 0.01²) and 1. Otherwise the maps of half
    of the classes would initially be 0 everywhere, and stay so without a gradient. Differs from the authors'
    definitions, whose N(0, 0.05²) lets hardly any signal through nine layers.

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        dropout: the probability of dropping, after each perceptron with `drops`.
        perceptrons: the stages, each a `Perceptron` or a tuple of its values; a 1 × 1 layer, `head`, follows them.
        device, dtype: of the parameters.

    Example:
        >>> NetworkInNetwork()(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {
        "cifar10": {},  # 966,986 parameters, 0.222 · 10⁹ multiply-adds: section 4.2
        "imagenet": {"num_classes": 1000, "perceptrons": IMAGENET},  # 7,595,176, 1.100 · 10⁹
    }
    input_sizes: ClassVar = {"imagenet": (3, 224, 224)}

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        dropout: float = 0.5,
        perceptrons: Sequence[Perceptron | tuple[Any, ...]] = CIFAR10,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        checks.probability("dropout", dropout)
        if not isinstance(perceptrons, Sequence) or not all(isinstance(one, tuple) and one for one in perceptrons):
            raise TypeError(f"perceptrons must be a list of Perceptron, got {perceptrons!r}")
        checks.require(len(perceptrons) > 0, "perceptrons must hold at least one")
        plan = [Perceptron(*one) for one in perceptrons]  # a saved config holds plain tuples
        self.min_size, self.num_perceptrons = _find_min_size(plan), len(plan)
        channels = in_channels
        conv = partial(ConvReLU, device=device, dtype=dtype)
        for number, one in enumerate(plan, 1):
            checks.require(len(one.channels) > 0, f"channels of perceptron {number} must hold at least one number")
            checks.choice("pool", one.pool, (*POOLS, ""))
            first, *rest = one.channels
            stage = nn.Sequential(conv(channels, first, one.kernel_size, one.stride, one.padding))
            for before, after in zip(one.channels, rest):
                stage.append(conv(before, after, 1))
            if one.pool:
                stage.append(POOLS[one.pool](3, stride=2, ceil_mode=True))
            if one.drops:
                stage.append(Dropout(dropout))
            self.add_module(f"mlpconv{number}", stage)
            channels = one.channels[-1]
        self.head = Conv2d(channels, num_classes, 1, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in self.modules():
            if isinstance(layer, Conv2d):
                assert layer.bias is not None
                init.kaiming_normal_(layer.weight, nonlinearity="relu")
                init.constant_(layer.bias, 0.0)
        self._reset_head()

    def _reset_head(self) -> None:
        assert self.head.bias is not None
        init.normal_(self.head.weight, std=0.01)
        init.constant_(self.head.bias, 1.0)

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a new one for `num_classes` classes, initialised as in a new network."""
        super().reset_classifier(num_classes)
        self._reset_head()

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ P Q"]:
        """Return the last map. The tables above have the shapes."""
        for number in range(1, self.num_perceptrons + 1):
            x = getattr(self, f"mlpconv{number}")(x)
        return x

    def forward_head(self, x: Float[Tensor, "N _ P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        """Return the scores of a map; with `pre_logits`, the mean of the vectors that the last layer receives."""
        return (x if pre_logits else relu(self.head(x))).mean((2, 3))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))


def _find_min_size(perceptrons: Sequence[Perceptron]) -> int:
    """Return the smallest image size that leaves one pixel in the end: a pooling that may extend needs two for one."""
    size = 1
    for one in reversed(perceptrons):
        size = 2 * size if one.pool else size
        size = max((size - 1) * one.stride + one.kernel_size - 2 * one.padding, 1)
    return size
