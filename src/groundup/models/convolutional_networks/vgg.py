"""VGG. Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition.

arXiv:1409.1556.

    224 × 224 ─ stage 1 ─ stage 2 ─ stage 3 ─ stage 4 ─ stage 5 ─ FC6 ─ FC7 ─ FC8
                64 × 112²  128 × 56²  256 × 28²  512 × 14²  512 × 7²   4096   4096   1000

A stage is a few convolutions at one size, then a 2 × 2 max pooling; a ReLU follows every layer but the last.

Why 3 × 3 only: two of them cover the same 5 × 5 pixels as one larger kernel, three cover 7 × 7, with fewer weights
(27 C² instead of 49 C²) and a ReLU after each (section 2.3). With larger kernels the same depth would cost far more.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import adaptive_avg_pool2d, init, relu
from groundup.layers import BatchNorm2d, Conv2d, Dropout, Linear, LocalResponseNorm, MaxPool2d
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ConvolutionalClassifier

#: Table 1: the number of convolutions in each stage. In C the third of a stage is 1 × 1.
CONFIGURATIONS = {
    "A": (1, 1, 2, 2, 2),
    "A-LRN": (1, 1, 2, 2, 2),
    "B": (2, 2, 2, 2, 2),
    "C": (2, 2, 3, 3, 3),
    "D": (2, 2, 3, 3, 3),
    "E": (2, 2, 4, 4, 4),
}


class VGG(ConvolutionalClassifier):
    """Images (N, in_channels, H, W), H and W at least 32 → scores (N, num_classes); 224 × 224 in the paper.

    Another image size: the last map is averaged to 7 × 7, as in torchvision; at 224 × 224 it has that size anyway.
    Convolutions are initialised N(0, 2 / fan-out), linear layers N(0, 0.01²), biases 0, as in torchvision.
    Differs from the paper, where A was initialised N(0, 0.01²) and the deeper ones with A's trained layers
    (section 3.1).

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        dropout: the probability of dropping a result of FC6 or FC7.
        configuration: a column of table 1. "A-LRN" has local response normalisation, as AlexNet, after the first
            convolution.
        batch_norm: normalise every convolution: not in the paper; torchvision's `vgg16_bn` and its relatives.
        width: the channels of stage 1; the others have 2, 4, 8 and 8 times as many.
        hidden: the units of FC6 and of FC7.
        device, dtype: of the parameters.

    Example:
        >>> model = VGG.preset("vgg11", num_classes=10, width=8, hidden=32)
        >>> model(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {  # parameters, 10⁹ multiply-adds at 224 × 224
        "vgg16": {},  #                                         138,357,544  15.470
        "vgg11": {"configuration": "A"},  #                     132,863,336   7.609
        "vgg11_lrn": {"configuration": "A-LRN"},  #             132,863,336   7.609
        "vgg13": {"configuration": "B"},  #                     133,047,848  11.308
        "vgg16_c": {"configuration": "C"},  #                   133,638,952  11.771
        "vgg19": {"configuration": "E"},  #                     143,667,240  19.632
        "vgg11_bn": {"configuration": "A", "batch_norm": True},  # 132,868,840   7.609
        "vgg13_bn": {"configuration": "B", "batch_norm": True},  # 133,053,736  11.308
        "vgg16_bn": {"batch_norm": True},  #                    138,365,992  15.470
        "vgg19_bn": {"configuration": "E", "batch_norm": True},  # 143,678,248  19.632
    }
    classifier = "fc8"
    min_size = 32

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        configuration: str = "D",
        batch_norm: bool = False,
        width: int = 64,
        hidden: int = 4096,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        checks.probability("dropout", dropout)
        w, hidden = checks.integer("width", width), checks.integer("hidden", hidden)
        self.configuration = checks.choice("configuration", configuration, tuple(CONFIGURATIONS))
        # In torchvision's batch-normalised networks the convolutions keep their bias, though the norm subtracts it.
        conv = partial(ConvReLU, norm=BatchNorm2d if batch_norm else None, bias=True, device=device, dtype=dtype)
        linear = partial(Linear, device=device, dtype=dtype)
        n1, n2, n3, n4, n5 = CONFIGURATIONS[configuration]

        def stage(in_channels: int, out_channels: int, depth: int) -> nn.Sequential:
            layers = nn.Sequential()
            for place in range(depth):
                kernel = 1 if configuration == "C" and place == 2 else 3
                layers.append(conv(out_channels if place else in_channels, out_channels, kernel, padding=kernel // 2))
            return layers.append(MaxPool2d(2))

        self.stage1 = stage(in_channels, w, n1)
        self.stage2 = stage(w, 2 * w, n2)
        self.stage3 = stage(2 * w, 4 * w, n3)
        self.stage4 = stage(4 * w, 8 * w, n4)
        self.stage5 = stage(8 * w, 8 * w, n5)
        self.fc6 = linear(8 * w * 7 * 7, hidden)
        self.fc7 = linear(hidden, hidden)
        self.fc8 = linear(hidden, num_classes)
        if configuration == "A-LRN":
            self.stage1.insert(1, LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0))
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in self.modules():
            if isinstance(layer, BatchNorm2d):
                layer.reset_parameters()
            elif isinstance(layer, (Conv2d, Linear)):
                assert layer.bias is not None
                init.constant_(layer.bias, 0.0)
                if isinstance(layer, Conv2d):
                    init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                else:
                    init.normal_(layer.weight, std=0.01)

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N _ P Q"]:
        """Return the last map. Shapes: vgg16 at 224 × 224."""
        x = self.stage1(x)  # -> 64, 112, 112
        x = self.stage2(x)  # -> 128, 56, 56
        x = self.stage3(x)  # -> 256, 28, 28
        x = self.stage4(x)  # -> 512, 14, 14
        x = self.stage5(x)  # -> 512, 7, 7
        return x

    def forward_head(self, x: Float[Tensor, "N _ P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        x = adaptive_avg_pool2d(x, 7).flatten(1)  # 25088
        x = self.dropout(relu(self.fc6(x)))  #      4096
        x = self.dropout(relu(self.fc7(x)))  #      4096
        return x if pre_logits else self.fc8(x)  # -> 1000

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))


@component(
    82,
    "sixteen layers with 3 × 3 convolutions only",
    paper=(
        "Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
        "arXiv:1409.1556"
    ),
    oracle="torchvision's vgg16 and its other VGG networks",
    example="VGG16()(torch.randn(1, 3, 224, 224))",
    figures={"parameters": "138 million", "top-5 error, one network, one scale, validation": "8.1 %"},
)
class VGG16(VGG):
    """VGG of configuration D: thirteen convolutions and three linear layers. Args: those of `VGG`.

    Example:
        >>> VGG16(num_classes=10, width=8, hidden=32)(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {name: VGG.presets[name] for name in ("vgg16", "vgg16_bn")}
