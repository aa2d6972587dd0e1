"""The catalogue's residual and dense blocks."""

from __future__ import annotations

from groundup.catalogue.component import Component
from groundup.catalogue.residual_networks import _HE, _HUANG, _XIE


def _row(number: int, name: str, summary: str, paper: tuple[str, str], oracle: str, example: str) -> Component:
    return Component(
        number,
        name,
        "blocks",
        "groundup.models.blocks.convolutional_blocks",
        summary,
        *paper,
        f"torchvision's {oracle}",
        example,
    )


ROWS = (
    _row(
        118,
        "ResBlock",
        "two 3 × 3 convolutions with a shortcut",
        _HE,
        "BasicBlock",
        "ResBlock(64, 128, stride=2)(torch.randn(1, 64, 56, 56))",
    ),
    _row(
        119,
        "ResBottleneckBlock",
        "1 × 1, 3 × 3 and 1 × 1 convolutions with a shortcut",
        _HE,
        "Bottleneck",
        "ResBottleneckBlock(256, 256)(torch.randn(1, 256, 56, 56))",
    ),
    _row(
        120,
        "ResNeXtBlock",
        "bottleneck block with 32 parallel paths",
        _XIE,
        "Bottleneck(groups=32)",
        "ResNeXtBlock(256, 256)(torch.randn(1, 256, 56, 56))",
    ),
    _row(
        121,
        "DenseLayer",
        "computes new features from all earlier ones",
        _HUANG,
        "_DenseLayer",
        "DenseLayer(64)(torch.randn(1, 64, 56, 56))",
    ),
    _row(
        122,
        "DenseBlock",
        "a chain of dense layers",
        _HUANG,
        "_DenseBlock",
        "DenseBlock(64, 6)(torch.randn(1, 64, 56, 56))",
    ),
    _row(
        123,
        "DenseTransition",
        "halves the channels and the resolution",
        _HUANG,
        "_Transition",
        "DenseTransition(256)(torch.randn(1, 256, 56, 56))",
    ),
)
