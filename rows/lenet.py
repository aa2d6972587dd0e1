"""Rows: LeNet-5."""

import torch

from groundup.models.convolutional_networks import LeNet5
from rows.kit import Case, shaped
from rows.oracles.lenet import LeNet5Oracle

CASES = [
    *[
        Case(
            "LeNet5",
            preset,
            lambda p=preset: LeNet5.preset(p),
            shaped(1, 32, 32),
            lambda p=preset: LeNet5Oracle(p),
            gain=0.1,
        )
        for preset in LeNet5.presets
    ],
]

REQUIRED = {"LeNet5": ()}

BAD_INPUTS = [
    ("LeNet5", lambda: LeNet5.preset("modern"), ValueError, "LeNet5 has no preset 'modern'; it has 'paper', "),
    (
        "LeNet5",
        lambda: LeNet5(activation="gelu"),
        ValueError,
        "activation must be one of 'scaled_tanh', 'tanh', 'relu'",
    ),
    ("LeNet5", lambda: LeNet5(num_classes=26), ValueError, 'pass codes of shape (26, 84), or output="linear"'),
    ("LeNet5", lambda: LeNet5(codes=torch.ones(10, 80)), ValueError, "codes must have shape (10, 84), got (10, 80)"),
    ("LeNet5", lambda: LeNet5(output="linear", codes=torch.ones(10, 84)), ValueError, "codes belong to output="),
    (
        "LeNet5",
        lambda: LeNet5()(torch.ones(2, 1, 28, 28)),
        ValueError,
        "x must be 32 × 32 pixels for LeNet5, got 28 × 28: pad",
    ),
    (
        "LeNet5",
        lambda: LeNet5()(torch.ones(2, 1, 36, 32)),
        ValueError,
        "x must be 32 × 32 pixels for LeNet5, got 36 × 32",
    ),
    ("LeNet5", lambda: LeNet5()(torch.ones(2, 3, 32, 32)), ValueError, "x must have 1 channels (axis 1), got 3"),
    ("LeNet5", lambda: LeNet5()(torch.ones(1, 32, 32)), ValueError, "x must have shape (N, C, 32, 32), got 3 axes"),
    ("LeNet5", lambda: LeNet5().reset_classifier(5), ValueError, 'or with output="linear"'),
    (
        "LeNet5",
        lambda: LeNet5()(torch.ones(2, 1, 32, 32).byte()),
        TypeError,
        "x must be a floating-point tensor, got torch.uint8",
    ),
]
