"""GoogLeNet. Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842, table 1 and figure 3.

    224 × 224 ─ 7×7/2 ─ pool ─ 1×1 ─ 3×3 ─ pool ─ 3a 3b ─ pool ─ 4a 4b 4c 4d 4e ─ pool ─ 5a 5b ─ mean ─ linear
                64 × 112²      64    192 × 56²    480 × 28²      832 × 14²  │           1024 × 7²       1000
                                                         4a, 4d ─ auxiliary classifiers

Nine Inception modules, 22 layers deep, a twelfth of AlexNet's parameters. Two small classifiers half-way up push
gradient into the lower layers while training, and are not asked afterwards.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional import adaptive_avg_pool2d, init, relu
from groundup.layers import AvgPool2d, BatchNorm2d, Conv2d, Dropout, Linear, LocalResponseNorm, MaxPool2d
from groundup.models.blocks import ConvReLU, Inception
from groundup.models.blocks.inception import Norm
from groundup.models.classifier import ImageClassifier
from groundup.weights.registry import IMAGENET_MEAN, IMAGENET_STD


class GoogLeNetOutputs(NamedTuple):
    """What GoogLeNet gives while training: the scores of its three classifiers, each (N, num_classes).

    `auxiliary_cross_entropy(outputs, target)` weighs the last two by 0.3, as the paper does (section 5).
    """

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class AuxiliaryClassifier(nn.Module):
    """x (N, C, H, W) → scores (N, num_classes), of a map half-way up: its mean over 4 × 4 parts, then three layers.

    The paper averages 5 × 5 windows with stride 3, which makes 4 × 4 of its 14 × 14; torchvision averages equal parts
    of the map, whatever its size. `width` is that of the first of its layers, a 1 × 1 convolution.
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
    """Images normalised with ImageNet's mean and deviation, back to 0..1 and from there to -1..1."""

    def forward(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 H W"]:
        mean, std = (x.new_tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return 2 * (x * std + mean) - 1


class GoogLeNet(ImageClassifier):
    """x (N, in_channels, H, W) → scores (N, num_classes), or while training `GoogLeNetOutputs`; 224 × 224 in the paper.

    variant          "paper", or "torchvision", which has batch normalisation (ε = 10⁻³) instead of biases and of the
                     response normalisation, a 3 × 3 kernel for the 5 × 5 in every module, and a 2 × 2 last max pooling.
    aux_logits       whether there are auxiliary classifiers; without them training gives plain scores too.
    dropout          the probability of dropping the mean of the last map; `dropout_aux`, inside the auxiliary ones.
    transform_input  the images come normalised as ImageNet's are, and are put into -1..1 first, for which torchvision's
                     published weights were trained.
    width            channels of the first convolution, a multiple of 8; all others are in proportion.

    The paper gives no numbers for its response normalisation and its first weights. They are those of its replication
    in Caffe: 5 channels, α = 10⁻⁴ over their mean square, β = 0.75, k = 1; weights uniform in ±√(3 / fan-in), biases
    0.2, those of the scores 0. In torchvision weights begin N(0, 0.01²), no further out than ±2.
    """

    presets: ClassVar = {
        "paper": {},  # 6,998,552 parameters, with the auxiliary classifiers 13,378,280; 1.583 G multiply-adds
        "torchvision": {"variant": "torchvision", "dropout": 0.2},  # 6,624,904; 13,004,888; 1.498 G
        # As `torchvision.models.googlenet(weights=...)` is: the auxiliary classifiers in its file are not trained.
        "torchvision_weights": {
            "variant": "torchvision",
            "dropout": 0.2,
            "aux_logits": False,
            "transform_input": True,
        },
    }
    classifier = "fc"
    channels_last = True

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
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        checks.probability("dropout", dropout)
        checks.probability("dropout_aux", dropout_aux)
        checks.require(
            in_channels == 3 or not transform_input, f"transform_input needs in_channels=3, got {in_channels}"
        )
        checks.require(
            checks.integer("width", width) % 8 == 0, f"width must be a multiple of 8, as table 1's are, got {width}"
        )
        self.variant = checks.choice("variant", variant, ("paper", "torchvision"))
        paper = variant == "paper"
        self.min_size = 31 if paper else 15
        norm = None if paper else partial(BatchNorm2d, eps=1e-3)
        conv = partial(ConvReLU, norm=norm, device=device, dtype=dtype)
        pool = partial(MaxPool2d, stride=2, ceil_mode=True)
        w = width

        def inception(row: str) -> Inception:
            sizes = {name: w * channels // 64 for name, channels in Inception.presets[row].items()}
            return Inception(**sizes, large=5 if paper else 3, norm=norm, device=device, dtype=dtype)

        self.transform = ToUnitRange() if transform_input else None
        self.conv1 = conv(in_channels, w, 7, stride=2, padding=3)  # -> 64, 112, 112
        self.pool1 = pool(3)  #                                       -> 64, 56, 56
        self.norm1 = LocalResponseNorm(5) if paper else None
        self.conv2 = conv(w, w, 1)  #                                 -> 64, 56, 56
        self.conv3 = conv(w, 3 * w, 3, padding=1)  #                  -> 192, 56, 56
        self.norm2 = LocalResponseNorm(5) if paper else None
        self.pool2 = pool(3)  #                                       -> 192, 28, 28
        self.inception3a = inception("3a")  #                         -> 256, 28, 28
        self.inception3b = inception("3b")  #                         -> 480, 28, 28
        self.pool3 = pool(3)  #                                       -> 480, 14, 14
        self.inception4a = inception("4a")  #                         -> 512, 14, 14
        self.inception4b = inception("4b")  #                         -> 512, 14, 14
        self.inception4c = inception("4c")  #                         -> 512, 14, 14
        self.inception4d = inception("4d")  #                         -> 528, 14, 14
        self.inception4e = inception("4e")  #                         -> 832, 14, 14
        self.pool4 = pool(3 if paper else 2)  #                       -> 832, 7, 7
        self.inception5a = inception("5a")  #                         -> 832, 7, 7
        self.inception5b = inception("5b")  #                         -> 1024, 7, 7
        self.stages = tuple(name for name, _ in self.named_children())
        auxiliary = partial(AuxiliaryClassifier, variant=variant, norm=norm, width=2 * w, device=device, dtype=dtype)
        self.aux1 = auxiliary(self.inception4a.out_channels, num_classes, dropout_aux) if aux_logits else None
        self.aux2 = auxiliary(self.inception4d.out_channels, num_classes, dropout_aux) if aux_logits else None
        self.dropout = Dropout(dropout)
        self.fc = Linear(16 * w, num_classes, device=device, dtype=dtype)  # -> 1000
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

    def forward_head(self, x: Float[Tensor, "N C H W"], pre_logits: bool = False) -> Float[Tensor, "N *rest"]:
        x = x.mean((2, 3))
        return x if pre_logits else self.fc(self.dropout(x))

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "N C H W"]
    ) -> Float[Tensor, "N classes"] | GoogLeNetOutputs:
        if not self.training or self.aux1 is None or self.aux2 is None:
            return super().forward(x)
        maps = self.forward_intermediates(x, "inception4a", "inception4d", "inception5b")
        aux1, aux2 = self.aux1(maps["inception4a"]), self.aux2(maps["inception4d"])
        return GoogLeNetOutputs(self.forward_head(maps["inception5b"]), aux2, aux1)

    def reset_classifier(self, num_classes: int) -> None:
        """Put fresh last layers for `num_classes` classes in the place of all three classifiers' old ones."""
        super().reset_classifier(num_classes)
        for head in (self.aux1, self.aux2):
            if head is not None:
                old = head.fc2
                new = Linear(old.in_features, num_classes, device=old.weight.device, dtype=old.weight.dtype)
                head.fc2 = new.train(old.training)
