"""PyTorch's padding."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import refuses


def _refusal(x: Tensor, padding: tuple[int, int, int, int], mode: str = "zeros", value: float = 0.0) -> str | None:
    if mode != "zeros" and x.dim() not in (3, 4):
        return f'mode "{mode}" for {x.dim()} axes'
    if mode != "zeros" and x.numel() == 0:
        return f'mode "{mode}" for an empty batch'
    return None


@refuses(_refusal)
def pad2d(x: Tensor, padding: tuple[int, int, int, int], mode: str = "zeros", value: float = 0.0) -> Tensor:
    top, bottom, left, right = padding
    if mode == "zeros":
        return F.pad(x, (left, right, top, bottom), value=value)
    return F.pad(x, (left, right, top, bottom), mode=mode)
