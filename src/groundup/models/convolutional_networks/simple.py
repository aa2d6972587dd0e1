"""SimpleCNN, the smallest network that is a convolutional network, and the same one slid over larger images.

Its sizes are LeNet-5's (LeCun et al. 1998, figure 2), its parts today's: ReLU, max pooling, a linear output.

    image 32 × 32 ─ 5×5 conv ─ max pool ─ 5×5 conv ─ max pool ─ linear ─ linear ─ linear
                    6 × 28 × 28  6 × 14 × 14  16 × 10 × 10  16 × 5 × 5  120      84       classes

A linear layer that sees a whole 16 × 5 × 5 map is a 5 × 5 convolution that has only one place to stand. On a larger
image it has more: SimpleFullyCNN answers for every 32 × 32 window at once, and computes what they share once.
Long, Shelhamer and Darrell 2015, Fully Convolutional Networks for Semantic Segmentation, arXiv:1411.4038, section 3.1.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.functional import relu
from groundup.layers import Conv2d, Linear, MaxPool2d
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ImageClassifier


class SimpleCNN(ImageClassifier):
    """x (N, in_channels, 32, 32) → scores (N, num_classes).

    Every weight begins as its layer's does, uniform in ±1/√fan-in.
    """

    presets: ClassVar = {"cifar10": {}, "mnist": {"in_channels": 1}}  # 62,006 and 61,706 parameters
    input_sizes: ClassVar = {"mnist": (1, 32, 32)}
    stages = ("conv1", "pool1", "conv2", "pool2")
    classifier = "fc3"
    min_size = 32
    channels_last = True

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        conv = partial(ConvReLU, device=device, dtype=dtype)
        linear = partial(Linear, device=device, dtype=dtype)
        self.conv1 = conv(in_channels, 6, 5)  # -> 6, 28, 28
        self.pool1 = MaxPool2d(2)  #            -> 6, 14, 14
        self.conv2 = conv(6, 16, 5)  #          -> 16, 10, 10
        self.pool2 = MaxPool2d(2)  #            -> 16, 5, 5
        self.fc1 = linear(16 * 5 * 5, 120)  #   -> 120
        self.fc2 = linear(120, 84)  #           -> 84
        self.fc3 = linear(84, num_classes)  #   -> 10

    def checked(self, x: Tensor) -> Tensor:
        x = super().checked(x)
        if x.shape[2:] != (32, 32):
            raise ValueError(
                f"x must be 32 × 32 pixels for {type(self).__name__}, got {x.size(2)} × {x.size(3)}: resize the "
                "images, or slide the network over them with SimpleFullyCNN.slide(model)"
            )
        return x

    def forward_head(self, x: Float[Tensor, "N 16 5 5"], pre_logits: bool = False) -> Float[Tensor, "N *rest"]:
        x = relu(self.fc2(relu(self.fc1(x.flatten(1)))))
        return x if pre_logits else self.fc3(x)


class SimpleFullyCNN(ImageClassifier):
    """x (N, in_channels, H, W), H and W at least 32 → scores (N, num_classes, P, Q).

    scores[:, :, p, q] is what SimpleCNN, with the same weights, says of the 32 × 32 window that begins at pixel
    (4p, 4q): a map P = ⌊(H - 32) / 4⌋ + 1 high; 64 × 64 gives 9 × 9, 32 × 32 gives 1 × 1. What lies beyond the last
    window is not seen. The weights have SimpleCNN's names.
    """

    presets: ClassVar = SimpleCNN.presets
    input_sizes: ClassVar = SimpleCNN.input_sizes
    stages = SimpleCNN.stages
    classifier = SimpleCNN.classifier
    min_size = 32
    channels_last = True

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        conv = partial(ConvReLU, device=device, dtype=dtype)
        slid = partial(Conv2d, device=device, dtype=dtype)
        self.conv1 = conv(in_channels, 6, 5)  # -> 6, 28, 28
        self.pool1 = MaxPool2d(2)  #            -> 6, 14, 14
        self.conv2 = conv(6, 16, 5)  #          -> 16, 10, 10
        self.pool2 = MaxPool2d(2)  #            -> 16, 5, 5
        self.fc1 = slid(16, 120, 5)  #          -> 120, 1, 1
        self.fc2 = slid(120, 84, 1)  #          -> 84, 1, 1
        self.fc3 = slid(84, num_classes, 1)  #  -> 10, 1, 1

    def forward_head(self, x: Float[Tensor, "N 16 H W"], pre_logits: bool = False) -> Float[Tensor, "N C P Q"]:
        """The map of scores; with `pre_logits`, the map of vectors that the last layer sees."""
        x = relu(self.fc2(relu(self.fc1(x))))
        return x if pre_logits else self.fc3(x)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes P Q"]:
        return self.forward_head(self.forward_features(x))

    @classmethod
    def slide(cls, model: SimpleCNN) -> SimpleFullyCNN:
        """The same weights, slid: each linear weight (O, C · k · k) becomes a kernel (O, C, k, k). They are copied."""
        weight = model.fc3.weight
        slid = cls(model.num_classes, model.in_channels, weight.device, weight.dtype)
        source = model.state_dict()
        slid.load_state_dict({name: source[name].view(own.shape) for name, own in slid.state_dict().items()})
        return slid
