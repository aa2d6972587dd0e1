"""Layers against `torch.nn`: one constructor call, made in both libraries."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import Row
from groundup import layers
from rows.units import Apply, Unit


def drop_in(
    family: str,
    name: str,
    make: Callable[[ModuleType], nn.Module],
    shape: tuple[int, ...],
    backward: bool = True,
    training: bool = True,
    **options: Any,
) -> Row:
    """A row of `make(groundup.layers)` against `make(torch.nn)` on a normal input of `shape`."""

    def side(library: ModuleType) -> Callable[[], Unit]:
        return lambda: Apply(make(library).train(training), lambda: [torch.randn(shape)], backward)

    mode = "" if training else ", eval"
    return Row(
        family,
        name,
        size=" × ".join(map(str, shape)),
        work=("forward + backward" if backward else "forward") + mode,
        against=f"nn.{type(make(nn)).__name__}",
        ours=side(layers),  # type: ignore[arg-type]
        peer=side(nn),
        **options,
    )


def lookup(name: str, make: Callable[[ModuleType], nn.Module], rows: int, shape: tuple[int, ...]) -> Row:
    """A row of an embedding of so many `rows` on random indices of `shape`."""

    def side(library: ModuleType) -> Callable[[], Unit]:
        return lambda: Apply(make(library), lambda: [torch.randint(0, rows, shape)], backward=True)

    size = " × ".join(map(str, shape))
    return Row("embedding", name, size, "forward + backward", "nn.Embedding", side(layers), side(nn))  # type: ignore[arg-type]


def same_dropping(ours: list[Tensor], peer: list[Tensor], tolerance: float) -> str | None:
    """Draws may differ (`torch.compile` has its own generator); what is kept, and how much is, may not."""
    for a, b in zip(ours, peer):
        both = (a != 0) & (b != 0)
        kept = [(t != 0).double().mean().item() for t in (a, b)]
        if abs(kept[0] - kept[1]) > 0.01:
            return f"it keeps {kept[0]:.1%} of the values, the peer {kept[1]:.1%}"
        if not torch.allclose(a[both], b[both], rtol=tolerance):
            return "it scales what it keeps by another factor"
    return None


IMAGES = (32, 64, 28, 28)

ROWS = [
    drop_in("linear", "Linear 512 → 512", lambda m: m.Linear(512, 512), (128, 512)),
    drop_in("linear", "Linear 512 → 512", lambda m: m.Linear(512, 512), (128, 512), backward=False),
    drop_in("linear", "Linear 4096 → 1024", lambda m: m.Linear(4096, 1024), (128, 4096)),
    drop_in("convolution", "Conv2d 64 → 64, 3×3", lambda m: m.Conv2d(64, 64, 3, padding=1), IMAGES),
    drop_in("convolution", "Conv2d 64 → 64, 3×3", lambda m: m.Conv2d(64, 64, 3, padding=1), IMAGES, backward=False),
    drop_in("convolution", "Conv2d 64 → 64, 3×3, 8 groups", lambda m: m.Conv2d(64, 64, 3, 1, 1, groups=8), IMAGES),
    drop_in("convolution", "Conv2d 3 → 64, 7×7, stride 2", lambda m: m.Conv2d(3, 64, 7, 2, 3), (8, 3, 112, 112)),
    drop_in("pooling", "MaxPool2d 2×2", lambda m: m.MaxPool2d(2), IMAGES),
    drop_in("pooling", "MaxPool2d 3×3, stride 2", lambda m: m.MaxPool2d(3, 2, 1), IMAGES),
    drop_in("pooling", "AvgPool2d 2×2", lambda m: m.AvgPool2d(2), IMAGES),
    drop_in("normalization", "BatchNorm2d", lambda m: m.BatchNorm2d(64), IMAGES),
    drop_in("normalization", "BatchNorm2d", lambda m: m.BatchNorm2d(64), IMAGES, training=False),
    drop_in("normalization", "BatchNorm2d", lambda m: m.BatchNorm2d(64), IMAGES, backward=False, training=False),
    drop_in("activation", "ReLU", lambda m: m.ReLU(), IMAGES),
    drop_in("normalization", "LayerNorm", lambda m: m.LayerNorm(512), (32, 128, 512)),
    drop_in("normalization", "RMSNorm", lambda m: m.RMSNorm(512), (32, 128, 512)),
    drop_in("normalization", "LocalResponseNorm", lambda m: m.LocalResponseNorm(5, 5e-4, 0.75, 2.0), (8, 96, 27, 27)),
    drop_in("activation", "GELU", lambda m: m.GELU(), (32, 128, 512)),
    lookup("Embedding 10,000 × 128", lambda m: m.Embedding(10_000, 128), 10_000, (32, 128)),
    drop_in("dropout", "Dropout", lambda m: m.Dropout(0.5), IMAGES, compare=same_dropping),
]
