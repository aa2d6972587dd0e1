"""Sparse causal attention: each query sees some √n of n keys, and no n × n matrix is ever built.

Child et al. 2019, arXiv:1904.10509, sections 4 and 5.1. Two patterns of two parts, l = `block_size`, c = `columns`:

    strided   A⁽¹⁾_i = {i - l, ..., i}             the last l keys ("local")
              A⁽²⁾_i = {j : (i - j) mod l = 0}     every l-th key ("column")
    fixed     A⁽¹⁾_i = {j : ⌊j/l⌋ = ⌊i/l⌋}         the query's own block
              A⁽²⁾_i = {j : j mod l ≥ l - c}       the last c places of every block, which sum it up

with j ≤ i throughout. The parts go to different heads, or are merged: one softmax over the union A⁽¹⁾ ∪ A⁽²⁾, in
which a key of both counts once. (Never the sum of two softmaxes: its rows would sum to 2.)

Legend: leading axes (batch, heads); n tokens, D features, b = ⌈n/l⌉ blocks. Any n: the last block is filled up with
keys that lie in every query's future, and the result is cropped.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup import checks
from groundup.functional.attention import scaled_dot_product_attention
from groundup.functional.dropout import dropout
from groundup.functional.softmax import softmax
from groundup.functional.windows import pad2d

Pattern = Literal["fixed", "strided"]
Part = Literal["local", "column", "union"]
PATTERNS = ("fixed", "strided")
#: Without need_weights it gives the output alone.
attend = cast(Callable[..., Tensor], scaled_dot_product_attention)
Heads = Float[Tensor, "*heads n D"]


def sparse_mask(
    i: Int[Tensor, " T"], j: Int[Tensor, " S"], block_size: int, columns: int, pattern: Pattern, part: Part = "union"
) -> Bool[Tensor, "T S"]:
    """Whether the query at position i may see the key at position j: the definition of the patterns, above."""
    l, i = block_size, i[:, None]
    if pattern == "strided":
        local, column = i - j <= l, (i - j) % l == 0
    else:
        local, column = j // l == i // l, (j % l >= l - columns).expand(i.size(0), -1)
    seen = {"local": local, "column": column, "union": local | column}[part]
    return seen & (j <= i)


def local_attention(
    query: Heads,
    key: Heads,
    value: Heads,
    block_size: int,
    pattern: Pattern = "fixed",
    dropout_p: float = 0.0,
) -> Heads:
    """Attention over A⁽¹⁾ alone: n · l scores (fixed), or n · 2l (strided)."""
    n, l = _check(query, key, value, block_size), block_size
    q, k, v = (_blocks(x, l) for x in (query, key, value))  # ..., b, l, D
    if pattern == "fixed":
        y = attend(q, k, v, is_causal=True, dropout_p=dropout_p)
    else:
        mask = _window_mask(q.size(-3), l, q.device)  # b, l, 2l
        mask = mask.view(*[1] * (q.dim() - 3), *mask.shape)
        y = attend(q, _with_previous(k), _with_previous(v), mask, dropout_p=dropout_p)
    return _flat(y)[..., :n, :]


def column_attention(
    query: Heads,
    key: Heads,
    value: Heads,
    block_size: int,
    columns: int = 1,
    pattern: Pattern = "fixed",
    dropout_p: float = 0.0,
) -> Heads:
    """Attention over A⁽²⁾ alone: n · c n/l scores (fixed), or n · n/l (strided).

    In the fixed pattern the first l - c queries have no key yet: they get zeros.
    """
    n, l = _check(query, key, value, block_size, columns), block_size
    if pattern == "strided":  # l interleaved sequences of b tokens, each causal
        q, k, v = (_residues(_blocks(x, l)) for x in (query, key, value))  # ..., l, b, D
        y = attend(q, k, v, is_causal=True, dropout_p=dropout_p)
        return _flat(_residues(y))[..., :n, :]
    k, v = (_columns(_blocks(x, l), columns) for x in (key, value))  # ..., b c, D
    i = torch.arange(n, device=query.device)
    j = _columns(torch.arange(k.size(-2) // columns * l, device=query.device).view(-1, l, 1), columns)
    return attend(query, k, v, j.view(-1) <= i[:, None], dropout_p=dropout_p)


def merged_attention(
    query: Heads,
    key: Heads,
    value: Heads,
    block_size: int,
    columns: int = 1,
    pattern: Pattern = "fixed",
    dropout_p: float = 0.0,
) -> Heads:
    """One softmax over A⁽¹⁾ ∪ A⁽²⁾: n · (l + c n/l) scores (fixed), or n · (2l + n/l) (strided).

    The scores of the two parts stand side by side; the second leaves out what the first has.
    """
    n, l = _check(query, key, value, block_size, columns), block_size
    wide = torch.float32 if query.dtype in (torch.float16, torch.bfloat16) else query.dtype
    q, k, v = (_blocks(x.to(wide), l) for x in (query, key, value))  # ..., b, l, D
    q = q / sqrt(query.size(-1))
    block = torch.arange(q.size(-3), device=q.device)
    before = block[:, None] - block  # how many blocks before the query's own
    if pattern == "fixed":
        near_k, near_v, near = k, v, torch.ones(1, l, l, dtype=torch.bool, device=q.device).tril()
        far_k, far_v = _columns(k, columns), _columns(v, columns)  # ..., b c, D
        far = (before > 0).repeat_interleave(columns, 1)  # those of its own block are near
        lined, blocked = _flat, lambda x: x.unflatten(-2, (-1, l))  # ..., n, D: all queries see these columns
    else:
        near_k, near_v, near = _with_previous(k), _with_previous(v), _window_mask(q.size(-3), l, q.device)
        far_k, far_v = _residues(k), _residues(v)  # ..., l, b, D
        far = before > 1  # i - j = l is near
        lined = blocked = _residues  # ..., l, b, D: each residue of i mod l sees its own

    mask = torch.cat([near.expand(q.size(-3), l, -1), far[:, None].expand(-1, l, -1)], -1)  # b, l, near + far keys
    scores = torch.cat([q @ near_k.mT, blocked(lined(q) @ far_k.mT)], -1)
    weights = dropout(softmax(scores, -1, mask), dropout_p)
    near_weights, far_weights = weights.split([near.size(-1), far.size(-1)], -1)
    return _flat(near_weights @ near_v + blocked(lined(far_weights) @ far_v))[..., :n, :].to(query.dtype)


def _check(query: Tensor, key: Tensor, value: Tensor, block_size: int, columns: int = 1) -> int:
    checks.integer("block_size", block_size)
    checks.require(
        checks.integer("columns", columns) <= block_size,
        f"columns must be at most block_size={block_size}, got {columns}",
    )
    for name, x in (("query", query), ("key", key), ("value", value)):
        if checks.floating(name, x).dim() < 2 or x.shape[:-1] != query.shape[:-1]:
            raise ValueError(
                f"{name} must have shape (..., n, features) with query's leading axes {tuple(query.shape[:-1])} (each "
                f"token is a query and a key here), got {tuple(x.shape)}"
            )
    checks.require(query.size(-2) > 0, f"query must hold at least one token, got shape {tuple(query.shape)}")
    return query.size(-2)


def _blocks(x: Float[Tensor, "*heads n D"], l: int) -> Float[Tensor, "*heads b l D"]:
    """Zeros at the end, up to whole blocks: no query sees them, for they lie in its future."""
    missing = -x.size(-2) % l
    return (pad2d(x, (0, missing, 0, 0)) if missing else x).unflatten(-2, (-1, l))


def _flat(x: Tensor) -> Tensor:
    """..., b, l, D -> ..., b l, D: back to a sequence."""
    return x.flatten(-3, -2)


def _columns(x: Tensor, c: int) -> Tensor:
    """..., b, l, D -> ..., b c, D: the last c places of every block."""
    return _flat(x[..., -c:, :])


def _residues(x: Tensor) -> Tensor:
    """..., b, l, D -> ..., l, b, D, and back: tokens that are l apart stand together."""
    return x.transpose(-3, -2)


def _with_previous(x: Float[Tensor, "*heads b l D"]) -> Float[Tensor, "*heads b m D"]:
    """Each block behind the one before it, m = 2l: the first has zeros before it, which no query may see."""
    previous = torch.cat([torch.zeros_like(x[..., :1, :, :]), x[..., :-1, :, :]], -3)
    return torch.cat([previous, x], -2)


def _window_mask(b: int, l: int, device: torch.device) -> Bool[Tensor, "b l m"]:
    """Of the 2l keys of two blocks, those of {i - l, ..., i}; the first block has no block before it."""
    r, s, block = (torch.arange(size, device=device) for size in (l, 2 * l, b))
    distance = l + r[:, None] - s  # i - j
    return ((distance >= 0) & (distance <= l)) & ((block > 0)[:, None, None] | (s >= l))
