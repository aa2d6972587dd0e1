"""GoogLeNet. Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842, table 1 and figure 3.

    224 × 224 ─ 7×7/2 ─ pool ─ 1×1 ─ 3×3 ─ pool ─ 3a 3b ─ pool ─ 4a 4b 4c 4d 4e ─ pool ─ 5a 5b ─ mean ─ linear
                64 × 112²      64    192 × 56²    480 × 28²      832 × 14²  │           1024 × 7²       1000
                                                         4a, 4d ─ auxiliary classifiers

Nine Inception modules (models/blocks/inception.py), 22 layers deep, with a twelfth of AlexNet's parameters.

Why auxiliary classifiers: in 22 layers without batch normalisation or shortcuts little gradient reaches the first ones.
Two small classifiers half-way up add their loss, with weight 0.3, while training; afterwards they are not used.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import adaptive_avg_pool2d, init, relu
from groundup.layers import AvgPool2d, BatchNorm2d, Conv2d, Dropout, Linear, LocalResponseNorm, MaxPool2d
from groundup.models.blocks import ConvReLU, Inception
from groundup.models.blocks.inception import Norm
from groundup.models.classifier import ConvolutionalClassifier, rebuild_last_layer
from groundup.weights.registry import IMAGENET_MEAN, IMAGENET_STD


class GoogLeNetOutputs(NamedTuple):
    """GoogLeNet's output in training mode: the scores of its three classifiers, each (N, num_classes).

    `auxiliary_cross_entropy(outputs, target)` gives the last two the weight 0.3, as the paper does (section 5).
    """

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class AuxiliaryClassifier(nn.Module):
    """x (N, C, H, W), a map half-way up → scores (N, num_classes): its means over 4 × 4 parts, then three layers.

    Args:
        in_channels: C.
        num_classes: the number of scores.
        dropout: the probability of dropping, before the last layer.
        variant: "paper" averages 5 × 5 windows of stride 3, which gives 4 × 4 for 14 × 14; "torchvision" averages equal
            parts of the map, whatever its size.
        norm: see `ConvReLU`.
        width: the channels of the first layer, a 1 × 1 convolution.
        device, dtype: of the parameters.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dropout: float = 0.7,
        variant: str = "paper",
        norm: Norm | None = None,
        width: int = 128,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.pool = AvgPool2d(5, stride=3) if variant == "paper" else None
        self.conv = ConvReLU(in_channels, width, 1, norm=norm, device=device, dtype=dtype)
        self.fc1 = Linear(width * 4 * 4, 8 * width, device=device, dtype=dtype)
        self.fc2 = Linear(8 * width, num_classes, device=device, dtype=dtype)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        if self.pool is not None:
            if min(x.shape[2:]) < 5:
                raise ValueError(
                    f"x: the auxiliary classifiers average 5 × 5 windows of a map that has only {x.size(2)} × "
                    f"{x.size(3)}: train on images of at least 79 × 79 pixels, or build with aux_logits=False"
                )
            x = self.pool(x)
        x = self.conv(adaptive_avg_pool2d(x, 4))
        return self.fc2(self.dropout(relu(self.fc1(x.flatten(1)))))


class ToUnitRange(nn.Module):
    """Undoes the normalisation by ImageNet's mean and deviation, which gives 0..1, and maps that to -1..1."""

    def forward(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 H W"]:
        mean, std = (x.new_tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return 2 * (x * std + mean) - 1


@component(
    83,
    "nine Inception modules, with auxiliary classifiers in training",
    paper="Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842",
    oracle="torchvision's googlenet, and the paper's form in torch.nn",
    example="GoogLeNet()(torch.randn(1, 3, 224, 224))",
    figures={"multiply-adds": "1.5 billion", "top-5 error, seven networks, test": "6.67 %"},
)
class GoogLeNet(ConvolutionalClassifier):
    """Images (N, in_channels, H, W) → scores (N, num_classes), in training mode `GoogLeNetOutputs`; 224 × 224 in the
    paper.

    The paper states no numbers for its response normalisation and its initialisation. They are those of its replication
    in Caffe: 5 channels, α = 10⁻⁴ over their mean square, β = 0.75, k = 1; weights uniform in ±√(3 / fan-in), biases
    0.2, those of the last layers 0. In torchvision weights are initialised N(0, 0.01²), truncated at ±2.

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        dropout: the probability of dropping a mean of the last map.
        dropout_aux: the same inside the auxiliary classifiers.
        aux_logits: whether there are auxiliary classifiers; without them training mode gives plain scores too.
        variant: "paper"; "torchvision" has batch normalisation (ε = 10⁻³) instead of biases and of the response
            normalisation, a 3 × 3 kernel instead of the 5 × 5 in every module, and a 2 × 2 last max pooling.
        transform_input: the images are normalised as ImageNet's, and are mapped to -1..1 first, for which torchvision's
            published weights were trained.
        width: the channels of the first convolution, a multiple of 8; all others are in proportion.
        device, dtype: of the parameters.

    Example:
        >>> model = GoogLeNet(num_classes=10, width=8)
        >>> [tuple(scores.shape) for scores in model(torch.randn(2, 3, 96, 96))]
        [(2, 10), (2, 10), (2, 10)]
        >>> model.eval()(torch.randn(2, 3, 96, 96)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {
        "paper": {},  # 6,998,552 parameters (13,378,280 with the auxiliary classifiers), 1.583 · 10⁹ multiply-adds
        "torchvision": {"variant": "torchvision", "dropout": 0.2},  # 6,624,904 (13,004,888), 1.498 · 10⁹
        # As `torchvision.models.googlenet(weights=...)`: the auxiliary classifiers in its file are not trained.
        "torchvision_weights": {
            "variant": "torchvision",
            "dropout": 0.2,
            "aux_logits": False,
            "transform_input": True,
        },
    }
    classifier = "fc"

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.4,
        dropout_aux: float = 0.7,
        aux_logits: bool = True,
        variant: str = "paper",
        transform_input: bool = False,
        width: int = 64,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        checks.probability("dropout", dropout)
        checks.probability("dropout_aux", dropout_aux)
        checks.require(
            in_channels == 3 or not transform_input, f"transform_input needs in_channels=3, got {in_channels}"
        )
        checks.require(
            checks.integer("width", width) % 8 == 0, f"width must be a multiple of 8, as table 1's are, got {width}"
        )
        self.variant = checks.choice("variant", variant, ("paper", "torchvision"))
        is_paper = variant == "paper"
        self.min_size = 31 if is_paper else 15
        norm = None if is_paper else partial(BatchNorm2d, eps=1e-3)
        conv = partial(ConvReLU, norm=norm, device=device, dtype=dtype)
        pool = partial(MaxPool2d, stride=2, ceil_mode=True)
        w = width

        def inception(row: str) -> Inception:
            sizes = {name: w * channels // 64 for name, channels in Inception.presets[row].items()}
            return Inception(**sizes, large=5 if is_paper else 3, norm=norm, device=device, dtype=dtype)

        self.transform = ToUnitRange() if transform_input else None
        self.conv1 = conv(in_channels, w, 7, stride=2, padding=3)
        self.pool1 = pool(3)
        self.norm1 = LocalResponseNorm(5) if is_paper else None
        self.conv2 = conv(w, w, 1)
        self.conv3 = conv(w, 3 * w, 3, padding=1)
        self.norm2 = LocalResponseNorm(5) if is_paper else None
        self.pool2 = pool(3)
        self.inception3a = inception("3a")
        self.inception3b = inception("3b")
        self.pool3 = pool(3)
        self.inception4a = inception("4a")
        self.inception4b = inception("4b")
        self.inception4c = inception("4c")
        self.inception4d = inception("4d")
        self.inception4e = inception("4e")
        self.pool4 = pool(3 if is_paper else 2)
        self.inception5a = inception("5a")
        self.inception5b = inception("5b")
        auxiliary = partial(AuxiliaryClassifier, variant=variant, norm=norm, width=2 * w, device=device, dtype=dtype)
        self.aux1 = auxiliary(self.inception4a.out_channels, num_classes, dropout_aux) if aux_logits else None
        self.aux2 = auxiliary(self.inception4d.out_channels, num_classes, dropout_aux) if aux_logits else None
        self.dropout = Dropout(dropout)
        self.fc = Linear(16 * w, num_classes, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        scores = {self.fc, *(head.fc2 for head in (self.aux1, self.aux2) if head is not None)}
        for layer in self.modules():
            if isinstance(layer, BatchNorm2d):
                layer.reset_parameters()
            elif isinstance(layer, (Conv2d, Linear)):
                layer.reset_parameters()
                if self.variant == "torchvision":
                    init.trunc_normal_(layer.weight, std=0.01)
                else:
                    assert layer.bias is not None
                    init.kaiming_uniform_(layer.weight, nonlinearity="linear")
                    init.constant_(layer.bias, 0.0 if layer in scores else 0.2)

    def forward_features(
        self, x: Float[Tensor, "N C H W"], auxiliary_maps: list[Tensor] | None = None
    ) -> Float[Tensor, "N _ P Q"]:
        """Return the last map; append those of 4a and 4d to `auxiliary_maps`, if given. Shapes: 224 × 224."""
        if self.transform is not None:
            x = self.transform(x)
        x = self.conv1(x)  #       -> 64, 112, 112
        x = self.pool1(x)  #       -> 64, 56, 56
        if self.norm1 is not None:
            x = self.norm1(x)
        x = self.conv2(x)  #       -> 64, 56, 56
        x = self.conv3(x)  #       -> 192, 56, 56
        if self.norm2 is not None:
            x = self.norm2(x)
        x = self.pool2(x)  #       -> 192, 28, 28
        x = self.inception3a(x)  # -> 256, 28, 28
        x = self.inception3b(x)  # -> 480, 28, 28
        x = self.pool3(x)  #       -> 480, 14, 14
        x = self.inception4a(x)  # -> 512, 14, 14
        if auxiliary_maps is not None:
            auxiliary_maps.append(x)
        x = self.inception4b(x)  # -> 512, 14, 14
        x = self.inception4c(x)  # -> 512, 14, 14
        x = self.inception4d(x)  # -> 528, 14, 14
        if auxiliary_maps is not None:
            auxiliary_maps.append(x)
        x = self.inception4e(x)  # -> 832, 14, 14
        x = self.pool4(x)  #       -> 832, 7, 7
        x = self.inception5a(x)  # -> 832, 7, 7
        x = self.inception5b(x)  # -> 1024, 7, 7
        return x

    def forward_head(self, x: Float[Tensor, "N _ P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        x = x.mean((2, 3))  # 1024
        return x if pre_logits else self.fc(self.dropout(x))  # -> 1000

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "N C H W"]
    ) -> Float[Tensor, "N classes"] | GoogLeNetOutputs:
        if not self.training or self.aux1 is None or self.aux2 is None:
            return self.forward_head(self.forward_features(x))
        maps: list[Tensor] = []
        x = self.forward_features(x, maps)
        aux1, aux2 = self.aux1(maps[0]), self.aux2(maps[1])
        return GoogLeNetOutputs(self.forward_head(x), aux2, aux1)

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layers of all three classifiers by new ones for `num_classes` classes."""
        super().reset_classifier(num_classes)
        for head in (self.aux1, self.aux2):
            if head is not None:
                head.fc2 = rebuild_last_layer(head.fc2, num_classes)
