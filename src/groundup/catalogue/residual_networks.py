"""The catalogue's residual networks."""

from __future__ import annotations

from groundup.catalogue.component import Component

_HE = ("He et al. 2016, Deep Residual Learning for Image Recognition", "https://arxiv.org/abs/1512.03385")
_XIE = (
    "Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks",
    "https://arxiv.org/abs/1611.05431",
)
_HU = ("Hu et al. 2018, Squeeze-and-Excitation Networks", "https://arxiv.org/abs/1709.01507")
_HUANG = ("Huang et al. 2017, Densely Connected Convolutional Networks", "https://arxiv.org/abs/1608.06993")


def _row(
    number: int, name: str, summary: str, paper: tuple[str, str], oracle: str, *figures: tuple[str, str]
) -> Component:
    module = "groundup.models.residual_networks"
    return Component(
        number,
        name,
        "residual",
        module,
        summary,
        *paper,
        oracle,
        example=f"{name}()(torch.randn(1, 3, 224, 224))",
        figures=figures,
    )


ROWS = (
    _row(
        85,
        "ResNet34",
        "34 layers of basic residual blocks",
        _HE,
        "torchvision's resnet34",
        ("multiply-adds", "3.6 × 10⁹ (table 1)"),
        ("top-1 error, 10 crops", "24.52 % (table 3, projection shortcuts as here)"),
    ),
    _row(
        86,
        "ResNet50",
        "50 layers of bottleneck residual blocks",
        _HE,
        "torchvision's resnet50; the paper's form: timm's legacy_seresnet50, its gates opened",
        ("multiply-adds", "3.8 × 10⁹ (table 1; the stride on the first 1 × 1, `--preset paper`)"),
        ("top-1 error, 10 crops", "22.85 % (table 3)"),
    ),
    _row(
        87,
        "ResNeXt50",
        "ResNet-50 with 32 parallel paths per block",
        _XIE,
        "torchvision's resnext50_32x4d",
        ("parameters", "25.0 × 10⁶ (table 1)"),
        ("multiply-adds", "4.2 × 10⁹ (table 1)"),
        ("top-1 error", "22.2 % (table 3)"),
    ),
    _row(
        88,
        "SEResNet50",
        "ResNet-50 with squeeze-and-excitation",
        _HU,
        "timm's seresnet50; the authors' form: timm's legacy_seresnet50",
        ("multiply-adds", "3.87 × 10⁹ (table 2; the stride on the first 1 × 1, `--preset legacy_seresnet50`)"),
        ("top-1 error", "23.29 % (table 2)"),
    ),
    _row(
        89,
        "SEResNeXt50",
        "ResNeXt-50 with squeeze-and-excitation",
        _HU,
        "timm's seresnext50_32x4d; the authors' form: timm's legacy_seresnext50_32x4d",
        ("multiply-adds", "4.25 × 10⁹ (table 2)"),
        ("top-1 error", "21.10 % (table 2)"),
    ),
    _row(
        90,
        "DenseNet121",
        "every layer sees the outputs of all earlier layers",
        _HUANG,
        "torchvision's densenet121",
        ("feature maps", "256, 512, 1024 and 1024 after the blocks (table 1)"),
        ("top-1 error", "25.02 % (table 3)"),
    ),
)
