"""Rows: Padding, convolution and pooling."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from rows.kit import Case, both, grid, image, label, randn, simple
from rows.oracles.lenet import RangePool2d, RangePoolOracle

x4 = torch.ones(2, 3, 8, 8)
ints = x4.long()

CASES = [
    *both(
        "Conv2d",
        nn.Conv2d,
        4,
        6,
        inputs=image(4),
        grid=[
            *[
                {"kernel_size": k, "stride": s, "padding": p, "dilation": d, "groups": g}
                for k, s, p, d, g in itertools.product((3, (1, 2)), (1, (2, 3)), (0, (2, 1)), (1, (2, 1)), (1, 2))
            ],
            *[
                {"kernel_size": k, "padding": p, "dilation": d}
                for k, p, d in itertools.product((3, (4, 2)), ("same", "valid"), (1, 2))
            ],
            *[
                {"kernel_size": 3, "padding": p, "padding_mode": m}
                for p, m in itertools.product(((2, 1), "same"), ("reflect", "replicate", "circular"))
            ],
            {"kernel_size": 3, "bias": False},
        ],
    ),
    *both(
        "Conv2dGroups",
        nn.Conv2d,
        6,
        12,
        inputs=image(6),
        grid=[{"kernel_size": 3, "groups": g, "bias": b} for g, b in itertools.product((1, 2, 3, 6), (True, False))],
    ),
    *both(
        "MaxPool2d",
        nn.MaxPool2d,
        inputs=image(3),
        grid=[
            *grid(
                kernel_size=(2, (3, 2)), stride=(None, (1, 2)), padding=(0, 1), dilation=(1, 2), ceil_mode=(False, True)
            ),
            {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True},
        ],
    ),
    *both(
        "AvgPool2d",
        nn.AvgPool2d,
        inputs=image(3),
        grid=[
            *grid(
                kernel_size=(2, (3, 2)),
                stride=(None, (1, 2)),
                padding=(0, 1),
                ceil_mode=(False, True),
                count_include_pad=(True, False),
            ),
            {"kernel_size": 3, "divisor_override": 5},
        ],
    ),
    *[
        Case(
            "Pool2d",
            label(**options),
            lambda o=options: RangePool2d(**o),
            image(3),
            lambda o=options: RangePoolOracle(**o),
        )
        for options in grid(kernel_size=(2, (3, 2)), stride=(None, 1), padding=(0, 1), dilation=(1, 2))
    ],
]

FUNCTION_CASES = [
    *[
        simple(G.pad2d, oracle, randn(2, 3, 5, 4), (2, 1, 0, 3), mode)
        for mode in ("zeros", "reflect", "replicate", "circular")
        for oracle in [
            lambda x, p, mode: F.pad(x, (p[2], p[3], p[0], p[1]), mode="constant" if mode == "zeros" else mode)
        ]
    ],
    *[
        simple(
            G.conv2d,
            F.conv2d,
            randn(2, 4, 7, 8),
            randn(6, 4 // groups, 3, 2, seed=3),
            randn(6, seed=4),
            label=f"{stride},{padding},{dilation},{groups}",
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
        for stride, padding, dilation, groups in (
            (1, 0, 1, 1),
            ((2, 1), (1, 2), 1, 2),
            (1, 2, (2, 3), 1),
            (1, "valid", 1, 1),
        )
    ],
    simple(G.conv2d, F.conv2d, randn(4, 7, 8), randn(6, 4, 3, 3, seed=3), label="no batch"),
    simple(G.max_pool2d, F.max_pool2d, randn(2, 3, 7, 8), 3, 2, 1),
    simple(G.max_pool2d, F.max_pool2d, lambda d: torch.zeros(2, 3, 7, 8, dtype=d), 3, 2, 1, label="ties", smooth=False),
    simple(G.max_pool2d, F.max_pool2d, randn(3, 7, 8), 2, label="no batch"),
    simple(G.avg_pool2d, F.avg_pool2d, randn(2, 3, 7, 8), 3, 2, 1),
    simple(
        G.avg_pool2d,
        lambda x, k, dilation: F.conv2d(
            x, torch.full((3, 1, k, k), 1 / k**2, dtype=x.dtype), stride=k, groups=3, dilation=dilation
        ),
        randn(2, 3, 7, 8),
        3,
        dilation=2,
    ),
    *[
        simple(G.adaptive_avg_pool2d, F.adaptive_avg_pool2d, randn(2, 3, 7, 8), size, label=str(size))
        for size in (1, 3, (5, 2), (7, 8), (9, 20))
    ],
    simple(G.adaptive_avg_pool2d, F.adaptive_avg_pool2d, randn(3, 7, 8), 4, label="no batch"),
]

REQUIRED = {"Conv2d": (4, 6, 3), "Conv2dGroups": (4, 6, 3)}

BAD_INPUTS = [
    ("Conv2d", lambda: L.Conv2d(0, 2, 3), ValueError, "in_channels must be at least 1, got 0"),
    ("Conv2d", lambda: L.Conv2d(1, 2, (3, 3, 3)), TypeError, "kernel_size must be an int or a pair"),
    ("Conv2d", lambda: L.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups=2, got 3"),
    ("Conv2d", lambda: L.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups=2, got 3"),
    (
        "Conv2d",
        lambda: L.Conv2d(1, 1, 3, padding="full"),
        ValueError,
        "padding must be one of 'valid', 'same', got 'full'",
    ),
    ("Conv2d", lambda: L.Conv2d(1, 1, 3, stride=2, padding="same"), ValueError, 'padding="same" needs stride 1'),
    ("Conv2d", lambda: L.Conv2d(1, 1, 3, padding=-1), ValueError, "padding must be at least 0, got -1"),
    ("Conv2d", lambda: L.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode must be one of 'zeros'"),
    ("Conv2dGroups", lambda: L.Conv2dGroups(4, 4, 3), TypeError, "groups"),
    ("Pool2d", lambda: L.Pool2d(0), ValueError, "kernel_size must be at least 1, got 0"),
    ("MaxPool2d", lambda: L.MaxPool2d(3, padding=2), ValueError, "padding must be at most half the window's reach 3"),
    ("MaxPool2d", lambda: L.MaxPool2d(3, padding=(0, 5)), ValueError, "padding must be at most half"),
    ("AvgPool2d", lambda: L.AvgPool2d(2, divisor_override=0), ValueError, "divisor_override must not be 0"),
    ("Conv2d", lambda: L.Conv2d(1, 2, 3)(x4), ValueError, "x must have 1 channels (axis 1)"),
    (
        "Conv2d",
        lambda: L.Conv2d(3, 2, 3)(torch.ones(8, 8)),
        ValueError,
        "x must have shape (N, C, H, W) or (C, H, W), got 2",
    ),
    ("Conv2d", lambda: L.Conv2d(3, 2, 3)(ints), TypeError, "convert with x.float()"),
    (
        "Conv2d",
        lambda: L.Conv2d(3, 2, 9)(x4),
        ValueError,
        "x's height 8 (+ 2 × 0 padding) is smaller than the kernel's reach 9",
    ),
    (
        "Conv2d",
        lambda: L.Conv2d(3, 2, 3, padding=8, padding_mode="reflect")(x4),
        ValueError,
        "padding of 8 is too much",
    ),
    ("Conv2dGroups", lambda: L.Conv2dGroups(4, 4, 3, groups=2)(x4), ValueError, "x must have 4 channels"),
    ("Pool2d", lambda: L.Pool2d(2)(x4), NotImplementedError, "Pool2d must define reduce(windows)"),
    ("MaxPool2d", lambda: L.MaxPool2d(9)(x4), ValueError, "smaller than the window's reach 9"),
    ("MaxPool2d", lambda: L.MaxPool2d(2)(ints), TypeError, "x must be a floating-point tensor"),
    (
        "AvgPool2d",
        lambda: L.AvgPool2d(2)(torch.ones(8)),
        ValueError,
        "x must have shape (N, C, H, W) or (C, H, W), got 1",
    ),
    (
        "AvgPool2d",
        lambda: G.adaptive_avg_pool2d(x4, 0),
        ValueError,
        "output_size must be at least 1, got 0",
    ),
    ("AvgPool2d", lambda: G.adaptive_avg_pool2d(x4[..., :0], 2), ValueError, "x must have at least one pixel"),
    ("AvgPool2d", lambda: G.adaptive_avg_pool2d(ints, 2), TypeError, "x must be a floating-point tensor"),
]
