"""PyTorch's embedding kernels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from groundup import checks


def _explain(indices: Tensor, weight: Tensor) -> None:
    checks.indices("indices", indices, weight.size(0), "the rows of weight")


def embedding(
    indices: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    if max_norm is not None:  # before a row is changed
        _explain(indices, weight)
    try:
        return F.embedding(indices, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    except IndexError:  # the CPU kernel finds a wrong index by itself: to look beforehand would cost another pass
        _explain(indices, weight)
        raise
