"""Penalties on weights, a constraint on their norm, and clipping of gradients."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.backend import fused_by
from groundup.checks import probability, real, require
from groundup.kernels import optimizers as kernels

Parameters = Tensor | Iterable[Tensor]


def _listed(parameters: Parameters) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


# --- penalties: scalars to add to a loss --------------------------------------------------------------------


def l1_penalty(parameters: Parameters, strength: float) -> Float[Tensor, ""]:
    """λ Σ|w|: drives weights to exactly zero (Tibshirani 1996, the lasso)."""
    return elastic_penalty(parameters, strength, l1_ratio=1.0)


def l2_penalty(parameters: Parameters, strength: float) -> Float[Tensor, ""]:
    """½ λ Σw²: its gradient is λw, so that it equals `weight_decay=strength` in `SGD`."""
    return elastic_penalty(parameters, strength, l1_ratio=0.0)


def elastic_penalty(parameters: Parameters, strength: float, l1_ratio: float = 0.5) -> Float[Tensor, ""]:
    """λ Σ (ρ|w| + ½(1-ρ) w²), ρ = `l1_ratio` (Zou & Hastie 2005, the elastic net, in scikit-learn's form)."""
    strength, l1_ratio = real("strength", strength, 0.0), probability("l1_ratio", l1_ratio)
    weights = _listed(parameters)
    require(len(weights) > 0, "parameters is empty: there is nothing to penalise")
    total = weights[0].new_zeros(())
    for w in weights:
        if l1_ratio > 0:
            total = total + l1_ratio * w.abs().sum()
        if l1_ratio < 1:
            total = total + 0.5 * (1 - l1_ratio) * w.square().sum()
    return strength * total


# --- constraint: after a step -------------------------------------------------------------------------------


@torch.no_grad()
def max_norm_(parameters: Parameters, max_norm: float) -> None:
    """Scale each unit's incoming weights w back to ‖w‖₂ ≤ c, in place (Srivastava et al. 2014, section 5.1).

    A unit is a row of axis 0, as in Linear and Conv2d: (out, in, ...). Parameters with fewer than two axes
    (biases, norms) have no incoming vectors and are left alone, so `max_norm_(model.parameters(), 3.0)` is fine.
    """
    max_norm = real("max_norm", max_norm, 0.0)
    for weight in _listed(parameters):
        if weight.dim() >= 2:
            norm = weight.square().sum(dim=tuple(range(1, weight.dim())), keepdim=True).sqrt()
            weight.mul_(max_norm / norm.clamp(min=max(max_norm, torch.finfo(norm.dtype).tiny)))


# --- clipping: between backward and step --------------------------------------------------------------------


def _gradients(parameters: Parameters) -> list[Tensor]:
    """What there is of gradients, as real and dense tensors that share memory with `.grad`."""
    found = []
    for parameter in _listed(parameters):
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            gradient = parameter.grad.values()
        else:
            gradient = parameter.grad
        found.append(torch.view_as_real(gradient) if gradient.is_complex() else gradient)
    return found


@torch.no_grad()
def clip_by_global_norm_(parameters: Parameters, max_norm: float) -> Float[Tensor, ""]:
    """Scale all gradients together so that ‖g‖₂ ≤ `max_norm`; returns ‖g‖₂ before (Pascanu et al. 2013, alg. 1).

    Parameters without gradients are skipped; with none at all the norm is 0. `max_norm=inf` only measures.
    Raises `ValueError` for a negative or NaN `max_norm`.
    """
    require(max_norm >= 0, f"max_norm must be at least 0 (inf to measure only), got {max_norm}")
    gradients = _gradients(parameters)
    return scale_to_global_norm_(gradients, float(max_norm)) if gradients else torch.tensor(0.0)


@torch.no_grad()
def clip_by_value_(parameters: Parameters, limit: float) -> None:
    """Clamp every element of every gradient to [-`limit`, `limit`], in place."""
    clamp_(_gradients(parameters), real("limit", limit, 0.0))


@fused_by(kernels.scale_to_global_norm_)
def scale_to_global_norm_(tensors: list[Tensor], max_norm: float) -> Tensor:
    """g ← g · min(1, c / (‖g‖ + 10⁻⁶)), where ‖g‖² = Σ over all tensors of Σ g²; returns ‖g‖."""
    squares = [_wide(g).square().sum().to(tensors[0].device) for g in tensors]
    norm = torch.stack(squares).sum().sqrt()
    if max_norm == torch.inf:
        return norm
    scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for g in tensors:
        g.mul_(scale.to(g.device))
    return norm


@fused_by(kernels.clamp_)
def clamp_(tensors: list[Tensor], limit: float) -> None:
    """g ← max(-c, min(c, g))."""
    for g in tensors:
        g.clamp_(-limit, limit)


def _wide(g: Tensor) -> Tensor:
    """Squares of half-precision gradients overflow from 256 up; sums are taken in float32 or wider."""
    return g.to(torch.promote_types(g.dtype, torch.float32))
