"""PyTorch's dropout: mask, scale and product in one pass on a GPU."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import refuses


@refuses(lambda call: "a generator of its own" if call.generator is not None else None)
def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, generator: None = None) -> Tensor:
    return F.dropout(x, p, training, inplace) if training and p > 0 else x
