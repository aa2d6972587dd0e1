"""Sparse causal attention layers: each token attends to about √n of n tokens.

Child et al. 2019, Generating Long Sequences with Sparse Transformers, arXiv:1904.10509, sections 4 and 5.1.
`groundup.functional.sparse_attention` has the patterns, and computes them without an n × n matrix.

Legend: B batch, H heads, n tokens, D head features, E embed_dim, l block_size, c columns.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.attention import Attended, scaled_dot_product_attention
from groundup.functional.sparse_attention import (
    Part,
    Pattern,
    column_attention,
    local_attention,
    merged_attention,
    sparse_mask,
)
from groundup.layers.cache import KVCache
from groundup.layers.keywords import TorchKeywords
from groundup.layers.multi_head_attention import HeadProjections, Rotary

_CHILD = "Child et al. 2019, Generating Long Sequences with Sparse Transformers, arXiv:1904.10509"


Combine = Literal["merged", "heads", "local"]
COMBINE = ("merged", "heads", "local")


def _check_pattern(block_size: int, columns: int) -> tuple[int, int]:
    """Return both, if they are positive and a block has at least so many columns."""
    checks.require(
        checks.integer("columns", columns) <= checks.integer("block_size", block_size),
        f"columns must be at most block_size={block_size}, got {columns}",
    )
    return block_size, columns


class _BlockAttention(TorchKeywords, nn.Module):
    """One part of the fixed pattern. query, key, value: (B, H, n, D), any n."""

    part: Part

    def __init__(self, block_size: int, columns: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.block_size, self.columns = _check_pattern(block_size, columns)
        self.dropout = checks.probability("dropout", dropout)

    def forward(
        self,
        query: Float[Tensor, "B H n D"],
        key: Float[Tensor, "B H n D"],
        value: Float[Tensor, "B H n D"],
        need_weights: bool = False,
    ) -> Attended:
        for name, x in (("query", query), ("key", key), ("value", value)):
            if not (isinstance(x, Tensor) and x.dim() == 4):  # the functions take any leading axes
                checks.rank(name, checks.floating(name, x), 4, layout="(B, H, n, D)")
        p = self.dropout if self.training else 0.0
        if need_weights:  # (B, H, n, n): they are dense by definition
            i = torch.arange(query.size(-2), device=query.device)
            mask = sparse_mask(i, i, self.block_size, self.columns, "fixed", self.part)
            return scaled_dot_product_attention(query, key, value, mask, dropout_p=p, need_weights=True)
        if self.part == "local":
            return local_attention(query, key, value, self.block_size, dropout_p=p)
        return column_attention(query, key, value, self.block_size, self.columns, dropout_p=p)

    def extra_repr(self) -> str:
        columns = "" if self.part == "local" else f", columns={self.columns}"
        return f"block_size={self.block_size}{columns}, dropout={self.dropout}"


@component(
    32,
    "attention within each block of a sequence",
    paper=_CHILD,
    oracle="dense attention, masked",
    example=("DiagBlockAttention(16)(torch.randn(1, 8, 64, 32), torch.randn(1, 8, 64, 32), torch.randn(1, 8, 64, 32))"),
)
class DiagBlockAttention(_BlockAttention):
    """Each token attends to its own block of l tokens, up to itself: A⁽¹⁾_i = {j ≤ i : ⌊j/l⌋ = ⌊i/l⌋} (fixed pattern)

    Why: dense attention takes n² scores, blocks take n l. Alone, a token sees nothing before its block;
    `ColumnBlockAttention` gives the connection between blocks.

    Args:
        block_size: l.
        dropout: the probability of dropping a weight in training mode.

    query, key and value (B, H, n, D) -> (B, H, n, D); with need_weights=True also the weights (B, H, n, n).

    Example:
        >>> q = k = v = torch.randn(1, 8, 64, 32)
        >>> DiagBlockAttention(16)(q, k, v).shape
        torch.Size([1, 8, 64, 32])
    """

    part = "local"

    def __init__(self, block_size: int, dropout: float = 0.0) -> None:
        super().__init__(block_size, dropout=dropout)


@component(
    33,
    "attention to the last positions of each block",
    paper=_CHILD,
    oracle="dense attention, masked",
    example=(
        "ColumnBlockAttention(16)(torch.randn(1, 8, 64, 32), torch.randn(1, 8, 64, 32), torch.randn(1, 8, 64, 32))"
    ),
)
class ColumnBlockAttention(_BlockAttention):
    """Each token attends to the last c tokens of every block: A⁽²⁾_i = {j ≤ i : j mod l ≥ l - c} (fixed pattern)

    Why: these tokens have seen their whole block (`DiagBlockAttention`) and can summarise it, so that after two layers
    information from any token reaches every later one.

    Args:
        block_size: l; 128 or 256 in the paper.
        columns: c, at most l; 8, 16 or 32 in the paper.
        dropout: the probability of dropping a weight in training mode.

    query, key and value (B, H, n, D) -> (B, H, n, D); with need_weights=True also the weights (B, H, n, n). The first l
    - c tokens have no key yet: they get zeros.

    Example:
        >>> q = k = v = torch.randn(1, 8, 64, 32)
        >>> ColumnBlockAttention(16, columns=2)(q, k, v).shape
        torch.Size([1, 8, 64, 32])
    """

    part = "column"


@component(
    37,
    "sparse attention in fixed or strided patterns",
    paper=_CHILD,
    oracle="dense attention, masked",
    example="SparseMultiHeadAttention(64, 8, 16)(torch.randn(1, 64, 64))",
)
class SparseMultiHeadAttention(HeadProjections):
    """Multi-head causal self-attention in which each token attends to A⁽¹⁾ and A⁽²⁾ of a pattern

    Why: with l near √n each token has about √n keys in each part, so that time and memory grow as n √n, not as n². Two
    steps connect any two tokens: one within the local part, one along the columns.

    Args:
        embed_dim: E.
        num_heads: H; even for combine="heads".
        block_size: l.
        columns: c, of the fixed pattern.
        pattern: "fixed" or "strided", for data with a period of l, such as the rows of an image.
        combine: "merged": every head has one softmax over A⁽¹⁾ ∪ A⁽²⁾. "heads": the first half of the heads attends to
            A⁽¹⁾, the second to A⁽²⁾, which in the fixed pattern is empty for the first l - c tokens: these heads give
            zeros. "local": every head attends to A⁽¹⁾ alone; in the strided pattern, the last l tokens and the token
            itself.
        bias: False leaves out the biases of the projections.
        dropout: the probability of dropping a weight in training mode.
        device, dtype: of the parameters.

    Example:
        >>> SparseMultiHeadAttention(64, 8, block_size=16)(torch.randn(1, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        columns: int = 1,
        pattern: Pattern = "fixed",
        combine: Combine = "merged",
        bias: bool = True,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(embed_dim, num_heads, num_heads, bias, dropout, device=device, dtype=dtype)
        self.block_size, self.columns = _check_pattern(block_size, columns)
        checks.choice("pattern", pattern, ("fixed", "strided"))
        checks.choice("combine", combine, COMBINE)
        checks.require(
            combine != "heads" or num_heads % 2 == 0,
            f'num_heads must be even for combine="heads", half for each part of the pattern; got {num_heads}',
        )
        self.pattern: Pattern = pattern
        self.combine: Combine = combine

    def forward(
        self,
        x: Float[Tensor, "B T E"],
        rotary: Rotary | None = None,
        cache: KVCache | None = None,
        need_weights: bool = False,
        mask: Bool[Tensor, "B 1 1 n"] | None = None,
    ) -> Float[Tensor, "B T E"] | tuple[Float[Tensor, "B T E"], Float[Tensor, "B H T n"]]:
        """Return the output (B, T, E); with `need_weights` also the weights.

        Args: x: T tokens; any number. rotary, cache: as for `MultiHeadAttention`. Blocks are counted from position 0,
            however the tokens are divided into calls; T tokens after n others take T × (n + T) memory.
            need_weights: also return the weights, dense, with zeros where a token does not attend. mask: True for the
            keys that may be attended to at all, for rows that begin with padding; T × n memory. Only for the strided
            pattern, which is relative to the query: padding would shift the blocks of the fixed one.
        """
        checks.require(mask is None or self.pattern == "strided", 'mask takes pattern="strided", got "fixed"')
        q, k, v = self.split(x, x, x, rotary, cache)
        p = self.dropout if self.training else 0.0
        if need_weights or mask is not None or k.size(2) != q.size(2):
            seen = self.mask(q.size(2), k.size(2), q.device)
            if mask is not None:
                expected = (x.size(0), 1, 1, k.size(2))
                if mask.dtype != torch.bool or tuple(mask.shape) != expected:
                    raise ValueError(f"mask must be boolean, {expected}, got {mask.dtype}, {tuple(mask.shape)}")
                seen = seen & mask
            heads = scaled_dot_product_attention(q, k, v, seen, dropout_p=p, need_weights=need_weights)
            return (self.join(heads[0]), heads[1]) if isinstance(heads, tuple) else self.join(heads)
        l, c = self.block_size, self.columns
        if self.combine == "merged":
            return self.join(merged_attention(q, k, v, l, c, self.pattern, p))
        if self.combine == "local":
            return self.join(local_attention(q, k, v, l, self.pattern, p))
        (q1, q2), (k1, k2), (v1, v2) = (heads.chunk(2, 1) for heads in (q, k, v))
        local = local_attention(q1, k1, v1, l, self.pattern, p)
        column = column_attention(q2, k2, v2, l, c, self.pattern, p)
        return self.join(torch.cat([local, column], 1))

    def mask(self, queries: int, keys: int, device: torch.device | None = None) -> Bool[Tensor, "1 heads T n"]:
        """Return the mask of the last `queries` tokens over all keys: one for all heads, or one per head."""
        j = torch.arange(keys, device=device)
        i = j[keys - queries :]
        parts: dict[str, tuple[Part, ...]] = {"merged": ("union",), "heads": ("local", "column"), "local": ("local",)}
        masks = [sparse_mask(i, j, self.block_size, self.columns, self.pattern, p) for p in parts[self.combine]]
        heads = self.num_heads // 2 if self.combine == "heads" else 1
        return torch.stack(masks).repeat_interleave(heads, 0)[None]

    def extra_repr(self) -> str:
        return (
            f"{super().extra_repr()}, block_size={self.block_size}, columns={self.columns}, pattern={self.pattern!r}, "
            f"combine={self.combine!r}"
        )
