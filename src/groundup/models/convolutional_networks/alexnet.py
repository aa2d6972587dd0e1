"""AlexNet. Krizhevsky, Sutskever and Hinton 2012, ImageNet Classification with Deep Convolutional Neural Networks.

    227 × 227 ─ 11×11/4 ─ norm ─ pool ─ 5×5 ─ norm ─ pool ─ 3×3 ─ 3×3 ─ 3×3 ─ pool ─ FC6 ─ FC7 ─ FC8
                96 × 55 × 55            256 × 27 × 27       384   384   256 × 13 × 13  4096  4096  1000

A ReLU follows every layer. The network was split over two GPUs: the second, fourth and fifth convolution receive only
their own half of the channels. The pooling windows (3, stride 2) overlap. Dropout follows FC6 and FC7.

Why ReLU: for large inputs the derivative of tanh is near 0, that of a ReLU is 1; the paper's small network reaches the
same training error six times as fast (figure 1). Why dropout: FC6 and FC7 hold 54 of the 61 million parameters; without
it the network overfits substantially (section 4.2).
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.component import component
from groundup.functional import adaptive_avg_pool2d, init, relu
from groundup.layers import Conv2d, Dropout, Linear, LocalResponseNorm, MaxPool2d
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ConvolutionalClassifier


@component(
    80,
    "the winner of ImageNet 2012: two towers, ReLU, dropout",
    paper=(
        "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, "
        "https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks"
    ),
    oracle="the paper's in torch.nn, with grouped convolutions; torchvision's alexnet",
    example="AlexNet()(torch.randn(1, 3, 227, 227))",
    figures={"parameters": "60 million", "top-5 error, one network, validation": "18.2 %"},
)
class AlexNet(ConvolutionalClassifier):
    """Images (N, in_channels, H, W) → scores (N, num_classes); 227 × 227 in the paper.

    Another image size: the last map is averaged to 6 × 6, as in torchvision; at 227 × 227 it has that size anyway.
    Differs from the paper: it states 224 × 224, for which an 11 × 11 kernel of stride 4 does not give its 55 × 55.

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        dropout: the probability of dropping a result of FC6 or FC7; with `drop_inputs`, one of their inputs, as in
            torchvision.
        channels: of the five convolutions.
        hidden: the units of FC6 and of FC7.
        groups: 2, the paper's two halves; 1: every convolution receives all channels.
        response_norm: whether local response normalisation follows the first two convolutions (section 3.3).
        padding: of the first convolution.
        drop_inputs: see `dropout`.
        initial: "paper": weights N(0, 0.01²); biases 1 in the second, fourth and fifth convolution, FC6 and FC7, else 0
            (section 5). "layers": each layer's own initialisation, uniform in ±1/√fan-in, as in torchvision.
        device, dtype: of the parameters.

    Example:
        >>> model = AlexNet(num_classes=10, channels=(8, 16, 16, 16, 16), hidden=32)
        >>> model(torch.randn(2, 3, 227, 227)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {
        "paper": {},  # 60,965,224 parameters, 0.724 · 10⁹ multiply-adds
        "single_tower": {"groups": 1},  # 62,378,344, 1.135 · 10⁹
        "torchvision": {  # 61,100,840, 0.714 · 10⁹ at 224 × 224: Krizhevsky 2014, arXiv:1404.5997
            "channels": (64, 192, 384, 256, 256),
            "groups": 1,
            "response_norm": False,
            "padding": 2,
            "drop_inputs": True,
            "initial": "layers",
        },
    }
    input_sizes: ClassVar = {"torchvision": (3, 224, 224)}
    classifier = "fc8"

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        channels: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
        hidden: int = 4096,
        groups: int = 2,
        response_norm: bool = True,
        padding: int = 0,
        drop_inputs: bool = False,
        initial: str = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        checks.integer("hidden", hidden)
        c1, c2, c3, c4, c5 = checks.integers("channels", channels, 5, each="one per convolution")
        checks.require(checks.integer("padding", padding, 0) <= 5, f"padding must be at most 5, got {padding}")
        checks.probability("dropout", dropout)
        self.initial = checks.choice("initial", initial, ("paper", "layers"))
        self.drop_inputs = drop_inputs
        self.min_size = 67 - 2 * padding

        conv = partial(ConvReLU, device=device, dtype=dtype)
        linear = partial(Linear, device=device, dtype=dtype)
        norm = partial(LocalResponseNorm, 5, alpha=5e-4, beta=0.75, k=2.0)  # the paper's α is 10⁻⁴ per channel
        self.conv1 = conv(in_channels, c1, 11, stride=4, padding=padding)
        self.norm1 = norm() if response_norm else None
        self.pool1 = MaxPool2d(3, stride=2)
        self.conv2 = conv(c1, c2, 5, padding=2, groups=groups)
        self.norm2 = norm() if response_norm else None
        self.pool2 = MaxPool2d(3, stride=2)
        self.conv3 = conv(c2, c3, 3, padding=1)
        self.conv4 = conv(c3, c4, 3, padding=1, groups=groups)
        self.conv5 = conv(c4, c5, 3, padding=1, groups=groups)
        self.pool5 = MaxPool2d(3, stride=2)
        self.fc6 = linear(c5 * 6 * 6, hidden)
        self.fc7 = linear(hidden, hidden)
        self.fc8 = linear(hidden, num_classes)
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        ones = (self.conv2.conv, self.conv4.conv, self.conv5.conv, self.fc6, self.fc7)
        for layer in self.modules():
            if isinstance(layer, (Conv2d, Linear)):
                if self.initial == "layers":
                    layer.reset_parameters()
                    continue
                assert layer.bias is not None
                init.normal_(layer.weight, std=0.01)
                init.constant_(layer.bias, 1.0 if layer in ones else 0.0)

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ P Q"]:
        """Return the last map. Shapes: the paper's network at 227 × 227."""
        x = self.conv1(x)  # -> 96, 55, 55
        if self.norm1 is not None:
            x = self.norm1(x)
        x = self.pool1(x)  # -> 96, 27, 27
        x = self.conv2(x)  # -> 256, 27, 27
        if self.norm2 is not None:
            x = self.norm2(x)
        x = self.pool2(x)  # -> 256, 13, 13
        x = self.conv3(x)  # -> 384, 13, 13
        x = self.conv4(x)  # -> 384, 13, 13
        x = self.conv5(x)  # -> 256, 13, 13
        x = self.pool5(x)  # -> 256, 6, 6
        return x

    def forward_head(self, x: Float[Tensor, "N _ P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        x = adaptive_avg_pool2d(x, 6).flatten(1)  # 9216
        drop = self.dropout
        if self.drop_inputs:
            x = relu(self.fc7(drop(relu(self.fc6(drop(x))))))
        else:
            x = drop(relu(self.fc6(x)))  # 4096
            x = drop(relu(self.fc7(x)))  # 4096
        return x if pre_logits else self.fc8(x)  # -> 1000

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))
