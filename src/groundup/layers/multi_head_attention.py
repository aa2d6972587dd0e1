"""Attention with many heads, and with heads that share their keys and values.

Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2; Ainslie et al. 2023, arXiv:2305.13245.
Legend: B batch, T queries, S keys, n keys held by a cache, E embed_dim, H num_heads, G num_kv_heads, D = E / H.
The rules of masks, of `is_causal` and of queries with nothing to attend to are those of functional/attention.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.attention import Mask, scaled_dot_product_attention
from groundup.layers.cache import KVCache
from groundup.layers.keywords import TorchKeywords
from groundup.layers.linear import Linear

#: (x (B, H, T, D), position of the first token) -> x, rotated
Rotary = Callable[[Tensor, int], Tensor]


class HeadProjections(TorchKeywords, nn.Module):
    """The projections of a layer with heads, W_Q, W_K, W_V and W_O, and the axes that they split and join.

    `q_proj` (E, E), `k_proj` (G D, kdim), `v_proj` (G D, vdim) and `out_proj` (E, E) are initialised like those of
    `torch.nn.MultiheadAttention`: Glorot-uniform as parts of one (3 E, E) matrix, biases 0.

    Args:
        embed_dim: E, of queries and of the output; divisible by num_heads.
        num_heads: H, heads of queries.
        num_kv_heads: G, heads of keys and values; a divisor of H.
        bias: whether all four projections have one.
        dropout: the probability of dropping an attention weight, in training mode.
        kdim, vdim: the features of keys and of values; E by default.
        device, dtype: of the parameters.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int,
        bias: bool = True,
        dropout: float = 0.0,
        kdim: int | None = None,
        vdim: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.embed_dim = checks.integer("embed_dim", embed_dim)
        self.num_heads = checks.integer("num_heads", num_heads)
        self.num_kv_heads = checks.integer("num_kv_heads", num_kv_heads)
        checks.require(
            embed_dim % num_heads == 0, f"embed_dim must be divisible by num_heads={num_heads}, got {embed_dim}"
        )
        checks.require(
            num_heads % num_kv_heads == 0,
            f"num_heads must be divisible by num_kv_heads={num_kv_heads}, got {num_heads}",
        )
        self.head_dim = embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else checks.integer("kdim", kdim)
        self.vdim = embed_dim if vdim is None else checks.integer("vdim", vdim)
        self.dropout = checks.probability("dropout", dropout)
        options: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.q_proj = Linear(embed_dim, embed_dim, **options)
        self.k_proj = Linear(self.kdim, num_kv_heads * self.head_dim, **options)
        self.v_proj = Linear(self.vdim, num_kv_heads * self.head_dim, **options)
        self.out_proj = Linear(embed_dim, embed_dim, **options)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in (self.q_proj, self.k_proj, self.v_proj):
            init.xavier_uniform_(layer.weight, gain=1 / sqrt(2))
        self.out_proj.reset_parameters()
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.out_proj):
            if layer.bias is not None:
                init.constant_(layer.bias, 0.0)

    def split(
        self,
        query: Float[Tensor, "B T E"],
        key: Float[Tensor, "B S kdim"],
        value: Float[Tensor, "B S vdim"],
        rotary: Rotary | None,
        cache: KVCache | None,
    ) -> tuple[Float[Tensor, "B H T D"], Float[Tensor, "B G n D"], Float[Tensor, "B G n D"]]:
        """Project, split into heads, rotate queries and keys to their positions, and append to the cache."""
        D = self.head_dim
        for name, x, features in (
            ("query", query, self.embed_dim),
            ("key", key, self.kdim),
            ("value", value, self.vdim),
        ):
            if not isinstance(x, Tensor) or x.dim() != 3 or x.size(0) != query.size(0) or x.size(2) != features:
                check_sequences(name, x, query, features)
        q = self.q_proj(query).unflatten(-1, (-1, D)).transpose(1, 2)  # B, H, T, D
        k = self.k_proj(key).unflatten(-1, (-1, D)).transpose(1, 2)  # B, G, S, D
        v = self.v_proj(value).unflatten(-1, (-1, D)).transpose(1, 2)  # B, G, S, D
        if rotary is not None:
            position = 0 if cache is None else cache.length
            q, k = rotary(q, position), rotary(k, position)
        if cache is not None:
            k, v = cache.update(k, v)
        return q, k, v

    def join(self, heads: Float[Tensor, "B H T D"]) -> Float[Tensor, "B T E"]:
        """Return Concat(head_1, ..., head_H) W_O."""
        return self.out_proj(heads.transpose(1, 2).flatten(2))

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}, dropout={self.dropout}"


@component(
    35,
    "attention whose heads share keys and values",
    paper="Ainslie et al. 2023, GQA, arXiv:2305.13245",
    oracle="transformers' LlamaAttention",
    example="GroupedQueryAttention(64, 8, 2)(torch.randn(1, 10, 64))",
)
class GroupedQueryAttention(HeadProjections):
    """Concat(head_1, ..., head_H) W_O with head_h = Attention(Q W_Q^h, K W_K^g, V W_V^g), g = ⌈h G / H⌉

    H / G neighbouring query heads share one head of keys and values: G = H is multi-head attention, G = 1 multi-query
    attention (Shazeer 2019, arXiv:1911.02150).

    Why: to decode a token, the keys and values of all earlier ones are read from memory, and that read is what takes
    the time. Sharing them makes the cache H / G times smaller and costs little accuracy.

    Args:
        embed_dim, num_heads, bias, dropout, kdim, vdim, device, dtype: see `MultiHeadAttention`.
        num_kv_heads: G, heads of keys and values; a divisor of num_heads.

    Ainslie et al. 2023, section 2.2.

    Example:
        >>> layer = GroupedQueryAttention(64, 8, num_kv_heads=2)
        >>> layer(torch.randn(2, 10, 64)).shape, layer.k_proj.weight.shape
        (torch.Size([2, 10, 64]), torch.Size([16, 64]))
    """

    def forward(
        self,
        query: Float[Tensor, "B T E"],
        key: Float[Tensor, "B S kdim"] | None = None,
        value: Float[Tensor, "B S vdim"] | None = None,
        mask: Mask | None = None,
        is_causal: bool = False,
        rotary: Rotary | None = None,
        cache: KVCache | None = None,
        need_weights: bool = False,
    ) -> Float[Tensor, "B T E"] | tuple[Float[Tensor, "B T E"], Float[Tensor, "B H T n"]]:
        """Attend.

        Args:
            query: (B, T, E).
            key, value: (B, S, kdim) and (B, S, vdim); by default the query, and the key.
            mask: (T, S), (B, 1, T, S), (B, 1, 1, S) or (B, H, T, S): True = may attend, or a float to add.
            is_causal: each query attends to its own position and earlier ones only.
            rotary: rotates queries and keys; a `RotaryEncoding` of D features, shared between layers.
            cache: a `KVCache` (B, G, L, D). The keys are then all n so far, S = n in the mask, and positions continue.
            need_weights: return (output, weights (B, H, T, S)).
        """
        key = query if key is None else key
        value = key if value is None else value
        q, k, v = self.split(query, key, value, rotary, cache)
        heads = scaled_dot_product_attention(
            q,
            k,
            v,
            mask,
            is_causal,
            self.dropout if self.training else 0.0,
            enable_gqa=self.num_kv_heads != self.num_heads,
            need_weights=need_weights,
        )
        if isinstance(heads, tuple):
            return self.join(heads[0]), heads[1]
        return self.join(heads)

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}, num_kv_heads={self.num_kv_heads}, dropout={self.dropout}"


@component(
    34,
    "several attention heads in parallel",
    paper="Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762",
    oracle="torch.nn.MultiheadAttention",
    example="MultiHeadAttention(64, 8)(torch.randn(1, 10, 64))",
)
class MultiHeadAttention(GroupedQueryAttention):
    """Concat(head_1, ..., head_H) W_O with head_h = Attention(Q W_Q^h, K W_K^h, V W_V^h)

    Why several heads: one softmax gives one mean of the values, and a token needs several at once, such as the subject
    of its verb and the word before it. H heads of E / H features cost as much as one of E.

    Args:
        embed_dim: E, of queries and of the output; divisible by num_heads.
        num_heads: H.
        bias: whether all four projections have one.
        dropout: the probability of dropping an attention weight, in training mode.
        kdim, vdim: the features of keys and of values; E by default.
        device, dtype: of the parameters.

    The call is `GroupedQueryAttention.forward`. A `torch.nn.MultiheadAttention` state loads as it is, and `torch_state`
    writes one. Vaswani et al. 2017, section 3.2.2.

    Example:
        >>> x = torch.randn(2, 10, 64)
        >>> output, weights = MultiHeadAttention(64, 8)(x, is_causal=True, need_weights=True)
        >>> output.shape, weights.shape
        (torch.Size([2, 10, 64]), torch.Size([2, 8, 10, 10]))

    Differs from PyTorch's layer, for which it is no drop-in:
    - It returns the output alone: write `out = layer(x)`, not `out, weights = layer(x, x, x)`. Weights are returned,
      for each head, with need_weights=True.
    - True in a boolean mask means that a query may attend to a key; in PyTorch, that it may not. `attn_mask=m` there is
      `mask=~m` here, and `key_padding_mask=p` is `mask=~p[:, None, None, :]`.
    - The batch is the first axis. A query without any key gets zeros before W_O, not NaN.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        bias: bool = True,
        dropout: float = 0.0,
        kdim: int | None = None,
        vdim: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(embed_dim, num_heads, num_heads, bias, dropout, kdim, vdim, device, dtype)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        packed = prefix + "in_proj_weight"  # PyTorch's, where all three read features of one size
        if packed in state_dict:
            for name, part in zip("qkv", state_dict.pop(packed).chunk(3)):
                state_dict[f"{prefix}{name}_proj.weight"] = part
        for name in "qkv":
            if f"{prefix}{name}_proj_weight" in state_dict:  # where they differ
                state_dict[f"{prefix}{name}_proj.weight"] = state_dict.pop(f"{prefix}{name}_proj_weight")
        if prefix + "in_proj_bias" in state_dict:
            for name, part in zip("qkv", state_dict.pop(prefix + "in_proj_bias").chunk(3)):
                state_dict[f"{prefix}{name}_proj.bias"] = part
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def extra_repr(self) -> str:
        return HeadProjections.extra_repr(self)


def check_sequences(name: str, x: Any, query: Tensor, features: int) -> None:
    """Raise the error of an input that is not (B, tokens, features)."""
    checks.rank(name, checks.floating(name, x), 3, layout="(B, tokens, features)")
    checks.size(name, x, 0, query.size(0), "samples, as query has")
    checks.size(name, x, 2, features, "features")


def torch_state(state: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the state of a MultiHeadAttention with the names and the layout of `torch.nn.MultiheadAttention`.

    Args:
        state: `layer.state_dict()`, or of a model that holds the layer at `prefix`; other entries are passed on.
        prefix: of the layer's entries, such as "encoder.attention.".
    """
    parts = {f"{prefix}{n}_proj.{what}" for n in "qkv" for what in ("weight", "bias")}
    result = {name: value for name, value in state.items() if name not in parts}
    weights = [state[f"{prefix}{n}_proj.weight"] for n in "qkv"]
    if len({weight.size(1) for weight in weights}) == 1:
        result[prefix + "in_proj_weight"] = torch.cat(weights)
    else:
        result.update({f"{prefix}{n}_proj_weight": weight for n, weight in zip("qkv", weights)})
    if f"{prefix}q_proj.bias" in state:
        result[prefix + "in_proj_bias"] = torch.cat([state[f"{prefix}{n}_proj.bias"] for n in "qkv"])
    return result
