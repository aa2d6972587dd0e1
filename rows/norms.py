"""Rows: normalisation of batches, of the features of each sample, and over neighbouring channels."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from rows.benchmark import drop_in
from rows.kit import Case, bad_inputs, both, draw, grid, image, label, positive, randn, simple


def batch_norm_oracle(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    return F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


class PartialRMSOracle(nn.RMSNorm):
    """pRMSNorm, feature by feature: the first k of them stand for all."""

    def __init__(self, size, k, eps):
        super().__init__(size, eps=eps)
        self.k = k

    def forward(self, x):
        total = sum(x[..., i].square() for i in range(self.k))
        return x / torch.sqrt(total / self.k + self.eps)[..., None] * self.weight


def in_float32(function):
    """`function` in float32, because PyTorch's local response norm has no half precision."""
    return lambda x, *rest, **named: function(x.float() if x.dtype == torch.bfloat16 else x, *rest, **named).to(x.dtype)


class ResponseOracle(nn.LocalResponseNorm):
    def forward(self, x):
        return in_float32(super().forward)(x)


x3, x4 = torch.ones(2, 5, 6), torch.ones(2, 3, 8, 8)
ints = x4.long()

CASES = [
    *both(
        "BatchNorm1d",
        nn.BatchNorm1d,
        3,
        inputs=draw(3, 5),
        grid=grid(affine=(True, False), track_running_stats=(True, False), momentum=(0.1, 0.7)),
    ),
    *both("BatchNorm1d", nn.BatchNorm1d, 3, inputs=draw(3), grid=[{"eps": 1e-2}], batches=(0, 5)),
    *both(
        "BatchNorm2d",
        nn.BatchNorm2d,
        3,
        inputs=image(3),
        grid=[{}, {"eps": 1e-3, "momentum": 0.3}, {"affine": False}, {"track_running_stats": False}],
    ),
    Case("BatchNorm", "2d", lambda: L.BatchNorm(3), image(3), lambda: nn.BatchNorm2d(3)),
    Case("BatchNorm", "3d", lambda: L.BatchNorm(3), draw(3, 2, 4, 3), lambda: nn.BatchNorm3d(3)),
    Case(
        "BatchNorm",
        "1d",
        lambda: L.BatchNorm(3, momentum=0.4),
        draw(3),
        lambda: nn.BatchNorm1d(3, momentum=0.4),
        batches=(0, 7),
    ),
    *both(
        "LayerNorm",
        nn.LayerNorm,
        6,
        inputs=draw(5, 6),
        grid=[*grid(elementwise_affine=(True, False), bias=(True, False)), {"eps": 1e-2}],
    ),
    *both("LayerNorm", nn.LayerNorm, (5, 6), inputs=draw(5, 6), grid=grid(eps=(1e-5, 0.5))),
    *both("LayerNorm", nn.LayerNorm, [4], inputs=draw(4)),
    *both("RMSNorm", nn.RMSNorm, 6, inputs=draw(5, 6), grid=grid(eps=(None, 1e-2), elementwise_affine=(True, False))),
    *both("RMSNorm", nn.RMSNorm, (5, 6), inputs=draw(5, 6)),
    *[
        Case(
            "RMSNorm",
            label(partial=partial),
            lambda p=partial: L.RMSNorm(10, eps=1e-3, partial=p),
            draw(10),
            lambda k=k: PartialRMSOracle(10, k, 1e-3),
        )
        for partial, k in ((0.0625, 1), (0.3, 3), (0.25, 3), (0.7, 7), (0.99, 10))
    ],
    *both(
        "LocalResponseNorm",
        ResponseOracle,
        inputs=image(7),
        grid=[
            {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0},
            *grid(size=(1, 2, 3, 4, 9), alpha=(0.5,), k=(1.0, 2.0)),
        ],
    ),
    *both("LocalResponseNorm", ResponseOracle, 3, inputs=draw(7, 4), grid=[{"alpha": 0.5}]),
    *both("LocalResponseNorm", ResponseOracle, 4, inputs=draw(7, 2, 3, 2), grid=[{"alpha": 0.5}]),
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
    simple(G.layer_norm, F.layer_norm, randn(3, 4, 5), (5,), label="plain"),
    simple(G.layer_norm, F.layer_norm, randn(3, 4, 5), (5,), randn(5, seed=3), randn(5, seed=4), label="affine"),
    simple(G.layer_norm, F.layer_norm, randn(3, 4, 5), (4, 5), randn(4, 5, seed=3), label="2 axes", eps=0.1),
    simple(G.rms_norm, F.rms_norm, randn(3, 4, 5), (5,), label="plain"),
    simple(G.rms_norm, F.rms_norm, randn(3, 4, 5), (4, 5), randn(4, 5, seed=3), label="2 axes", eps=0.1),
    simple(G.rms_norm, None, randn(3, 4, 5), (4, 5), randn(4, 5, seed=3), partial=0.4),
    simple(G.local_response_norm, in_float32(F.local_response_norm), randn(2, 6, 3, 2), 5, alpha=0.3, k=2.0),
    simple(G.local_response_norm, in_float32(F.local_response_norm), randn(2, 6, 3), 4, alpha=0.3, beta=0.5),
]

BAD_INPUTS = bad_inputs(
    BatchNorm2d=[
        (lambda: L.BatchNorm2d(3, eps=-1.0), "eps must be a finite number"),
        (lambda: L.BatchNorm2d(3)(torch.ones(2, 3)), "x must have shape (N, C, H, W), got 2 axes"),
        (lambda: L.BatchNorm2d(4)(x4), "x must have 4 channels (axis 1), as running_mean has, got 3"),
        (lambda: L.BatchNorm2d(3)(ints), "TypeError: x must be a floating-point tensor"),
    ],
    BatchNorm1d=[
        (lambda: L.BatchNorm1d(True), "TypeError: num_features must be an int"),
        (lambda: L.BatchNorm1d(3)(x4), "x must have shape (N, C) or (N, C, L), got 4 axes"),
        (lambda: L.BatchNorm1d(3)(torch.ones(1, 3)), "more than one value per channel when training"),
    ],
    BatchNorm=[
        (lambda: L.BatchNorm(3, momentum=2.0), "momentum must be a finite number in [0.0, 1.0]"),
        (lambda: L.BatchNorm(3)(torch.ones(3)), "x must have shape (N, C, ...), got 1 axes"),
    ],
    LayerNorm=[
        (lambda: L.LayerNorm(()), "normalized_shape must have at least one axis"),
        (lambda: L.LayerNorm(2.0), "TypeError: normalized_shape must be an int, got 2.0"),
        (lambda: L.LayerNorm(0), "normalized_shape must be at least 1, got 0"),
        (lambda: L.LayerNorm(3, eps=-1e-5), "eps must be a finite number"),
        (lambda: L.LayerNorm(5)(x3), "x must end in the axes (5,) (normalized_shape), got shape (2, 5, 6)"),
        (lambda: L.LayerNorm(6)(x3.long()), "TypeError: x must be a floating-point tensor"),
    ],
    layer_norm=[
        (
            lambda: G.layer_norm(x3, (6,), bias=torch.ones(1)),
            "bias must have the shape (6,) (normalized_shape), got (1,)",
        )
    ],
    RMSNorm=[
        (lambda: L.RMSNorm(3, partial=0.0), "partial must be a share of the features in (0, 1], got 0.0"),
        (lambda: L.RMSNorm(3, partial=6.25), "partial must be a finite number in [0.0, 1.0], got 6.25"),
        (lambda: L.RMSNorm((3, 6))(x3), "x must end in the axes (3, 6)"),
        (lambda: L.RMSNorm(6)([1.0] * 6), "TypeError: x must be a torch.Tensor, got list"),
    ],
    LocalResponseNorm=[
        (lambda: L.LocalResponseNorm(0), "size must be at least 1, got 0"),
        (lambda: L.LocalResponseNorm(5, k="2"), "TypeError: k must be a number"),
        (
            lambda: L.LocalResponseNorm(5)(torch.ones(2, 6)),
            "x must have shape (N, C, ...) with at least 3 axes, got 2 axes",
        ),
        (lambda: L.LocalResponseNorm(5)(x3.long()), "TypeError: x must be a floating-point tensor"),
    ],
)

IMAGES = (32, 64, 28, 28)
BENCHMARKS = [
    drop_in("normalization", "BatchNorm2d", lambda m: m.BatchNorm2d(64), IMAGES),
    drop_in("normalization", "BatchNorm2d", lambda m: m.BatchNorm2d(64), IMAGES, training=False),
    drop_in("normalization", "BatchNorm2d", lambda m: m.BatchNorm2d(64), IMAGES, backward=False, training=False),
    drop_in("normalization", "LayerNorm", lambda m: m.LayerNorm(512), (32, 128, 512)),
    drop_in("normalization", "RMSNorm", lambda m: m.RMSNorm(512), (32, 128, 512)),
    drop_in("normalization", "LocalResponseNorm", lambda m: m.LocalResponseNorm(5, 5e-4, 0.75, 2.0), (8, 96, 27, 27)),
]
