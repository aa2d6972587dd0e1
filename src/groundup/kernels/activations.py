"""PyTorch's elementwise kernels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NAMES: dict[Any, str] = {
    F.relu: "relu",
    torch.relu: "relu",
    nn.ReLU: "relu",
    F.gelu: "gelu",
    nn.GELU: "gelu",
    F.silu: "silu",
    nn.SiLU: "silu",
}


def name_of(activation: Any) -> Any:
    """Our name of an activation of PyTorch's, a function or a layer; anything else as it came."""
    if not callable(activation):
        return activation
    if isinstance(activation, nn.GELU) and activation.approximate == "tanh":
        return "gelu_tanh"
    return _NAMES.get(type(activation) if isinstance(activation, nn.Module) else activation, activation)


def relu(x: Tensor, inplace: bool = False) -> Tensor:
    return torch.relu_(x) if inplace else torch.relu(x)


def softplus(x: Tensor) -> Tensor:
    # The kernel becomes linear above a threshold; at 40 the difference is below the rounding of float64.
    return F.softplus(x, threshold=40.0)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    return F.gelu(x, approximate=approximate)


sigmoid, tanh, logsigmoid, silu, glu = torch.sigmoid, torch.tanh, F.logsigmoid, F.silu, F.glu
