"""Weights laid out ahead of time for oneDNN, for as long as a model decodes.

Few rows times a large matrix is a matter of reading the matrix. As it lies, MKL and oneDNN read it at a quarter of the
memory's speed when they have two rows or more; in blocks, as oneDNN's kernel wants it, in 0.3 to 0.9 of the time. The
blocks are a copy, which costs about as much as one product: not for one product, but for every token again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from groundup import checks

LEAST, MOST_ROWS = 2**16, 64  # numbers of a matrix, and rows of what it meets, for which it is worth it
MOST = 2**31  # bytes of all copies at once

_packed: dict[int, tuple[Tensor, int, Tensor]] = {}  # by id: the weight, its version then, its copy


@contextmanager
def packed(weights: Iterable[Tensor], rows: int) -> Iterator[None]:
    """Within, without a gradient, `linear` reads copies of those weights that are large, laid out for `rows` rows."""
    mine, room = [], MOST - sum(4 * weight.numel() for weight, _, _ in _packed.values())
    for weight in weights if 1 < rows <= MOST_ROWS and torch.backends.mkldnn.is_available() else ():
        counted = not weight.is_inference()  # of which no one counts the changes
        plain = counted and weight.dtype == torch.float32 and checks.readable(weight) and weight.is_contiguous()
        if plain and id(weight) not in _packed and weight.numel() >= LEAST and 4 * weight.numel() <= room:
            copy = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)
            _packed[id(weight)] = weight, weight._version, copy
            room -= 4 * weight.numel()
            mine.append(id(weight))
    try:
        yield
    finally:
        for key in mine:
            _packed.pop(key, None)


def laid_out(x: Tensor, weight: Tensor) -> Tensor | None:
    """The copy of `weight` to multiply x with, if there is one and it still holds."""
    if not _packed or torch.is_grad_enabled() or x.numel() > MOST_ROWS * x.size(-1):
        return None
    known = _packed.get(id(weight))
    return known[2] if known is not None and known[1] == weight._version else None
