"""PyTorch's padding."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import refuses


def _refusal(call: Any) -> str | None:
    if call.mode != "zeros" and call.x.dim() not in (3, 4):
        return f'mode "{call.mode}" for {call.x.dim()} axes'
    if call.mode != "zeros" and call.x.numel() == 0:
        return f'mode "{call.mode}" for an empty batch'
    return None


@refuses(_refusal)
def pad2d(x: Tensor, padding: tuple[int, int, int, int], mode: str = "zeros", value: float = 0.0) -> Tensor:
    top, bottom, left, right = padding
    if mode == "zeros":
        return F.pad(x, (left, right, top, bottom), value=value)
    return F.pad(x, (left, right, top, bottom), mode=mode)
