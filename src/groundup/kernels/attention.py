"""PyTorch's attention kernels (flash attention on a CPU; flash, memory-efficient or cuDNN attention on a GPU)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import refuses


@refuses(lambda call: "need_weights=True: it never stores the weights" if call.need_weights else None)
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    scale: float | None = None,
    enable_gqa: bool = False,
    need_weights: bool = False,
) -> Tensor:
    if mask is not None and mask.is_floating_point():
        mask = mask.to(query.dtype)
    if is_causal and (mask is not None or query.size(-2) != key.size(-2)):
        # The kernel's is_causal aligns the first query with the first key, and takes no mask.
        mask, is_causal = _with_causality(mask, query.size(-2), key.size(-2), query.device), False
    nowhere = None
    if mask is not None and query.device.type != "cpu":
        # On a CPU a query without a key gets zeros and no gradient; other kernels do not promise that.
        mask, nowhere = _without_empty_rows(mask)

    if query.dim() == 4:
        y = F.scaled_dot_product_attention(
            query, key, value, mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    else:
        if mask is not None and mask.dim() > 4 and any(size != 1 for size in mask.shape[:-3]):
            mask = mask.expand(*query.shape[:-3], *mask.shape[-3:])
        y = F.scaled_dot_product_attention(
            _four_axes(query),
            _four_axes(key),
            _four_axes(value),
            mask if mask is None or mask.dim() == 2 else _four_axes(mask),
            dropout_p,
            is_causal,
            scale=scale,
            enable_gqa=enable_gqa,
        ).view(*query.shape[:-1], value.size(-1))
    return y if nowhere is None else y.masked_fill(nowhere, 0)


def _with_causality(mask: Tensor | None, queries: int, keys: int, device: torch.device) -> Tensor | None:
    """Return `mask` restricted to keys at or before the query's position; the last query is at the position of the last
    key.
    """
    if queries == 1:
        return mask  # it sees every key
    past = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
    if mask is None:
        return past
    return mask & past if mask.dtype == torch.bool else torch.where(past, mask, -torch.inf)


def _without_empty_rows(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mask with rows that allow nothing allowing everything, and which rows these are."""
    if mask.dtype == torch.bool:
        nowhere = ~mask.any(-1, keepdim=True)
        return mask | nowhere, nowhere
    nowhere = (mask == -torch.inf).all(-1, keepdim=True)
    return torch.where(nowhere, 0, mask), nowhere


def _four_axes(x: Tensor) -> Tensor:
    """Fold or add leading axes, so that x is (batch, heads, tokens, features), as the kernels take it."""
    return x.flatten(0, x.dim() - 4) if x.dim() > 4 else x[(None,) * (4 - x.dim())]
