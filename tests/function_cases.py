"""Every two-bodied function's cases, and independent oracles of the one-bodied. A new function adds rows here."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from groundup import functional as G
from parity import seeded_randn


@dataclass(frozen=True)
class FunctionCase:
    function: Callable
    make: Callable  # dtype -> (args, kwargs), fresh each time
    oracle: Callable | None = None  # the same call on PyTorch
    label: str = ""
    smooth: bool = True  # gradcheck applies (no kinks at the sampled points)
    constants: tuple = ()  # positions of arguments that take no gradient

    @property
    def id(self):
        return f"{self.function.__name__}[{self.label}]" if self.label else self.function.__name__


def randn(*shape, seed=2):
    return lambda dtype: seeded_randn(*shape, dtype=dtype, seed=seed)


def simple(function, oracle, *makers, label="", smooth=True, constants=(), **kwargs):
    def make(dtype):
        arguments = [m(dtype) if callable(m) else m for m in makers]
        return arguments, {k: v(dtype) if callable(v) else v for k, v in kwargs.items()}

    label = label or ",".join(f"{k}={v}" for k, v in kwargs.items() if not callable(v))
    return FunctionCase(function, make, oracle, label, smooth, constants)


def labels(*shape, classes=5, ignored=0, ignore_index=-100):
    def make(dtype):
        target = torch.randint(classes, shape, generator=torch.Generator().manual_seed(4))
        target.view(-1)[:ignored] = ignore_index
        return target

    return make


def positive(*shape):
    return lambda dtype: seeded_randn(*shape, dtype=dtype, seed=5).abs() + 0.1


def probabilities(*shape):
    return lambda dtype: torch.softmax(seeded_randn(*shape, dtype=torch.float64, seed=6), 1).to(dtype)


def batch_norm_oracle(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    return F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


def masked(oracle):
    return lambda x, dim=-1, mask=None: oracle(x if mask is None else x.masked_fill(~mask, -torch.inf), dim)


some_mask = torch.tensor([True, False, True, True, False])
wide_range = torch.tensor([-1e4, -100.0, -20.0, -1.0, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 1.0, 20.0, 100.0, 1e4])
ELEMENTWISE = [
    (G.relu, torch.relu),
    (G.sigmoid, torch.sigmoid),
    (G.tanh, torch.tanh),
    (G.softplus, lambda x: -F.logsigmoid(-x)),
    (G.logsigmoid, F.logsigmoid),
    (G.silu, F.silu),
    (G.gelu, F.gelu),
]
REDUCTIONS = ("mean", "sum", "none")

FUNCTION_CASES = [
    *[simple(f, oracle, randn(3, 5)) for f, oracle in ELEMENTWISE],
    *[
        simple(f, oracle, lambda dtype: wide_range.to(dtype), label="wide range", smooth=False)
        for f, oracle in ELEMENTWISE
    ],
    simple(G.gelu, F.gelu, randn(3, 5), approximate="tanh"),
    *[
        simple(f, masked(oracle), randn(3, 4, 5), label=f"{label},dim={dim}", smooth=not extra, dim=dim, **extra)
        for f, oracle in (
            (G.softmax, torch.softmax),
            (G.log_softmax, torch.log_softmax),
            (G.logsumexp, torch.logsumexp),
        )
        for label, dim, extra in (
            ("plain", -1, {}),
            ("plain", 1, {}),
            ("plain", 0, {}),
            ("masked", -1, {"mask": lambda dtype: some_mask}),
        )
    ],
    simple(G.linear, F.linear, randn(3, 5), randn(4, 5, seed=3), randn(4, seed=4), label="bias"),
    simple(G.linear, F.linear, randn(2, 3, 5), randn(4, 5, seed=3), label="3 axes"),
    simple(G.linear, F.linear, randn(5), randn(4, 5, seed=3), label="vector"),
    *[
        simple(G.dropout, F.dropout, randn(3, 40), p=p, training=training, smooth=False)
        for p, training in ((0.4, True), (0.0, True), (1.0, True), (0.4, False))
    ],
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
        simple(G.mse_loss, F.mse_loss, randn(3, 4), randn(3, 4, seed=3), reduction=reduction)
        for reduction in REDUCTIONS
    ],
    *[
        simple(
            G.binary_cross_entropy_with_logits,
            F.binary_cross_entropy_with_logits,
            randn(3, 4),
            lambda dtype: torch.rand(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype),
            reduction=reduction,
            label=f"{reduction},{','.join(extra)}",
            **extra,
        )
        for reduction in REDUCTIONS
        for extra in ({}, {"weight": positive(4)}, {"pos_weight": positive(3, 4)})
    ],
    *[
        simple(
            G.nll_loss,
            F.nll_loss,
            randn(6, 5, *rest),
            labels(6, *rest, ignored=ignored),
            reduction=reduction,
            label=f"{reduction},ignored={ignored},axes={2 + len(rest)},{','.join(extra)}",
            **extra,
        )
        for reduction, ignored, rest, extra in itertools.product(
            REDUCTIONS, (0, 2), ((), (2, 3)), ({}, {"weight": positive(5)})
        )
    ],
    *[
        simple(
            G.cross_entropy,
            F.cross_entropy,
            randn(6, 5, *rest),
            target,
            reduction=reduction,
            label_smoothing=smoothing,
            label=f"{kind},{reduction},{smoothing},axes={2 + len(rest)},{','.join(extra)}",
            **extra,
        )
        for reduction, smoothing, rest, extra in itertools.product(
            REDUCTIONS, (0.0, 0.1), ((), (2, 3)), ({}, {"weight": positive(5)})
        )
        for kind, target in (
            ("indices", labels(6, *rest)),
            ("ignored", labels(6, *rest, ignored=3)),
            ("probabilities", probabilities(6, 5, *rest)),
        )
    ],
    simple(G.cross_entropy, F.cross_entropy, randn(5), lambda d: torch.tensor(3), label="one sample"),
    simple(G.cross_entropy, F.cross_entropy, randn(6, 5), labels(6, ignored=2, ignore_index=1), ignore_index=1),
]
