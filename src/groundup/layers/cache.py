"""The keys and values of the tokens seen so far, kept so that decoding a token costs one token's work.

Legend: B batch, G key-value heads, D head features, L max_len, n tokens held, T tokens added.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.component import component


def product_dtype(x: Tensor) -> torch.dtype:
    """The type of what a linear layer makes of x: autocast's, where it is on."""
    kind = x.device.type
    cast = x.dtype in (torch.float32, torch.float16, torch.bfloat16) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if cast else x.dtype


@component(
    38,
    "stores the keys and values of past tokens",
    paper="Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762",
    oracle="transformers' DynamicCache",
)
class KVCache:
    """Keys and values (B, G, n, D) in memory for L tokens, taken once; n grows with every `update`.

    It belongs to the caller, who makes one for each layer and passes it to each call:

        cache = KVCache(batch_size, num_kv_heads, max_len, head_dim)
        y = attention(prompt, is_causal=True, cache=cache)          # any number of tokens at a time
        y = attention(next_token, is_causal=True, cache=cache)

    It keeps numbers, not graphs: no gradient flows through it, as decoding needs none.
    """

    def __init__(
        self,
        batch_size: int,
        num_kv_heads: int,
        max_len: int,
        head_dim: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.batch_size = checks.integer("batch_size", batch_size, 0)
        self.num_kv_heads = checks.integer("num_kv_heads", num_kv_heads)
        self.max_len = checks.integer("max_len", max_len)
        self.head_dim = checks.integer("head_dim", head_dim)
        shape = (batch_size, num_kv_heads, max_len, head_dim)
        self._keys = torch.zeros(shape, device=device, dtype=dtype)
        self._values = torch.zeros(shape, device=device, dtype=dtype)
        self._length = 0

    @property
    def length(self) -> int:
        """How many tokens it holds: the position of the next one."""
        return self._length

    def update(
        self, k: Float[Tensor, "B G T D"], v: Float[Tensor, "B G T D"]
    ) -> tuple[Float[Tensor, "B G n D"], Float[Tensor, "B G n D"]]:
        """Append T tokens in place, and return views of all keys and values so far.

        Raises ValueError past max_len, and for another batch size, number of heads, head size or type.
        """
        for name, x in (("k", k), ("v", v)):
            checks.rank(name, checks.floating(name, x), 4, layout="(B, heads, T, head_dim)")
            expected = (self.batch_size, self.num_kv_heads, k.size(2), self.head_dim)
            if tuple(x.shape) != expected:
                raise ValueError(
                    f"{name} must have shape {expected} (batch_size, num_kv_heads, T, head_dim), as this cache was "
                    f"made for, got {tuple(x.shape)}"
                )
            other = x.dtype != self._keys.dtype and not torch.is_autocast_enabled(x.device.type)  # which casts, as here
            if other or x.device != self._keys.device:
                raise ValueError(
                    f"{name} must be {self._keys.dtype} on {self._keys.device}, as this cache is, got {x.dtype} on "
                    f"{x.device}: make the cache with device= and dtype="
                )
        start, end = self._length, self._length + k.size(2)
        if end > self.max_len:
            raise ValueError(
                f"the cache is full: it holds {start} tokens of max_len={self.max_len} and was given {k.size(2)} "
                "more; make it with a larger max_len, or reset() it"
            )
        self._keys[:, :, start:end] = k.detach()
        self._values[:, :, start:end] = v.detach()
        self._length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def reset(self) -> None:
        """Forget every token; the memory stays."""
        self._length = 0

    def reorder(self, index: Int[Tensor, " N"]) -> None:
        """Row n becomes what row index[n] was: in beam search, the history of the hypothesis that row n continues.

        The batch is then of N rows; where N is what it was, the memory stays.
        """
        checks.rank("index", checks.tensor("index", index), 1, layout="(N,), a row of old for each row to be")
        if index.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"index must hold integers (int64 or int32), got {index.dtype}")
        n = self._length
        keys, values = (held[:, :, :n].index_select(0, index) for held in (self._keys, self._values))
        if len(index) != self.batch_size:
            self.batch_size = len(index)
            self._keys, self._values = (x.new_zeros(len(index), *x.shape[1:]) for x in (self._keys, self._values))
        self._keys[:, :, :n], self._values[:, :, :n] = keys, values

    def __repr__(self) -> str:
        b, g, l, d = self._keys.shape
        return f"KVCache({b}, {g}, {l}, {d}, length={self._length}, dtype={self._keys.dtype})"
