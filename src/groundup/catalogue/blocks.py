"""The catalogue's convolutional blocks: Inception."""

from __future__ import annotations

from groundup.catalogue.component import Component

ROWS = (
    Component(
        117,
        "Inception",
        "blocks",
        "groundup.models.blocks.convolutional_blocks",
        "convolutions of several sizes in parallel",
        "Szegedy et al. 2015, Going Deeper with Convolutions",
        "https://arxiv.org/abs/1409.4842",
        "torchvision's Inception, and its 5 × 5 form in torch.nn",
        figures=(("multiply-adds of 3a, table 1", "128 M"), ("output of 3a", "28 × 28 × 256")),
        example="Inception()(torch.randn(1, 192, 28, 28))",
    ),
)
