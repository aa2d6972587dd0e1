"""PyTorch's dropout: mask, scale and product in one pass on a GPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import refuses


def _refusal(
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> str | None:
    return "a generator of its own" if generator is not None else None


@refuses(_refusal)
def dropout(
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    return F.dropout(x, p, training, inplace) if training and p > 0 else x
