"""A rotation in three passes over the features, not ten: x ⊗ cos + partners of x ⊗ (∓ sin)."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False) -> Tensor:
    if interleaved:
        partners = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        cos, sin = (torch.stack(pair, -1).flatten(-2) for pair in ((cos, cos), (-sin, sin)))
    else:
        partners = x.roll(x.size(-1) // 2, -1)
        cos, sin = torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)
    return torch.addcmul(x * cos, partners, sin).to(x.dtype)
