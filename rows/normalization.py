"""Rows: Normalisation."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from rows.kit import Case, both, grid, image, positive, randn, shaped, simple


def batch_norm_oracle(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    return F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


x4 = torch.ones(2, 3, 8, 8)
ints = x4.long()

CASES = [
    *both(
        "BatchNorm1d",
        nn.BatchNorm1d,
        3,
        inputs=shaped(3, 5),
        grid=grid(affine=(True, False), track_running_stats=(True, False), momentum=(0.1, 0.7)),
    ),
    *both("BatchNorm1d", nn.BatchNorm1d, 3, inputs=shaped(3), grid=[{"eps": 1e-2}], batches=(0, 5)),
    *both(
        "BatchNorm2d",
        nn.BatchNorm2d,
        3,
        inputs=image(3),
        grid=[{}, {"eps": 1e-3, "momentum": 0.3}, {"affine": False}, {"track_running_stats": False}],
    ),
    Case("BatchNorm", "2d", lambda: L.BatchNorm(3), image(3), lambda: nn.BatchNorm2d(3)),
    Case("BatchNorm", "3d", lambda: L.BatchNorm(3), shaped(3, 2, 4, 3), lambda: nn.BatchNorm3d(3)),
    Case(
        "BatchNorm",
        "1d",
        lambda: L.BatchNorm(3, momentum=0.4),
        shaped(3),
        lambda: nn.BatchNorm1d(3, momentum=0.4),
        batches=(0, 7),
    ),
]

FUNCTION_CASES = [
    *[
        simple(
            G.batch_norm,
            batch_norm_oracle,
            randn(4, 3, *rest),
            lambda dtype: torch.tensor([0.1, -0.2, 0.3], dtype=dtype),
            lambda dtype: torch.tensor([1.0, 0.5, 2.0], dtype=dtype),
            *([positive(3), randn(3, seed=7)] if affine else []),
            training=training,
            label=f"axes={2 + len(rest)},affine={affine},training={training}",
            smooth=False,  # it writes into its running statistics; the layer's gradcheck covers it
            constants=(1, 2),
        )
        for rest, affine, training in itertools.product(((), (5,), (3, 2), (2, 2, 2)), (True, False), (True, False))
    ],
]

BAD_INPUTS = [
    ("BatchNorm2d", lambda: L.BatchNorm2d(3, eps=-1.0), ValueError, "eps must be a finite number"),
    ("BatchNorm1d", lambda: L.BatchNorm1d(True), TypeError, "num_features must be an int"),
    ("BatchNorm", lambda: L.BatchNorm(3, momentum=2.0), ValueError, "momentum must be a finite number in [0.0, 1.0]"),
    (
        "BatchNorm2d",
        lambda: L.BatchNorm2d(3)(torch.ones(2, 3)),
        ValueError,
        "x must have shape (N, C, H, W), got 2 axes",
    ),
    ("BatchNorm1d", lambda: L.BatchNorm1d(3)(x4), ValueError, "x must have shape (N, C) or (N, C, L), got 4 axes"),
    ("BatchNorm", lambda: L.BatchNorm(3)(torch.ones(3)), ValueError, "x must have shape (N, C, ...), got 1 axes"),
    (
        "BatchNorm2d",
        lambda: L.BatchNorm2d(4)(x4),
        ValueError,
        "x must have 4 channels (axis 1), as running_mean has, got 3",
    ),
    ("BatchNorm2d", lambda: L.BatchNorm2d(3)(ints), TypeError, "x must be a floating-point tensor"),
    (
        "BatchNorm1d",
        lambda: L.BatchNorm1d(3)(torch.ones(1, 3)),
        ValueError,
        "more than one value per channel when training",
    ),
]
