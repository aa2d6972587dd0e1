"""The cache of the keys and values of past tokens.

Legend: B batch, G key-value heads, D head features, L max_len, n tokens held, T tokens added.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.component import component


def product_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of what a linear layer makes of x: autocast's, where autocast is on."""
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
    """Keys and values (B, G, n, D) of the n tokens so far; n grows with every `update`

    Why: the keys and values of past tokens do not change when a token is added. Without a cache, decoding n tokens
    computes all of them again for each: n² / 2 tokens of work in place of n.

    Args:
        batch_size: B.
        num_kv_heads: G.
        max_len: L; the memory for L tokens is allocated at once.
        head_dim: D.
        device, dtype: of the memory.

    The cache belongs to the caller, who makes one per layer and passes it to each call:

        cache = KVCache(batch_size, num_kv_heads, max_len, head_dim)
        y = attention(prompt, is_causal=True, cache=cache)          # any number of tokens at a time
        y = attention(next_token, is_causal=True, cache=cache)

    Keys and values are stored without their graph, so that no gradient flows through the cache; decoding needs none.

    Example:
        >>> cache = KVCache(batch_size=1, num_kv_heads=2, max_len=8, head_dim=4)
        >>> keys, values = cache.update(torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4))
        >>> keys.shape, cache.length
        (torch.Size([1, 2, 3, 4]), 3)
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
        """The number of tokens held, which is the position of the next one."""
        return self._length

    def update(
        self, k: Float[Tensor, "B G T D"], v: Float[Tensor, "B G T D"]
    ) -> tuple[Float[Tensor, "B G n D"], Float[Tensor, "B G n D"]]:
        """Append T tokens in place, and return views of all keys and values so far.

        Args:
            k, v: the keys and values of the new tokens.

        Raises:
            ValueError: there is no room for T more tokens, or batch size, number of heads, head size, dtype or device
                differ from the cache's.
        """
        for name, x in (("k", k), ("v", v)):
            if not (isinstance(x, Tensor) and x.is_floating_point() and x.dim() == 4):
                checks.rank(name, checks.floating(name, x), 4, layout="(B, heads, T, head_dim)")
            expected = (self.batch_size, self.num_kv_heads, k.size(2), self.head_dim)
            if tuple(x.shape) != expected:
                raise ValueError(
                    f"{name} must have shape {expected} (batch_size, num_kv_heads, T, head_dim), as this cache was "
                    f"made for, got {tuple(x.shape)}"
                )
            other = x.dtype != self._keys.dtype and not torch.is_autocast_enabled(x.device.type)
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
        """Forget all tokens; the memory stays allocated."""
        self._length = 0

    def reorder(self, index: Int[Tensor, " N"]) -> None:
        """Replace row i by row index[i]: in beam search, each hypothesis gets the history of the one that it continues.

        Args:
            index: N row numbers. The batch size becomes N; memory is allocated only if N differs from it.
        """
        checks.rank("index", checks.tensor("index", index), 1, layout="(N,), one row number for each row")
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
