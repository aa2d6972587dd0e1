"""PyTorch's normalisation kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.fused.support import refuses


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    return F.layer_norm(x, list(normalized_shape), weight, bias, eps)


def _rms_refusal(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    partial: float = 1.0,
) -> str | None:
    return None if partial == 1 else f"partial={partial}"


@refuses(_rms_refusal)
def rms_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    partial: float = 1.0,
) -> Tensor:
    return F.rms_norm(x, list(normalized_shape), weight, eps)


def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    # PyTorch's own goes through three-dimensional pooling; shifted copies, added up, take a third of the time.
    a = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    channels = a.size(1)
    squares = F.pad(a * a, (0, 0) * (a.dim() - 2) + (size // 2, (size - 1) // 2))
    total = squares[:, :channels].clone()
    for shift in range(1, size):
        total += squares[:, shift : shift + channels]
    return (a / total.mul_(alpha / size).add_(k) ** beta).to(x.dtype)
