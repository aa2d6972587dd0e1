"""PyTorch's elementwise kernels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def relu(x: Tensor, inplace: bool = False) -> Tensor:
    return torch.relu_(x) if inplace else torch.relu(x)


def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


def tanh(x: Tensor) -> Tensor:
    return torch.tanh(x)


def softplus(x: Tensor) -> Tensor:
    # The kernel turns linear past a threshold; at 40 the difference is below float64's rounding.
    return F.softplus(x, threshold=40.0)


def logsigmoid(x: Tensor) -> Tensor:
    return F.logsigmoid(x)


def silu(x: Tensor) -> Tensor:
    return F.silu(x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    return F.gelu(x, approximate=approximate)


def glu(x: Tensor, dim: int = -1) -> Tensor:
    return F.glu(x, dim)
