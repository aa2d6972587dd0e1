"""Rules of attention: queries, keys and values that belong together, and masks whose axes are not guessed."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from groundup import checks


def scaled_dot_product_attention(call: Any) -> None:
    q, k = tuple(call.query.shape), tuple(call.key.shape)
    v = tuple(call.value.shape)
    for name, shape in (("query", q), ("key", k), ("value", v)):
        if len(shape) != len(q) or (call.enable_gqa and len(shape) < 3):
            heads = "H, " if call.enable_gqa else ""
            raise ValueError(
                f"{name} must have shape (..., {heads}tokens, features), with as many axes as query has ({len(q)}), "
                f"got {shape}"
            )
    check_keys(k)
    batch = q[:-2]
    if call.enable_gqa:
        if k[-3] == 0 or q[-3] % k[-3] != 0:
            raise ValueError(f"query's heads (axis {len(q) - 3}) must be a multiple of key's {k[-3]}, got {q[-3]}")
        batch = (*batch[:-1], k[-3])
    for name, shape in (("key", k), ("value", v)):
        if shape[:-2] != batch:
            raise ValueError(f"{name} must have leading axes {batch}, as query has, got {shape[:-2]}")
    check_mask(call.mask, (*q[:-1], k[-2]))


def additive_attention(call: Any) -> None:
    check_keys(tuple(call.key.shape))
    check_mask(call.mask, (*call.query.shape[:-1], call.key.size(-2)))


def check_keys(shape: tuple[int, ...]) -> None:
    """Raise if there is no key: then there is nothing to attend to."""
    checks.require(shape[-2] > 0, f"key must hold at least one token, got shape {shape}")


def check_mask(mask: Tensor | None, scores: tuple[int, ...]) -> None:
    """Raise unless `mask` fits scores of this shape without an axis being guessed."""
    if mask is None:
        return
    shape = tuple(mask.shape)
    if len(shape) == 2:
        fits = shape == scores[-2:]
    else:
        fits = len(shape) == len(scores) and shape[-1] == scores[-1] and all(m in (1, s) for m, s in zip(shape, scores))
    if not fits:
        raise ValueError(
            f"mask must have shape {scores[-2:]} (queries, keys), or the scores' own {scores} with 1 where it repeats"
            f" (padded keys: {(*scores[:1], *[1] * (len(scores) - 2), scores[-1])}), got {shape}"
        )


def sparse_attention(call: Any) -> None:
    """Each token is a query and a key; `columns` of a block's tokens sum it up."""
    checks.integer("block_size", call.block_size)
    columns = checks.integer("columns", getattr(call, "columns", 1))
    checks.require(columns <= call.block_size, f"columns must be at most block_size={call.block_size}, got {columns}")
    checks.require(call.query.size(-2) > 0, f"query must hold at least one token, got shape {tuple(call.query.shape)}")
