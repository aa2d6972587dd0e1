"""Attention against PyTorch's `scaled_dot_product_attention`, and sparse attention against dense under its mask."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row, same_values
from groundup import functional as G
from groundup import layers
from rows.units import Apply, Unit, fill

FEATURES = 64
Function = Callable[[Tensor, Tensor, Tensor], Any]


def attention(
    name: str, heads: tuple[int, int], queries: int, keys: int, ours: Function, peer: Function, **options: Any
) -> Row:
    """One function of queries, keys and values, by both sides; heads: (batch, heads)."""
    backward = options.pop("backward", True)
    shapes = [(*heads, n, FEATURES) for n in (queries, keys, keys)]

    def side(function: Function) -> Callable[[], Unit]:
        return lambda: Apply(function, lambda: [torch.randn(shape) for shape in shapes], backward)

    return Row(
        "attention",
        name,
        size=" × ".join(map(str, (*heads, queries if queries == keys else f"{queries}:{keys}", FEATURES))),
        work="forward + backward" if backward else "forward",
        ours=side(ours),
        peer=side(peer),
        **{"against": "F.scaled_dot_product_attention", **options},
    )


def dense(name: str, heads: tuple[int, int], queries: int, keys: int, backward: bool = True, **given: Any) -> Row:
    """Our function and PyTorch's of the same name, with the same arguments."""

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Any:
        return G.scaled_dot_product_attention(query, key, value, **given)

    def peer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, **given)

    return attention(name, heads, queries, keys, ours, peer, backward=backward)


def sparse(pattern: Any, held: bool = False, tokens: int = 4096, block: int = 64) -> Row:
    """One softmax over both parts of a pattern; the peer is dense, with the union as its mask.

    held: the peer is written out, softmax(Q Kᵀ / √d) V, and holds its n × n weights; else it is PyTorch's kernel.
    """

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return G.merged_attention(query, key, value, block, 1, pattern)

    @cache
    def union(device: torch.device) -> Tensor:
        i = torch.arange(tokens, device=device)
        return G.sparse_mask(i, i, block, 1, pattern)

    def peer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if not held:
            return F.scaled_dot_product_attention(query, key, value, union(query.device))
        scores = query @ key.mT / FEATURES**0.5
        return scores.masked_fill(~union(query.device), -torch.inf).softmax(-1) @ value

    against = "softmax(QKᵀ)V, masked" if held else "F.scaled_dot_product_attention, masked"
    return attention(f"{pattern} sparse", (1, 2), tokens, tokens, ours, peer, against=against, limit=1.0)


class Alone(nn.Module):
    """The output of `nn.MultiheadAttention`, on one sequence attending to itself."""

    def __init__(self, embed_dim: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(embed_dim, heads, batch_first=True)
        fill(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


def multi_head(embed_dim: int, heads: int, shape: tuple[int, int]) -> Row:
    """MultiHeadAttention with the weights of `nn.MultiheadAttention`; it keeps Q, K and V apart, the peer together."""

    def ours() -> Unit:
        layer = layers.MultiHeadAttention(embed_dim, heads)
        layer.load_state_dict(Alone(embed_dim, heads).attention.state_dict())
        return Apply(layer, lambda: [torch.randn(*shape, embed_dim)], backward=True, given=True)

    def peer() -> Unit:
        return Apply(Alone(embed_dim, heads), lambda: [torch.randn(*shape, embed_dim)], backward=True, given=True)

    def compare(a: list[Tensor], b: list[Tensor], tolerance: float) -> str | None:
        y, x, *parameters = a
        together = [torch.cat(parameters[0:6:2]), torch.cat(parameters[1:6:2]), *parameters[6:]]
        return same_values([y, x, *together], b, tolerance)

    return Row(
        "attention",
        f"MultiHeadAttention, {heads} heads",
        size=" × ".join(map(str, (*shape, embed_dim))),
        work="forward + backward",
        against="nn.MultiheadAttention",
        ours=ours,
        peer=peer,
        compare=compare,
    )


ROWS = [
    multi_head(512, 8, (8, 128)),
    dense("scaled dot product", (8, 8), 128, 128),
    dense("scaled dot product, causal", (2, 8), 512, 512, is_causal=True),
    dense("scaled dot product, one query", (8, 8), 1, 512, backward=False),
    sparse("fixed"),
    sparse("strided"),
    sparse("fixed", held=True),
    sparse("strided", held=True),
]
