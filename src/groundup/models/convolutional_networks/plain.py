"""Plain networks. He, Zhang, Ren and Sun 2016, Deep Residual Learning, arXiv:1512.03385, section 3.3 and figure 3.

    224 × 224 ─ 7×7/2 ─ max pool ─ layer1 ─ layer2 ─ layer3 ─ layer4 ─ mean ─ linear
                64 × 112²  64 × 56²   64 × 56²  128 × 28²  256 × 14²  512 × 7²        1000

The residual network without its shortcuts. Layers are 3 × 3 convolutions, each followed by a batch norm and a ReLU.
Where the map is halved, the first of them has stride 2, and the channels double, so that every layer costs about the
same.

Why: it is the control experiment. The plain network of 34 layers has a higher training error than that of 18, so that
depth alone does not help, and neither overfitting nor vanishing gradients (there is batch normalisation) explain it.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.layers import BatchNorm2d, Conv2d, Linear, MaxPool2d
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ConvolutionalClassifier


@component(
    84,
    "34 layers without shortcuts, the baseline of ResNet",
    paper="He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385",
    oracle="torchvision's resnet34 without its shortcuts",
    example="DeepPlainCNN()(torch.randn(1, 3, 224, 224))",
    figures={"multiply-adds": "3.6 billion", "top-1 error, 10 crops, validation": "28.54 %"},
)
class DeepPlainCNN(ConvolutionalClassifier):
    """Images (N, in_channels, H, W) → scores (N, num_classes); 224 × 224 in the paper.

    Convolutions, which have no bias, are initialised N(0, 2 / fan-out), as in torchvision's ResNet; the linear layer
    uniformly in ±1/√fan-in.

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        depths: the number of pairs of 3 × 3 convolutions in each layer, as many as ResNet has blocks; (3, 4, 6, 3) is
            plain-34.
        width: the channels of layer1; the others have 2, 4 and 8 times as many.
        variant: "shipped": the first pooling pads a row and a column on all sides, as in torchvision's ResNet. "paper":
            on the far sides only, as in Caffe. The maps have the same size and other numbers.
        device, dtype: of the parameters.

    Example:
        >>> model = DeepPlainCNN(num_classes=10, depths=(1, 1, 1, 1), width=8)
        >>> model(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {
        "plain34": {},  # 21,623,848 parameters, 3.644 · 10⁹ multiply-adds
        "plain18": {"depths": (2, 2, 2, 2)},  # 11,515,688, 1.795 · 10⁹
    }
    classifier = "fc"

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
        super().__init__(num_classes, in_channels)
        d1, d2, d3, d4 = checks.integers("depths", depths, 4, each="one per layer")
        w = checks.integer("width", width)
        is_padded = checks.choice("variant", variant, ("shipped", "paper")) == "shipped"
        conv = partial(ConvReLU, norm=BatchNorm2d, device=device, dtype=dtype)

        def layer(in_channels: int, out_channels: int, pairs: int, stride: int = 2) -> nn.Sequential:
            first = conv(in_channels, out_channels, 3, stride, padding=1)
            others = (conv(out_channels, out_channels, 3, padding=1) for _ in range(2 * pairs - 1))
            return nn.Sequential(first, *others)

        self.conv1 = conv(in_channels, w, 7, stride=2, padding=3)
        self.pool = MaxPool2d(3, stride=2, padding=int(is_padded), ceil_mode=not is_padded)
        self.layer1 = layer(w, w, d1, stride=1)
        self.layer2 = layer(w, 2 * w, d2)
        self.layer3 = layer(2 * w, 4 * w, d3)
        self.layer4 = layer(4 * w, 8 * w, d4)
        self.fc = Linear(8 * w, num_classes, device=device, dtype=dtype)
        self.min_size = 1 if is_padded else 3
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in self.modules():
            if isinstance(layer, Conv2d):
                init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, (BatchNorm2d, Linear)):
                layer.reset_parameters()

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ P Q"]:
        """Return the last map. Shapes: plain34 at 224 × 224."""
        x = self.conv1(x)  #  -> 64, 112, 112
        x = self.pool(x)  #   -> 64, 56, 56
        x = self.layer1(x)  # -> 64, 56, 56
        x = self.layer2(x)  # -> 128, 28, 28
        x = self.layer3(x)  # -> 256, 14, 14
        x = self.layer4(x)  # -> 512, 7, 7
        return x

    def forward_head(self, x: Float[Tensor, "N _ P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        x = x.mean((2, 3))  # 512
        return x if pre_logits else self.fc(x)  # -> 1000

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))
