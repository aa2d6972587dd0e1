"""Functions of scores against `torch.nn.functional`."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness import Row
from groundup import functional
from rows.units import Apply, Unit

LOOK = (
    "where a slice is all -inf PyTorch gives NaN and groundup zeros, so each slice's first score is looked at: 10 µs "
    "with code and data in the caches, 20 to 50 where the kernel's passes over 4 MB have driven them out. The floor is "
    "PyTorch's kernel itself"
)


def of_scores(family: str, name: str, rows: int, classes: int) -> Row:
    """softmax(scores): the function of this name in both libraries."""

    def side(function: Callable[..., Tensor]) -> Callable[[], Unit]:
        return lambda: Apply(lambda x: function(x, -1), lambda: [torch.randn(rows, classes)], backward=True)

    size = f"{rows} × {classes}"
    ours, peer = getattr(functional, name), getattr(F, name)
    return Row(family, name, size, "forward + backward", f"F.{name}", side(ours), side(peer), why=LOOK)


def cross_entropy(rows: int, classes: int) -> Row:
    def side(function: Callable[..., Tensor]) -> Callable[[], Unit]:
        return lambda: Apply(
            function, lambda: [torch.randn(rows, classes), torch.randint(0, classes, (rows,))], backward=True
        )

    size = f"{rows} × {classes}"
    ours, peer = functional.cross_entropy, F.cross_entropy
    return Row("loss", "cross_entropy", size, "forward + backward", "F.cross_entropy", side(ours), side(peer))


ROWS = [
    cross_entropy(128, 1000),
    cross_entropy(8192, 64),
    cross_entropy(512, 32000),
    of_scores("softmax", "softmax", 1024, 1024),
    of_scores("softmax", "log_softmax", 1024, 1024),
]
