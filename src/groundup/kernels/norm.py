"""PyTorch's normalisation kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup import checks
from groundup.kernels.support import refuses

batch_norm, layer_norm = F.batch_norm, F.layer_norm


@refuses(lambda call: None if call.partial == 1 else f"partial={call.partial}")
def rms_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    partial: float = 1.0,
) -> Tensor:
    return F.rms_norm(x, list(normalized_shape), weight, eps)


def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    a = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    if checks.is_transformed() or torch.jit.is_tracing():  # neither supports _ResponseNorm
        return (_inhibition(a, size, alpha, k).pow(-beta) * a).to(x.dtype)
    return _ResponseNorm.apply(a, size, alpha, beta, k).to(x.dtype)


class _ResponseNorm(torch.autograd.Function):
    """Sums over channels by shifted copies: faster than PyTorch, which uses three-dimensional pooling.

    With s_i = k + α/n Σ_j a_j²: ∂/∂a_i = g_i s_i^-β - 2αβ/n a_i Σ_j g_j a_j s_j^(-β-1), over the j whose window
    contains i. Only `a` is kept for the backward pass, which computes s again.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        ctx.save_for_backward(a)
        ctx.how = size, alpha, beta, k
        return _inhibition(a, size, alpha, k).pow_(-beta).mul_(a)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (a,), (size, alpha, beta, k) = ctx.saved_tensors, ctx.how
        s = _inhibition(a, size, alpha, k)
        direct = g * s**-beta
        inhibited = _window_sum(direct * a / s, (size - 1) // 2, size // 2)
        return direct - 2 * alpha * beta / size * a * inhibited, None, None, None, None


def _inhibition(a: Tensor, size: int, alpha: float, k: float) -> Tensor:
    """Return s_i = k + α/n Σ_j a_j²."""
    return _window_sum(a * a, size // 2, (size - 1) // 2) * (alpha / size) + k


def _window_sum(x: Tensor, before: int, after: int) -> Tensor:
    """Return Σ_j x_j over the channels j from i - before to i + after."""
    total, channels = x.clone(), x.size(1)
    for shift in range(1, min(before, channels - 1) + 1):
        total[:, shift:] += x[:, :-shift]
    for shift in range(1, min(after, channels - 1) + 1):
        total[:, :-shift] += x[:, shift:]
    return total
