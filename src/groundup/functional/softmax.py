"""Softmax and its logarithm, stable for any finite scores, and defined where everything is masked.

Legend: x_i the scores along `dim`, m = max_i x_i.

Why m: exp(89) overflows float32. Subtracting the same number from every score changes nothing in exp(x_i) / Σ exp(x_j),
and with the maximum subtracted every exponent is at most 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from groundup.backend import fused_by
from groundup.functional.precision import widen
from groundup.kernels import elementwise as kernels
from groundup.rules import elementwise as rules

Mask = Bool[Tensor, "..."]


@fused_by(kernels.softmax, rules.softmax)
def softmax(x: Float[Tensor, "*shape"], dim: int = -1, mask: Mask | None = None) -> Float[Tensor, "*shape"]:
    """softmax(x)_i = exp(x_i - m) / Σ_j exp(x_j - m): scores as probabilities, positive and with sum 1.

    Args:
        x: the scores.
        dim: the axis that sums to 1.
        mask: True = take part; must broadcast to x. A score that is masked, or -inf, gets exactly 0 and no gradient.

    Differs from PyTorch: a slice with nothing left gives zeros, as attention needs, where PyTorch gives NaN.

    Example:
        >>> softmax(torch.tensor([0.0, 0.0, 1e4]), mask=torch.tensor([True, True, False]))
        tensor([0.5000, 0.5000, 0.0000])
    """
    if mask is not None:
        x = torch.where(mask, x, -torch.inf)
    e = torch.exp(widen(x) - maximum(x, dim))
    total = e.sum(dim, keepdim=True)
    return (e / torch.where(total == 0, 1, total)).to(x.dtype)


@fused_by(kernels.log_softmax, rules.softmax)
def log_softmax(x: Float[Tensor, "*shape"], dim: int = -1, mask: Mask | None = None) -> Float[Tensor, "*shape"]:
    """log softmax(x)_i = x_i - m - log Σ_j exp(x_j - m).

    Why not log(softmax(x)): a probability of 1e-50 rounds to 0 in float32, and its logarithm to -inf.

    Args:
        x, dim, mask: see `softmax`. A masked score gives -inf; a slice with nothing left is all -inf, with no gradient.

    Example:
        >>> log_softmax(torch.tensor([0.0, -1000.0]))
        tensor([    0., -1000.])
    """
    if mask is not None:
        x = torch.where(mask, x, -torch.inf)
    shifted = widen(x) - maximum(x, dim)
    total = torch.exp(shifted).sum(dim, keepdim=True)
    return (shifted - torch.log(torch.where(total == 0, 1, total))).to(x.dtype)


@fused_by(kernels.logsumexp, rules.softmax)
def logsumexp(x: Float[Tensor, "*shape"], dim: int = -1, mask: Mask | None = None) -> Float[Tensor, "..."]:
    """log Σ_i exp(x_i) = m + log Σ_i exp(x_i - m): a smooth maximum, whose gradient is the softmax.

    Args:
        x, dim, mask: see `softmax`; `dim` is reduced. The result is -inf where nothing is left.

    Example:
        >>> logsumexp(torch.tensor([1000.0, 1000.0]))
        tensor(1000.6932)
    """
    if mask is not None:
        x = torch.where(mask, x, -torch.inf)
    m = maximum(x, dim)
    total = torch.exp(widen(x) - m).sum(dim)
    empty = total == 0
    log_total = torch.log(torch.where(empty, 1, total))
    return torch.where(empty, -torch.inf, m.squeeze(dim) + log_total).to(x.dtype)


def maximum(x: Float[Tensor, "*shape"], dim: int) -> Float[Tensor, "..."]:
    """Return m, detached, because no result depends on it; 0 where all of x is -inf."""
    m = x.detach().amax(dim, keepdim=True)
    return torch.where(m == -torch.inf, 0, m)
