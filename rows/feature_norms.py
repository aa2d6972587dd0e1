"""Rows: normalisation over the features of each sample, and over neighbouring channels."""

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from rows.kit import Case, both, grid, image, label, randn, shaped, simple


class PartialRMSOracle(nn.RMSNorm):
    """pRMSNorm, feature by feature: the first k of them stand for all."""

    def __init__(self, size, k, eps):
        super().__init__(size, eps=eps)
        self.k = k

    def forward(self, x):
        total = sum(x[..., i].square() for i in range(self.k))
        return x / torch.sqrt(total / self.k + self.eps)[..., None] * self.weight


def wide(function):
    """`function` in float32, for PyTorch's local response norm has no half precision."""
    return lambda x, *rest, **named: function(x.float() if x.dtype == torch.bfloat16 else x, *rest, **named).to(x.dtype)


class ResponseOracle(nn.LocalResponseNorm):
    def forward(self, x):
        return wide(super().forward)(x)


x3 = torch.ones(2, 5, 6)
ints = x3.long()

CASES = [
    *both(
        "LayerNorm",
        nn.LayerNorm,
        6,
        inputs=shaped(5, 6),
        grid=[*grid(elementwise_affine=(True, False), bias=(True, False)), {"eps": 1e-2}],
    ),
    *both("LayerNorm", nn.LayerNorm, (5, 6), inputs=shaped(5, 6), grid=grid(eps=(1e-5, 0.5))),
    *both("LayerNorm", nn.LayerNorm, [4], inputs=shaped(4)),
    *both("RMSNorm", nn.RMSNorm, 6, inputs=shaped(5, 6), grid=grid(eps=(None, 1e-2), elementwise_affine=(True, False))),
    *both("RMSNorm", nn.RMSNorm, (5, 6), inputs=shaped(5, 6)),
    *[
        Case(
            "RMSNorm",
            label(partial=partial),
            lambda p=partial: L.RMSNorm(10, eps=1e-3, partial=p),
            shaped(10),
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
    *both("LocalResponseNorm", ResponseOracle, 3, inputs=shaped(7, 4), grid=[{"alpha": 0.5}]),
    *both("LocalResponseNorm", ResponseOracle, 4, inputs=shaped(7, 2, 3, 2), grid=[{"alpha": 0.5}]),
]

FUNCTION_CASES = [
    simple(G.layer_norm, F.layer_norm, randn(3, 4, 5), (5,), label="plain"),
    simple(G.layer_norm, F.layer_norm, randn(3, 4, 5), (5,), randn(5, seed=3), randn(5, seed=4), label="affine"),
    simple(G.layer_norm, F.layer_norm, randn(3, 4, 5), (4, 5), randn(4, 5, seed=3), label="2 axes", eps=0.1),
    simple(G.rms_norm, F.rms_norm, randn(3, 4, 5), (5,), label="plain"),
    simple(G.rms_norm, F.rms_norm, randn(3, 4, 5), (4, 5), randn(4, 5, seed=3), label="2 axes", eps=0.1),
    simple(G.rms_norm, None, randn(3, 4, 5), (4, 5), randn(4, 5, seed=3), partial=0.4),
    simple(G.local_response_norm, wide(F.local_response_norm), randn(2, 6, 3, 2), 5, alpha=0.3, k=2.0),
    simple(G.local_response_norm, wide(F.local_response_norm), randn(2, 6, 3), 4, alpha=0.3, beta=0.5),
]

BAD_INPUTS = [
    ("LayerNorm", lambda: L.LayerNorm(()), ValueError, "normalized_shape must have at least one axis"),
    ("LayerNorm", lambda: L.LayerNorm(2.0), TypeError, "normalized_shape must be an int, got 2.0"),
    ("LayerNorm", lambda: L.LayerNorm(0), ValueError, "normalized_shape must be at least 1, got 0"),
    ("LayerNorm", lambda: L.LayerNorm(3, eps=-1e-5), ValueError, "eps must be a finite number"),
    (
        "LayerNorm",
        lambda: L.LayerNorm(5)(x3),
        ValueError,
        "x must end in the axes (5,) (normalized_shape), got shape (2, 5, 6)",
    ),
    ("LayerNorm", lambda: L.LayerNorm(6)(ints), TypeError, "x must be a floating-point tensor"),
    (
        "layer_norm",
        lambda: G.layer_norm(x3, (6,), bias=torch.ones(1)),
        ValueError,
        "bias must have the shape (6,) (normalized_shape), got (1,)",
    ),
    (
        "RMSNorm",
        lambda: L.RMSNorm(3, partial=0.0),
        ValueError,
        "partial must be a share of the features in (0, 1], got 0.0",
    ),
    (
        "RMSNorm",
        lambda: L.RMSNorm(3, partial=6.25),
        ValueError,
        "partial must be a finite number in [0.0, 1.0], got 6.25",
    ),
    ("RMSNorm", lambda: L.RMSNorm((3, 6))(x3), ValueError, "x must end in the axes (3, 6)"),
    ("RMSNorm", lambda: L.RMSNorm(6)([1.0] * 6), TypeError, "x must be a torch.Tensor, got list"),
    ("LocalResponseNorm", lambda: L.LocalResponseNorm(0), ValueError, "size must be at least 1, got 0"),
    ("LocalResponseNorm", lambda: L.LocalResponseNorm(5, k="2"), TypeError, "k must be a number"),
    (
        "LocalResponseNorm",
        lambda: L.LocalResponseNorm(5)(torch.ones(2, 6)),
        ValueError,
        "x must have shape (N, C, ...) with at least 3 axes, got 2 axes",
    ),
    ("LocalResponseNorm", lambda: L.LocalResponseNorm(5)(ints), TypeError, "x must be a floating-point tensor"),
]
