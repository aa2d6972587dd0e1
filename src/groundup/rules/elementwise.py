"""Rules of activations, softmax and embedding: the axis that they work along, masks, and indices of a table."""

from __future__ import annotations

from typing import Any

from groundup import checks


def glu(call: Any) -> None:
    dimension(call)
    if call.x.size(call.dim) % 2:
        raise ValueError(
            f"x must have an even size along axis {call.dim}, got {call.x.size(call.dim)}: shape {tuple(call.x.shape)}"
        )


def dimension(call: Any) -> None:
    """`dim` is an axis of x; a number has one, 0."""
    rank = max(call.x.dim(), 1)
    if not -rank <= call.dim < rank:
        raise ValueError(f"dim must lie in [{-rank}, {rank - 1}] for shape {tuple(call.x.shape)}, got {call.dim}")


def softmax(call: Any) -> None:
    dimension(call)
    if call.mask is None:
        return
    shape, scores = tuple(call.mask.shape), tuple(call.x.shape)
    if len(shape) > len(scores) or any(m not in (1, s) for m, s in zip(shape[::-1], scores[::-1])):
        raise ValueError(f"mask must broadcast to x's shape {scores}, got {shape}")


def embedding(call: Any) -> None:
    checks.index_type("indices", call.indices)


def table_indices(call: Any) -> None:
    """Each index is a row of the table."""
    checks.indices("indices", call.indices, call.weight.size(0), "the rows of weight")
