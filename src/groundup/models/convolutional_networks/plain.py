"""Plain networks. He, Zhang, Ren and Sun 2016, Deep Residual Learning, arXiv:1512.03385, section 3.3 and figure 3.

The residual network without its shortcuts: what shows that depth alone makes training worse.

    224 × 224 ─ 7×7/2 ─ max pool ─ layer1 ─ layer2 ─ layer3 ─ layer4 ─ mean ─ linear
                64 × 112²  64 × 56²   64 × 56²  128 × 28²  256 × 14²  512 × 7²        1000

Layers are 3 × 3 convolutions, each batch-normalised and followed by a ReLU. Where the map is halved, the first of them
has stride 2, and the channels double, so that every layer costs about the same.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init
from groundup.layers import BatchNorm2d, Conv2d, Linear, MaxPool2d
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ImageClassifier


class DeepPlainCNN(ImageClassifier):
    """x (N, in_channels, H, W) → scores (N, num_classes); 224 × 224 in the paper.

    depths    pairs of 3 × 3 convolutions in each layer, as many as ResNet has blocks: (3, 4, 6, 3) is plain-34.
    width     channels of layer1; the others have 2, 4 and 8 times as many.
    variant   "shipped": the first pooling pads a row and a column on all sides, as in torchvision's ResNet. "paper":
              on the far sides only, as Caffe's does. The maps are as large, their numbers differ.

    Convolutions, which have no bias, begin N(0, 2 / fan-out), as in torchvision's ResNet; the linear layer uniform in
    ±1/√fan-in.
    """

    presets: ClassVar = {
        "plain34": {},  # 21,623,848 parameters, 3.6 G multiply-adds
        "plain18": {"depths": (2, 2, 2, 2)},
    }
    stages = ("conv1", "pool", "layer1", "layer2", "layer3", "layer4")
    classifier = "fc"
    channels_last = True

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        depths: tuple[int, int, int, int] = (3, 4, 6, 3),
        width: int = 64,
        variant: str = "shipped",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        d1, d2, d3, d4 = checks.integers("depths", depths, 4, each="one a layer")
        w = checks.integer("width", width)
        padded = checks.choice("variant", variant, ("shipped", "paper")) == "shipped"
        conv = partial(ConvReLU, norm=BatchNorm2d, device=device, dtype=dtype)

        def layer(in_channels: int, out_channels: int, pairs: int, stride: int = 2) -> nn.Sequential:
            first = conv(in_channels, out_channels, 3, stride, padding=1)
            others = (conv(out_channels, out_channels, 3, padding=1) for _ in range(2 * pairs - 1))
            return nn.Sequential(first, *others)

        self.conv1 = conv(in_channels, w, 7, stride=2, padding=3)  #                       -> 64, 112, 112
        self.pool = MaxPool2d(3, stride=2, padding=int(padded), ceil_mode=not padded)  #   -> 64, 56, 56
        self.layer1 = layer(w, w, d1, stride=1)  #                                         -> 64, 56, 56
        self.layer2 = layer(w, 2 * w, d2)  #                                               -> 128, 28, 28
        self.layer3 = layer(2 * w, 4 * w, d3)  #                                           -> 256, 14, 14
        self.layer4 = layer(4 * w, 8 * w, d4)  #                                           -> 512, 7, 7
        self.fc = Linear(8 * w, num_classes, device=device, dtype=dtype)  #                -> 1000
        self.min_size = 1 if padded else 3
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in self.modules():
            if isinstance(layer, Conv2d):
                init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, (BatchNorm2d, Linear)):
                layer.reset_parameters()

    def forward_head(self, x: Float[Tensor, "N C H W"], pre_logits: bool = False) -> Float[Tensor, "N *rest"]:
        x = x.mean((2, 3))
        return x if pre_logits else self.fc(x)
