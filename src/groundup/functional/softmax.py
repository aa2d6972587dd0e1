"""Softmax and its logarithm, stable for any finite scores, and defined where everything is masked.

Legend: x_i the scores along `dim`, m = max_i x_i.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import softmax as kernels


def _check(x: Tensor, dim: int = -1, mask: Tensor | None = None) -> None:
    checks.floating("x", x)
    if not -max(x.dim(), 1) <= dim < max(x.dim(), 1):
        raise ValueError(f"dim must lie in [{-x.dim()}, {x.dim() - 1}] for shape {tuple(x.shape)}, got {dim}")
    if mask is not None:
        if mask.dtype != torch.bool:
            raise TypeError(f"mask must be boolean (True = take part), got {mask.dtype}")
        shape = tuple(mask.shape)
        if len(shape) > x.dim() or any(m not in (1, s) for m, s in zip(shape[::-1], tuple(x.shape)[::-1])):
            raise ValueError(f"mask must broadcast to x's shape {tuple(x.shape)}, got {shape}")


def _shift(x: Tensor, dim: int) -> Tensor:
    """m, detached: the result does not depend on it, it only keeps exp in range. 0 where all of x is -inf."""
    m = x.detach().amax(dim, keepdim=True)
    return torch.where(m == -torch.inf, 0, m)


@fused_by(kernels.softmax, check=_check)
def softmax(
    x: Float[Tensor, "*shape"], dim: int = -1, mask: Bool[Tensor, "..."] | None = None
) -> Float[Tensor, "*shape"]:
    """softmax(x)_i = exp(x_i - m) / Σ_j exp(x_j - m).

    `mask` (True = take part) must broadcast to `x`. What is masked, or -inf, gets exactly 0 and no gradient.
    Differs from PyTorch: a slice with nothing left gives zeros, as attention wants, where PyTorch gives NaN.
    """
    if mask is not None:
        x = torch.where(mask, x, -torch.inf)
    e = torch.exp(_as_wide(x) - _shift(x, dim))
    total = e.sum(dim, keepdim=True)
    return (e / torch.where(total == 0, 1, total)).to(x.dtype)


@fused_by(kernels.log_softmax, check=_check)
def log_softmax(
    x: Float[Tensor, "*shape"], dim: int = -1, mask: Bool[Tensor, "..."] | None = None
) -> Float[Tensor, "*shape"]:
    """log softmax(x)_i = x_i - m - log Σ_j exp(x_j - m): never log(softmax(x)), which is -inf too early.

    What is masked is -inf; a slice with nothing left is all -inf, with no gradient.
    """
    if mask is not None:
        x = torch.where(mask, x, -torch.inf)
    shifted = _as_wide(x) - _shift(x, dim)
    total = torch.exp(shifted).sum(dim, keepdim=True)
    return (shifted - torch.log(torch.where(total == 0, 1, total))).to(x.dtype)


@fused_by(kernels.logsumexp, check=_check)
def logsumexp(
    x: Float[Tensor, "*shape"], dim: int = -1, mask: Bool[Tensor, "..."] | None = None
) -> Float[Tensor, "..."]:
    """log Σ_i exp(x_i) = m + log Σ_i exp(x_i - m), with `dim` reduced; -inf where nothing is left."""
    if mask is not None:
        x = torch.where(mask, x, -torch.inf)
    m = _shift(x, dim)
    total = torch.exp(_as_wide(x) - m).sum(dim)
    empty = total == 0
    log_total = torch.log(torch.where(empty, 1, total))
    return torch.where(empty, -torch.inf, m.squeeze(dim) + log_total).to(x.dtype)


def _as_wide(x: Tensor) -> Tensor:
    """Sums of half-precision numbers are kept in float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
