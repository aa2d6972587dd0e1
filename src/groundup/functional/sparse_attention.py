"""Sparse causal attention: each query attends to about √n of n keys, and no n × n matrix is ever built.

Child et al. 2019, arXiv:1904.10509, sections 4 and 5.1. Two patterns of two parts, l = `block_size`, c = `columns`:

    strided   A⁽¹⁾_i = {i - l, ..., i}             the last l keys ("local")
              A⁽²⁾_i = {j : (i - j) mod l = 0}     every l-th key ("column")
    fixed     A⁽¹⁾_i = {j : ⌊j/l⌋ = ⌊i/l⌋}         the query's own block
              A⁽²⁾_i = {j : j mod l ≥ l - c}       the last c keys of every block, which summarise it

with j ≤ i throughout. The parts go to different heads, or are merged: one softmax over the union A⁽¹⁾ ∪ A⁽²⁾, in which
a key of both parts counts once. (Adding two softmaxes would be wrong: its rows would sum to 2.)

Why: dense attention takes n² scores. With l near √n each part has about √n keys per query, and two steps connect any
two tokens: one within the local part, one along the columns.

Legend: leading axes (batch, heads); n tokens, D features, b = ⌈n/l⌉ blocks. n is any number: the last block is padded
with keys that are in every query's future, and the result is cropped.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup.backend import checked
from groundup.functional.attention import scaled_dot_product_attention
from groundup.functional.dropout import Probability, dropout
from groundup.functional.precision import widen
from groundup.functional.softmax import softmax
from groundup.functional.windows import pad2d
from groundup.rules import attention as rules

Pattern = Literal["fixed", "strided"]
Part = Literal["local", "column", "union"]
#: Attention without need_weights, which returns the output alone.
attend = cast(Callable[..., Tensor], scaled_dot_product_attention)
Heads = Float[Tensor, "*heads n D"]


def sparse_mask(
    i: Int[Tensor, " T"], j: Int[Tensor, " S"], block_size: int, columns: int, pattern: Pattern, part: Part = "union"
) -> Bool[Tensor, "T S"]:
    """Return True where the query at position i attends to the key at position j: the definition of the patterns.

    Args:
        i, j: positions of the queries and of the keys.
        block_size, columns: l and c.
        pattern: "fixed" or "strided".
        part: "local" is A⁽¹⁾, "column" A⁽²⁾, "union" both.

    Example:
        >>> i = torch.arange(4)
        >>> sparse_mask(i, i, block_size=2, columns=1, pattern="fixed").int()
        tensor([[1, 0, 0, 0],
                [1, 1, 0, 0],
                [0, 1, 1, 0],
                [0, 1, 1, 1]], dtype=torch.int32)
    """
    l, i = block_size, i[:, None]
    if pattern == "strided":
        local, column = i - j <= l, (i - j) % l == 0
    else:
        local, column = j // l == i // l, (j % l >= l - columns).expand(i.size(0), -1)
    seen = {"local": local, "column": column, "union": local | column}[part]
    return seen & (j <= i)


@checked(rules.sparse_attention)
def local_attention(
    query: Heads,
    key: Heads,
    value: Float[Tensor, "*heads n V"],
    block_size: int,
    pattern: Pattern = "fixed",
    dropout_p: Probability = 0.0,
) -> Float[Tensor, "*heads n V"]:
    """Attention over A⁽¹⁾ alone: n · l scores (fixed), or n · 2l (strided)

    Args:
        query, key, value: n tokens each.
        block_size: l.
        pattern: "fixed" or "strided".
        dropout_p: the probability of dropping a weight.

    Example:
        >>> x = torch.randn(1, 2, 5, 4)
        >>> local_attention(x, x, x, block_size=2).shape
        torch.Size([1, 2, 5, 4])
    """
    n, l = query.size(-2), block_size
    q, k, v = (split_blocks(x, l) for x in (query, key, value))  # ..., b, l, D
    if pattern == "fixed":
        y = attend(q, k, v, is_causal=True, dropout_p=dropout_p)
    else:
        mask = window_mask(q.size(-3), l, q.device)  # b, l, 2l
        mask = mask.view(*[1] * (q.dim() - 3), *mask.shape)
        y = attend(q, add_previous_block(k), add_previous_block(v), mask, dropout_p=dropout_p)
    return join_blocks(y)[..., :n, :]


@checked(rules.sparse_attention)
def column_attention(
    query: Heads,
    key: Heads,
    value: Float[Tensor, "*heads n V"],
    block_size: int,
    columns: int = 1,
    pattern: Pattern = "fixed",
    dropout_p: Probability = 0.0,
) -> Float[Tensor, "*heads n V"]:
    """Attention over A⁽²⁾ alone: n · c n/l scores (fixed), or n · n/l (strided)

    Args:
        query, key, value, block_size, pattern, dropout_p: see `local_attention`.
        columns: c, of the fixed pattern, whose first l - c queries have no key yet: they get zeros.

    Example:
        >>> x = torch.randn(1, 2, 5, 4)
        >>> column_attention(x, x, x, block_size=2)[0, 0, 0]
        tensor([0., 0., 0., 0.])
    """
    n, l = query.size(-2), block_size
    if pattern == "strided":  # l interleaved sequences of b tokens, each causal
        q, k, v = (swap_residues(split_blocks(x, l)) for x in (query, key, value))  # ..., l, b, D
        y = attend(q, k, v, is_causal=True, dropout_p=dropout_p)
        return join_blocks(swap_residues(y))[..., :n, :]
    k, v = (last_columns(split_blocks(x, l), columns) for x in (key, value))  # ..., b c, D
    i = torch.arange(n, device=query.device)
    j = last_columns(torch.arange(k.size(-2) // columns * l, device=query.device).view(-1, l, 1), columns)
    return attend(query, k, v, j.view(-1) <= i[:, None], dropout_p=dropout_p)


@checked(rules.sparse_attention)
def merged_attention(
    query: Heads,
    key: Heads,
    value: Float[Tensor, "*heads n V"],
    block_size: int,
    columns: int = 1,
    pattern: Pattern = "fixed",
    dropout_p: Probability = 0.0,
) -> Float[Tensor, "*heads n V"]:
    """One softmax over A⁽¹⁾ ∪ A⁽²⁾: n · (l + c n/l) scores (fixed), or n · (2l + n/l) (strided)

    The scores of the two parts are concatenated; the second part leaves out the keys that the first one has.

    Args:
        query, key, value, block_size, pattern, dropout_p: see `local_attention`.
        columns: c, of the fixed pattern.

    Example:
        >>> x = torch.randn(1, 2, 5, 4)
        >>> i = torch.arange(5)
        >>> mask = sparse_mask(i, i, block_size=2, columns=1, pattern="fixed")
        >>> merged_attention(x, x, x, 2).allclose(attend(x, x, x, mask), atol=1e-6)
        True
    """
    n, l = query.size(-2), block_size
    q, k, v = (split_blocks(widen(x), l) for x in (query, key, value))  # ..., b, l, D
    q = q / sqrt(query.size(-1))
    block = torch.arange(q.size(-3), device=q.device)
    before = block[:, None] - block  # the number of blocks before the query's own
    if pattern == "fixed":
        near_k, near_v, near = k, v, torch.ones(1, l, l, dtype=torch.bool, device=q.device).tril()
        far_k, far_v = last_columns(k, columns), last_columns(v, columns)  # ..., b c, D
        far = (before > 0).repeat_interleave(columns, 1)  # keys of the query's own block are near
        to_rows, to_blocks = (join_blocks, lambda x: x.unflatten(-2, (-1, l)))  # ..., n, D: queries share the columns
    else:
        near_k, near_v, near = add_previous_block(k), add_previous_block(v), window_mask(q.size(-3), l, q.device)
        far_k, far_v = swap_residues(k), swap_residues(v)  # ..., l, b, D
        far = before > 1  # i - j = l is near
        to_rows = to_blocks = swap_residues  # ..., l, b, D: each residue of i mod l has its own keys

    mask = torch.cat([near.expand(q.size(-3), l, -1), far[:, None].expand(-1, l, -1)], -1)  # b, l, near + far keys
    scores = torch.cat([q @ near_k.mT, to_blocks(to_rows(q) @ far_k.mT)], -1)
    weights = dropout(softmax(scores, -1, mask), dropout_p)
    near_weights, far_weights = weights.split([near.size(-1), far.size(-1)], -1)
    return join_blocks(near_weights @ near_v + to_blocks(to_rows(far_weights) @ far_v))[..., :n, :].to(query.dtype)


def split_blocks(x: Float[Tensor, "*heads n D"], l: int) -> Float[Tensor, "*heads b l D"]:
    """Return x in blocks of l tokens. Zeros at the end fill the last one; they are in every query's future."""
    missing = -x.size(-2) % l
    return (pad2d(x, (0, missing, 0, 0)) if missing else x).unflatten(-2, (-1, l))


def join_blocks(x: Tensor) -> Tensor:
    """Return blocks (..., b, l, D) as a sequence (..., b l, D)."""
    return x.flatten(-3, -2)


def last_columns(x: Tensor, c: int) -> Tensor:
    """Return the last c tokens of every block: (..., b, l, D) -> (..., b c, D)."""
    return join_blocks(x[..., -c:, :])


def swap_residues(x: Tensor) -> Tensor:
    """Return (..., b, l, D) as (..., l, b, D), in which tokens at distance l are neighbours; or the reverse."""
    return x.transpose(-3, -2)


def add_previous_block(x: Float[Tensor, "*heads b l D"]) -> Float[Tensor, "*heads b m D"]:
    """Return each block after the one before it, m = 2l tokens; zeros precede the first block, and no query attends to
    them.
    """
    previous = torch.cat([torch.zeros_like(x[..., :1, :, :]), x[..., :-1, :, :]], -3)
    return torch.cat([previous, x], -2)


def window_mask(b: int, l: int, device: torch.device) -> Bool[Tensor, "b l m"]:
    """Return True for the keys {i - l, ..., i} among the 2l keys of two blocks; the first block has none before it."""
    r, s, block = (torch.arange(size, device=device) for size in (l, 2 * l, b))
    distance = l + r[:, None] - s  # i - j
    return ((distance >= 0) & (distance <= l)) & ((block > 0)[:, None, None] | (s >= l))
