"""The catalogue's convolutional networks."""

from __future__ import annotations

from groundup.catalogue.component import Component

ROWS = (
    Component(
        79,
        "LeNet5",
        "convolutional",
        "groundup.models.convolutional_networks",
        "the digit reader of 1998",
        "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition",
        "https://doi.org/10.1109/5.726791",
        "the same network in torch.nn, with a dense, masked C3",
        input_size=(1, 32, 32),
        figures=(
            ("trainable parameters", "60,000"),
            ("connections", "340,908 (with biases and subsampling; C3's table leaves 150,000 of its 240,000 products)"),
        ),
    ),
)
