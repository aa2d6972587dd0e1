"""AlexNet. Krizhevsky, Sutskever and Hinton 2012, ImageNet Classification with Deep Convolutional Neural Networks.

    227 × 227 ─ 11×11/4 ─ norm ─ pool ─ 5×5 ─ norm ─ pool ─ 3×3 ─ 3×3 ─ 3×3 ─ pool ─ FC6 ─ FC7 ─ FC8
                96 × 55 × 55            256 × 27 × 27       384   384   256 × 13 × 13  4096  4096  1000

A ReLU follows every layer. The network was cut in two for two GPUs: the second, fourth and fifth convolutions see only
their own half of the channels. Pooling windows (3, stride 2) overlap. Dropout follows FC6 and FC7.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.functional import adaptive_avg_pool2d, init, relu
from groundup.layers import Conv2d, Dropout, Linear, LocalResponseNorm, MaxPool2d
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ImageClassifier


class AlexNet(ImageClassifier):
    """x (N, in_channels, H, W) → scores (N, num_classes); 227 × 227 in the paper.

    channels        of the five convolutions; `hidden`, of FC6 and FC7.
    groups          2, the paper's towers, or 1: every convolution sees all channels.
    response_norm   local response normalisation after the first two convolutions (section 3.3).
    padding         of the first convolution.
    dropout         the probability of dropping; what is dropped are the results of FC6 and FC7, or with
                    `drop_inputs` their inputs, as in torchvision.
    initial         "paper": weights N(0, 0.01²), biases 1 in the second, fourth and fifth convolution, FC6 and FC7,
                    else 0 (section 5). "layers": each layer's own, uniform in ±1/√fan-in, as in torchvision.

    Other image sizes: the last map is averaged to 6 × 6, as in torchvision; at 227 × 227 it has that size anyway.
    Differs from the paper: it prints 224 × 224, from which an 11 × 11 kernel with stride 4 cannot make its 55 × 55.
    """

    presets: ClassVar = {
        "paper": {},  # 60,965,224 parameters, 0.724 G multiply-adds
        "single_tower": {"groups": 1},  # 62,378,344
        "torchvision": {  # 61,100,840, 0.714 G at 224 × 224: Krizhevsky 2014, arXiv:1404.5997
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
    channels_last = True

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
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        checks.integer("hidden", hidden)
        c1, c2, c3, c4, c5 = checks.integers("channels", channels, 5, each="one a convolution")
        checks.require(checks.integer("padding", padding, 0) <= 5, f"padding must be at most 5, got {padding}")
        checks.probability("dropout", dropout)
        self.initial = checks.choice("initial", initial, ("paper", "layers"))
        self.drop_inputs = drop_inputs
        self.min_size = 67 - 2 * padding

        conv = partial(ConvReLU, device=device, dtype=dtype)
        linear = partial(Linear, device=device, dtype=dtype)
        norm = partial(LocalResponseNorm, 5, alpha=5e-4, beta=0.75, k=2.0)  # the paper's α is 10⁻⁴ for each of the 5
        self.conv1 = conv(in_channels, c1, 11, stride=4, padding=padding)  # -> 96, 55, 55
        self.norm1 = norm() if response_norm else None
        self.pool1 = MaxPool2d(3, stride=2)  #                                -> 96, 27, 27
        self.conv2 = conv(c1, c2, 5, padding=2, groups=groups)  #             -> 256, 27, 27
        self.norm2 = norm() if response_norm else None
        self.pool2 = MaxPool2d(3, stride=2)  #                                -> 256, 13, 13
        self.conv3 = conv(c2, c3, 3, padding=1)  #                            -> 384, 13, 13
        self.conv4 = conv(c3, c4, 3, padding=1, groups=groups)  #             -> 384, 13, 13
        self.conv5 = conv(c4, c5, 3, padding=1, groups=groups)  #             -> 256, 13, 13
        self.pool5 = MaxPool2d(3, stride=2)  #                                -> 256, 6, 6
        self.fc6 = linear(c5 * 6 * 6, hidden)  #                              -> 4096
        self.fc7 = linear(hidden, hidden)  #                                  -> 4096
        self.fc8 = linear(hidden, num_classes)  #                             -> 1000
        self.dropout = Dropout(dropout)
        parts = ("conv1", "norm1", "pool1", "conv2", "norm2", "pool2", "conv3", "conv4", "conv5", "pool5")
        self.stages = tuple(name for name in parts if getattr(self, name) is not None)
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

    def forward_head(self, x: Float[Tensor, "N C H W"], pre_logits: bool = False) -> Float[Tensor, "N *rest"]:
        x = adaptive_avg_pool2d(x, 6).flatten(1)
        drop = self.dropout
        if self.drop_inputs:
            x = relu(self.fc7(drop(relu(self.fc6(drop(x))))))
        else:
            x = drop(relu(self.fc7(drop(relu(self.fc6(x))))))
        return x if pre_logits else self.fc8(x)
