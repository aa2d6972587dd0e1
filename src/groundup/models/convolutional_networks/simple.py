"""SimpleCNN, a small convolutional network, and SimpleFullyCNN, the same one applied to every window of a larger image.

The sizes are those of LeNet-5 (LeCun et al. 1998, figure 2), with ReLU, max pooling and a linear output.

    image 32 × 32 ─ 5×5 conv ─ max pool ─ 5×5 conv ─ max pool ─ linear ─ linear ─ linear
                    6 × 28 × 28  6 × 14 × 14  16 × 10 × 10  16 × 5 × 5  120      84       classes

Why a network can slide: a linear layer on a whole 16 × 5 × 5 map is a 5 × 5 convolution that fits in one place only. On
a larger image it fits in several. SimpleFullyCNN gives the scores of every 32 × 32 window in one pass, and computes
once what overlapping windows share; cutting the windows out would compute it again for each.
Long, Shelhamer and Darrell 2015, Fully Convolutional Networks for Semantic Segmentation, arXiv:1411.4038, section 3.1.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.component import component
from groundup.functional import relu
from groundup.layers import Conv2d, Linear, MaxPool2d
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ConvolutionalClassifier


@component(
    77,
    "a small network: two convolutions, three linear layers",
    paper="LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, doi:10.1109/5.726791",
    oracle="the same network in torch.nn",
    example="SimpleCNN()(torch.randn(1, 3, 32, 32))",
    figures={"sizes of the layers": "6, 16, 120, 84, 10 (LeNet-5's, figure 2)"},
)
class SimpleCNN(ConvolutionalClassifier):
    """Images (N, in_channels, 32, 32) → scores (N, num_classes).

    Every layer keeps its own initialisation, uniform in ±1/√fan-in.

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        device, dtype: of the parameters.

    Example:
        >>> SimpleCNN()(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {"cifar10": {}, "mnist": {"in_channels": 1}}  # 62,006 and 61,706 parameters
    input_sizes: ClassVar = {"mnist": (1, 32, 32)}
    classifier = "fc3"
    min_size = 32

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        conv = partial(ConvReLU, device=device, dtype=dtype)
        linear = partial(Linear, device=device, dtype=dtype)
        self.conv1 = conv(in_channels, 6, 5)
        self.pool1 = MaxPool2d(2)
        self.conv2 = conv(6, 16, 5)
        self.pool2 = MaxPool2d(2)
        self.fc1 = linear(16 * 5 * 5, 120)
        self.fc2 = linear(120, 84)
        self.fc3 = linear(84, num_classes)

    def check_images(self, x: Tensor) -> None:
        super().check_images(x)
        if x.shape[2:] != (32, 32):
            raise ValueError(
                f"x must be 32 × 32 pixels for {type(self).__name__}, got {x.size(2)} × {x.size(3)}: resize the "
                "images, or slide the network over them with SimpleFullyCNN.slide(model)"
            )

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ P Q"]:
        x = self.conv1(x)  # -> 6, 28, 28
        x = self.pool1(x)  # -> 6, 14, 14
        x = self.conv2(x)  # -> 16, 10, 10
        x = self.pool2(x)  # -> 16, 5, 5
        return x

    def forward_head(self, x: Float[Tensor, "N 16 5 5"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        x = relu(self.fc1(x.flatten(1)))  # 120
        x = relu(self.fc2(x))  #            84
        return x if pre_logits else self.fc3(x)  # -> 10

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))


@component(
    78,
    "fully convolutional: a map of scores for images of any size",
    paper="Long et al. 2015, Fully Convolutional Networks for Semantic Segmentation, arXiv:1411.4038",
    oracle="SimpleCNN on every 32 × 32 window, in torch.nn",
    example="SimpleFullyCNN()(torch.randn(1, 3, 32, 32))",
    figures={"AlexNet so slid": "a 10 × 10 map of a 500 × 500 image, five times as fast as window by window"},
)
class SimpleFullyCNN(ConvolutionalClassifier):
    """Images (N, in_channels, H, W), H and W at least 32 → scores (N, num_classes, P, Q).

    scores[:, :, p, q] is SimpleCNN's answer, with the same weights, for the 32 × 32 window whose first pixel is
    (4p, 4q): P = ⌊(H - 32) / 4⌋ + 1; 64 × 64 gives 9 × 9 scores, 32 × 32 gives 1 × 1. Pixels beyond the last window are
    not used. The weights have SimpleCNN's names.

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        device, dtype: of the parameters.

    Example:
        >>> model = SimpleFullyCNN.slide(SimpleCNN())
        >>> model(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10, 9, 9])
    """

    presets: ClassVar = SimpleCNN.presets
    input_sizes: ClassVar = SimpleCNN.input_sizes
    classifier = SimpleCNN.classifier
    min_size = 32

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        conv = partial(ConvReLU, device=device, dtype=dtype)
        layer = partial(Conv2d, device=device, dtype=dtype)
        self.conv1 = conv(in_channels, 6, 5)
        self.pool1 = MaxPool2d(2)
        self.conv2 = conv(6, 16, 5)
        self.pool2 = MaxPool2d(2)
        self.fc1 = layer(16, 120, 5)
        self.fc2 = layer(120, 84, 1)
        self.fc3 = layer(84, num_classes, 1)

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ P Q"]:
        """Return the last map. Shapes: 32 × 32."""
        x = self.conv1(x)  # -> 6, 28, 28
        x = self.pool1(x)  # -> 6, 14, 14
        x = self.conv2(x)  # -> 16, 10, 10
        x = self.pool2(x)  # -> 16, 5, 5
        return x

    def forward_head(self, x: Float[Tensor, "N 16 H W"], pre_logits: bool = False) -> Float[Tensor, "N _ P Q"]:
        """Return the map of scores; with `pre_logits`, the map of vectors that the last layer receives."""
        x = relu(self.fc1(x))  # 120, 1, 1
        x = relu(self.fc2(x))  # 84, 1, 1
        return x if pre_logits else self.fc3(x)  # -> 10, 1, 1

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes P Q"]:
        return self.forward_head(self.forward_features(x))

    @classmethod
    def slide(cls, model: SimpleCNN) -> SimpleFullyCNN:
        """Return a network with a copy of `model`'s weights: a matrix (O, C · k · k) becomes a kernel (O, C, k, k)."""
        weight = model.fc3.weight
        slid = cls(model.num_classes, model.in_channels, weight.device, weight.dtype)
        source = model.state_dict()
        slid.load_state_dict({name: source[name].view(own.shape) for name, own in slid.state_dict().items()})
        return slid
