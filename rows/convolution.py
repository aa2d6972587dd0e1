"""Rows: Padding, convolution and pooling."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from rows.benchmark import drop_in
from rows.kit import Case, bad_inputs, both, grid, image, label, randn, simple


class RangePool2d(L.Pool2d):
    """A pooling of one's own, as the base class's docstring shows it."""

    fill = 0.5

    def reduce(self, windows):
        return windows.amax((-2, -1)) - windows.amin((-2, -1))


class RangePoolOracle(nn.Module):
    """The same by F.unfold."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1):
        super().__init__()
        self.k = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.stride = self.k if stride is None else stride
        self.padding, self.dilation = padding, dilation

    def forward(self, x):
        p = self.padding
        x = F.pad(x, (p, p, p, p), value=0.5)
        size = [
            (n - self.dilation * (k - 1) - 1) // s + 1
            for n, k, s in zip(x.shape[2:], self.k, (self.stride,) * 2 if isinstance(self.stride, int) else self.stride)
        ]
        columns = F.unfold(x, self.k, self.dilation, 0, self.stride)
        columns = columns.view(x.size(0), x.size(1), self.k[0] * self.k[1], *size)
        return columns.amax(2) - columns.amin(2)


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

BAD_INPUTS = bad_inputs(
    Conv2d=[
        (lambda: L.Conv2d(0, 2, 3), "in_channels must be at least 1, got 0"),
        (lambda: L.Conv2d(1, 2, (3, 3, 3)), "TypeError: kernel_size must be an int or a pair"),
        (lambda: L.Conv2d(3, 4, 3, groups=2), "in_channels must be divisible by groups=2, got 3"),
        (lambda: L.Conv2d(4, 3, 3, groups=2), "out_channels must be divisible by groups=2, got 3"),
        (lambda: L.Conv2d(1, 1, 3, padding="full"), "padding must be one of 'valid', 'same', got 'full'"),
        (lambda: L.Conv2d(1, 1, 3, stride=2, padding="same"), 'padding="same" needs stride 1'),
        (lambda: L.Conv2d(1, 1, 3, padding=-1), "padding must be at least 0, got -1"),
        (lambda: L.Conv2d(1, 1, 3, padding_mode="mirror"), "padding_mode must be one of 'zeros'"),
        (lambda: L.Conv2d(1, 2, 3)(x4), "x must have 1 channels (axis 1)"),
        (lambda: L.Conv2d(3, 2, 3)(torch.ones(8, 8)), "x must have shape (N, C, H, W) or (C, H, W), got 2"),
        (lambda: L.Conv2d(3, 2, 3)(ints), "TypeError: convert with x.float()"),
        (lambda: L.Conv2d(3, 2, 9)(x4), "x's height 8 (+ 2 × 0 padding) is smaller than the kernel's reach 9"),
        (lambda: L.Conv2d(3, 2, 3, padding=8, padding_mode="reflect")(x4), "padding of 8 is too much"),
    ],
    Conv2dGroups=[
        (lambda: L.Conv2dGroups(4, 4, 3), "TypeError: groups"),
        (lambda: L.Conv2dGroups(4, 4, 3, groups=2)(x4), "x must have 4 channels"),
    ],
    Pool2d=[
        (lambda: L.Pool2d(0), "kernel_size must be at least 1, got 0"),
        (lambda: L.Pool2d(2)(x4), "NotImplementedError: Pool2d must define reduce(windows)"),
    ],
    MaxPool2d=[
        (lambda: L.MaxPool2d(3, padding=2), "padding must be at most half the window's reach 3"),
        (lambda: L.MaxPool2d(3, padding=(0, 5)), "padding must be at most half"),
        (lambda: L.MaxPool2d(9)(x4), "smaller than the window's reach 9"),
        (lambda: L.MaxPool2d(2)(ints), "TypeError: x must be a floating-point tensor"),
    ],
    AvgPool2d=[
        (lambda: L.AvgPool2d(2, divisor_override=0), "divisor_override must not be 0"),
        (lambda: L.AvgPool2d(2)(torch.ones(8)), "x must have shape (N, C, H, W) or (C, H, W), got 1"),
        (lambda: G.adaptive_avg_pool2d(x4, 0), "output_size must be at least 1, got 0"),
        (lambda: G.adaptive_avg_pool2d(x4[..., :0], 2), "x must have at least one pixel"),
        (lambda: G.adaptive_avg_pool2d(ints, 2), "TypeError: x must be a floating-point tensor"),
    ],
)

IMAGES = (32, 64, 28, 28)
BENCHMARKS = [
    drop_in("convolution", "Conv2d 64 → 64, 3×3", lambda m: m.Conv2d(64, 64, 3, padding=1), IMAGES),
    drop_in("convolution", "Conv2d 64 → 64, 3×3", lambda m: m.Conv2d(64, 64, 3, padding=1), IMAGES, backward=False),
    drop_in("convolution", "Conv2d 64 → 64, 3×3, 8 groups", lambda m: m.Conv2d(64, 64, 3, 1, 1, groups=8), IMAGES),
    drop_in("convolution", "Conv2d 3 → 64, 7×7, stride 2", lambda m: m.Conv2d(3, 64, 7, 2, 3), (8, 3, 112, 112)),
    drop_in("pooling", "MaxPool2d 2×2", lambda m: m.MaxPool2d(2), IMAGES),
    drop_in("pooling", "MaxPool2d 3×3, stride 2", lambda m: m.MaxPool2d(3, 2, 1), IMAGES),
    drop_in("pooling", "AvgPool2d 2×2", lambda m: m.AvgPool2d(2), IMAGES),
]
