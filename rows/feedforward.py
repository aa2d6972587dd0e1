"""Rows: Linear, Flatten, activations, softmax and dropout."""

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from rows.benchmark import compare_calls, drop_in
from rows.kit import Case, bad_inputs, both, draw, grid, randn, simple


def with_mask(oracle):
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
x4 = torch.ones(2, 3, 8, 8)
ints = x4.long()

CASES = [
    *both("Linear", nn.Linear, 5, 7, inputs=draw(5), grid=grid(bias=(True, False))),
    Case("Linear", "3 axes", lambda: L.Linear(5, 3), draw(4, 5), lambda: nn.Linear(5, 3)),
    *both("Flatten", nn.Flatten, inputs=draw(3, 4, 5), grid=[{}, {"start_dim": 2}, {"start_dim": 0, "end_dim": 1}]),
    *both("ReLU", nn.ReLU, inputs=draw(3, 4)),
    *both("Dropout", nn.Dropout, inputs=draw(50), random=True, grid=grid(p=(0.0, 0.3, 1.0))),
]

FUNCTION_CASES = [
    *[simple(f, oracle, randn(3, 5)) for f, oracle in ELEMENTWISE],
    *[
        simple(f, oracle, lambda dtype: wide_range.to(dtype), label="wide range", smooth=False)
        for f, oracle in ELEMENTWISE
    ],
    simple(G.gelu, F.gelu, randn(3, 5), approximate="tanh"),
    *[
        simple(f, with_mask(oracle), randn(3, 4, 5), label=f"{label},dim={dim}", smooth=not extra, dim=dim, **extra)
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
]

REQUIRED = {"Linear": (5, 7)}

BAD_INPUTS = bad_inputs(
    Linear=[
        (lambda: L.Linear(-1, 2), "in_features must be at least 0, got -1"),
        (lambda: L.Linear(1, 2.5), "TypeError: out_features must be an int, got 2.5"),
        (lambda: L.Linear(5, 2)(torch.ones(2, 4)), "x must have 5 features"),
        (
            lambda: L.Linear(5, 2)(torch.ones(2, 5).long()),
            "TypeError: x must be a floating-point tensor, got torch.int64",
        ),
        (lambda: L.Linear(5, 2)([1.0] * 5), "TypeError: x must be a torch.Tensor, got list"),
    ],
    Flatten=[
        (lambda: L.Flatten("1"), "TypeError: start_dim must be an int"),
        (lambda: L.Flatten(4)(x4), "x must have an axis 4 (start_dim), got 4 axes"),
        (lambda: L.Flatten(2, 1)(x4), "start_dim=2 comes after end_dim=1"),
    ],
    Dropout=[
        (lambda: L.Dropout(1.5), "p must be a finite number in [0.0, 1.0], got 1.5"),
        (lambda: L.Dropout("half"), "TypeError: p must be a number, got 'half'"),
        (lambda: L.Dropout()(ints), "TypeError: x must be a floating-point tensor"),
    ],
    ReLU=[(lambda: L.ReLU()(ints), "TypeError: x must be a floating-point tensor")],
    softmax=[
        (lambda: G.softmax(torch.ones(2, 3), 2), "dim must lie in [-2, 1] for shape (2, 3), got 2"),
        (lambda: G.softmax(torch.ones(2, 3), -1, torch.ones(3)), "TypeError: mask must be a boolean tensor"),
        (lambda: G.softmax(torch.ones(2, 3), -1, torch.ones(2, 2).bool()), "mask must broadcast to x's shape"),
    ],
    gelu=[(lambda: G.gelu(torch.ones(2), "fast"), "approximate must be one of 'none', 'tanh'")],
)

IMAGES = (32, 64, 28, 28)
LOOK = (
    "where a slice is all -inf PyTorch gives NaN and groundup zeros, so each slice's first score is looked at: 10 µs "
    "with code and data in the caches, 20 to 50 where the kernel's passes over 4 MB have driven them out. The floor is "
    "PyTorch's kernel itself"
)


def same_dropping(ours, peer, tolerance):
    """Draws may differ (`torch.compile` has its own generator); the share that is kept, and its scale, may not."""
    for a, b in zip(ours, peer):
        both = (a != 0) & (b != 0)
        kept = [(t != 0).double().mean().item() for t in (a, b)]
        if abs(kept[0] - kept[1]) > 0.01:
            return f"it keeps {kept[0]:.1%} of the values, the peer {kept[1]:.1%}"
        if not torch.allclose(a[both], b[both], rtol=tolerance):
            return "it scales what it keeps by another factor"
    return None


BENCHMARKS = [
    drop_in("linear", "Linear 512 → 512", lambda m: m.Linear(512, 512), (128, 512)),
    drop_in("linear", "Linear 512 → 512", lambda m: m.Linear(512, 512), (128, 512), backward=False),
    drop_in("linear", "Linear 4096 → 1024", lambda m: m.Linear(4096, 1024), (128, 4096)),
    drop_in("activation", "ReLU", lambda m: m.ReLU(), IMAGES),
    drop_in("dropout", "Dropout", lambda m: m.Dropout(0.5), IMAGES, compare=same_dropping),
    *[
        compare_calls(
            *("softmax", name, (1024, 1024), f"F.{name}"),
            *[lambda m=module, n=name: lambda x: getattr(m, n)(x, -1) for module in (G, F)],
            lambda: [torch.randn(1024, 1024)],
            why=LOOK,
        )
        for name in ("softmax", "log_softmax")
    ],
]
