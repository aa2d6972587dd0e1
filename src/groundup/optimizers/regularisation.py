"""Regularisation: penalties on weights, a bound on their norm, and clipping of gradients.

Legend: w a weight, g a gradient, λ `strength`, c a bound.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.backend import fused_by
from groundup.checks import probability, real, require
from groundup.kernels import optimizers as kernels

Parameters = Tensor | Iterable[Tensor]


def list_tensors(parameters: Parameters) -> list[Tensor]:
    """Return the parameters as a list; a tensor alone as a list of one."""
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


# --- penalties: scalars to add to a loss --------------------------------------------------------------------


def l1_penalty(parameters: Parameters, strength: float) -> Float[Tensor, ""]:
    """Return λ Σ |w|, to add to a loss.

    Why: its gradient is ±λ however small w is, so that weights that matter little become exactly 0 and drop out of the
    model. The gradient λw of `l2_penalty` fades with w, and leaves them small.

    Args:
        parameters: one tensor or several.
        strength: λ, at least 0.

    Tibshirani 1996, Regression Shrinkage and Selection via the Lasso.

    Example:
        >>> l1_penalty(torch.tensor([3.0, -4.0]), strength=0.1)
        tensor(0.7000)
    """
    return elastic_penalty(parameters, strength, l1_ratio=1.0)


def l2_penalty(parameters: Parameters, strength: float) -> Float[Tensor, ""]:
    """Return ½ λ Σ w², to add to a loss.

    Why: large weights cost most, so that the model prefers many small weights to a few large ones, and its output
    changes slowly with its input. Why ½: the gradient is λw, the same as `weight_decay=strength` in `SGD`.

    Args:
        parameters: one tensor or several.
        strength: λ, at least 0.

    Example:
        >>> l2_penalty(torch.tensor([3.0, -4.0]), strength=0.1)
        tensor(1.2500)
    """
    return elastic_penalty(parameters, strength, l1_ratio=0.0)


def elastic_penalty(parameters: Parameters, strength: float, l1_ratio: float = 0.5) -> Float[Tensor, ""]:
    """Return λ Σ (ρ|w| + ½ (1 - ρ) w²), to add to a loss.

    Why: of several features that say the same, `l1_penalty` keeps one at random; the second term makes them share the
    weight.

    Args:
        parameters: one tensor or several; none raises `ValueError`.
        strength: λ, at least 0.
        l1_ratio: ρ, in [0, 1].

    Zou and Hastie 2005, Regularization and Variable Selection via the Elastic Net, in scikit-learn's form.

    Example:
        >>> elastic_penalty(torch.tensor([3.0, -4.0]), strength=0.1, l1_ratio=0.5)
        tensor(0.9750)
    """
    strength, l1_ratio = real("strength", strength, 0.0), probability("l1_ratio", l1_ratio)
    weights = list_tensors(parameters)
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
    """Scale the incoming weights w of each unit to ‖w‖₂ ≤ c, in place; call it after each step.

    Why: with a hard bound a large learning rate cannot make weights explode, and small weights are not pulled to 0 as a
    penalty would. The paper uses it with dropout, whose noise makes gradients large.

    Args: parameters: one tensor or several. A unit is a row of axis 0, as in `Linear` and `Conv2d`; parameters with
        fewer than two axes (biases, norms) stay as they are.
        max_norm: c, at least 0; 3 to 4 in the paper.

    Srivastava et al. 2014, Dropout, section 5.1.

    Example:
        >>> weight = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
        >>> max_norm_(weight, 1.0)
        >>> weight
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    max_norm = real("max_norm", max_norm, 0.0)
    for weight in list_tensors(parameters):
        if weight.dim() >= 2:
            norm = weight.square().sum(dim=tuple(range(1, weight.dim())), keepdim=True).sqrt()
            weight.mul_(max_norm / norm.clamp(min=max(max_norm, torch.finfo(norm.dtype).tiny)))


# --- clipping: between backward and step --------------------------------------------------------------------


def list_gradients(parameters: Parameters) -> list[Tensor]:
    """Return the existing gradients as dense and real tensors that share memory with `.grad`."""
    found = []
    for parameter in list_tensors(parameters):
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
    """Scale all gradients by the same factor so that ‖g‖₂ ≤ c, in place; return ‖g‖₂ before.

    Why: at a cliff of the loss, as recurrent networks have them, one huge gradient would throw the parameters far away.
    One factor for all keeps the direction of the step.

    Args:
        parameters: one tensor or several. Those without a gradient are skipped; if none has one, the norm is 0.
        max_norm: c; inf only measures. `ValueError` if it is negative or NaN.

    Call it between `backward()` and `step()`. Pascanu et al. 2013, On the Difficulty of Training Recurrent Neural
    Networks, algorithm 1.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> weight.grad = torch.tensor([3.0, 4.0])
        >>> clip_by_global_norm_(weight, 1.0)
        tensor(5.)
        >>> weight.grad
        tensor([0.6000, 0.8000])
    """
    require(max_norm >= 0, f"max_norm must be at least 0 (inf to measure only), got {max_norm}")
    gradients = list_gradients(parameters)
    return scale_to_global_norm_(gradients, float(max_norm)) if gradients else torch.tensor(0.0)


@torch.no_grad()
def clip_by_value_(parameters: Parameters, limit: float) -> None:
    """Clamp every element of every gradient to [-c, c], in place.

    Unlike `clip_by_global_norm_` it changes the direction of the step, but a single huge element does not shrink all
    others.

    Args:
        parameters: one tensor or several. Those without a gradient are skipped.
        limit: c, at least 0.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> weight.grad = torch.tensor([3.0, 0.5])
        >>> clip_by_value_(weight, 1.0)
        >>> weight.grad
        tensor([1.0000, 0.5000])
    """
    clamp_(list_gradients(parameters), real("limit", limit, 0.0))


@fused_by(kernels.scale_to_global_norm_)
def scale_to_global_norm_(tensors: list[Tensor], max_norm: float) -> Tensor:
    """g ← g · min(1, c / (‖g‖ + 10⁻⁶)), where ‖g‖² is the sum of g² over all tensors; return ‖g‖

    Args:
        tensors: the gradients, at least one.
        max_norm: c.

    10⁻⁶ avoids 0 / 0, as in PyTorch.
    """
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
    """g ← max(-c, min(c, g))

    Args:
        tensors: the gradients.
        limit: c.
    """
    for g in tensors:
        g.clamp_(-limit, limit)


def _wide(g: Tensor) -> Tensor:
    """Return g in float32 or wider: in half precision, squares overflow from 256 up."""
    return g.to(torch.promote_types(g.dtype, torch.float32))
