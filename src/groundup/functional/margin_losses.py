"""Losses of the margin: how far a score is on the right side. The shallow classifiers are told apart by nothing else.

Two classes: the margin is y z, of a score z and a label y in {-1, +1}. Several: z_y - z_c, from the right class to
another one.

Legend: N samples, C classes, z scores, y targets.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.activations import relu, softplus
from groundup.functional.losses import REDUCTIONS, Reduction, reduced
from groundup.kernels import losses as kernels

# ---- two classes -----------------------------------------------------------------------------------------------


def _margin(scores: Tensor, target: Tensor, reduction: str) -> Tensor:
    """y z, of scores and labels that were checked."""
    checks.floating("scores", scores)
    checks.choice("reduction", reduction, REDUCTIONS)
    if scores.shape != target.shape:
        raise ValueError(
            f"target must have scores' shape {tuple(scores.shape)}, got {tuple(target.shape)}; reshape one of them"
        )
    return checks.signs("target", target) * scores


def perceptron_loss(
    scores: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"] | Int[Tensor, "*shape"],
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """max(0, -y z): only mistakes cost, by how wrong they are.

    y z = 0 is a mistake, as in the perceptron's rule: its gradient is -y, so that weights of zero learn.
    Rosenblatt 1958, The Perceptron; as a loss: Duda and Hart 1973, section 5.5.
    """
    margin = _margin(scores, target, reduction)
    return reduced(torch.where(margin <= 0, -margin, 0), reduction)


def hinge_loss(
    scores: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"] | Int[Tensor, "*shape"],
    margin: float = 1.0,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """max(0, margin - y z) for labels y in {-1, +1}. Cortes and Vapnik 1995, Support-Vector Networks."""
    return reduced(relu(margin - _margin(scores, target, reduction)), reduction)


def logistic_loss(
    scores: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"] | Int[Tensor, "*shape"],
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """-log σ(y z) = log(1 + exp(-y z)), finite for any finite z. Cox 1958, The Regression Analysis of Binary Sequences.

    It is `binary_cross_entropy_with_logits` for labels in {-1, +1}.
    """
    return reduced(softplus(-_margin(scores, target, reduction)), reduction)


# ---- several classes -------------------------------------------------------------------------------------------


def _check_classes(scores: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> None:
    checks.rank("scores", checks.floating("scores", scores), 2, layout="(N, C)")
    checks.choice("reduction", reduction, REDUCTIONS)
    checks.real("margin", margin, 0.0)
    if target.dtype != torch.int64:
        raise TypeError(f"target must hold int64 class indices, got {target.dtype}; use target.long()")
    if target.shape != scores.shape[:1]:
        raise ValueError(
            f"target must have shape ({scores.size(0)},), one class index a sample, got {tuple(target.shape)}"
        )
    checks.labels("target", target, scores.size(1))


def multiclass_perceptron_loss(
    scores: Float[Tensor, "N C"], target: Int[Tensor, " N"], reduction: Reduction = "mean"
) -> Float[Tensor, "..."]:
    """max_c z_c - z_y: zero exactly where no class scores higher than the right one.

    Classes that tie for the maximum share its gradient. Duda and Hart 1973, chapter 5, after Kesler.
    """
    _check_classes(scores, target, reduction=reduction)
    return reduced(scores.amax(1) - _own(scores, target), reduction)


@fused_by(kernels.weston_watkins_loss, check=_check_classes)
def weston_watkins_loss(
    scores: Float[Tensor, "N C"], target: Int[Tensor, " N"], margin: float = 1.0, reduction: Reduction = "mean"
) -> Float[Tensor, "..."]:
    """Σ_{c≠y} max(0, margin + z_c - z_y): every class that comes too near costs.

    Weston and Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition, where the margin is 2.
    Differs from PyTorch's `multi_margin_loss`: the sum is not divided by the number of classes.
    """
    hinges = relu(margin + scores - _own(scores, target)[:, None])
    return reduced(hinges.masked_fill(_is_own(scores, target), 0).sum(1), reduction)


def crammer_singer_loss(
    scores: Float[Tensor, "N C"], target: Int[Tensor, " N"], margin: float = 1.0, reduction: Reduction = "mean"
) -> Float[Tensor, "..."]:
    """max_c (z_c + margin [c≠y]) - z_y: only the class that comes nearest costs.

    Crammer and Singer 2001, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines.
    """
    _check_classes(scores, target, margin, reduction)
    raised = scores + margin * (~_is_own(scores, target)).to(scores.dtype)
    return reduced(raised.amax(1) - _own(scores, target), reduction)


def _own(scores: Tensor, target: Tensor) -> Tensor:
    """(N,) z_y."""
    return scores.gather(1, target[:, None])[:, 0]


def _is_own(scores: Tensor, target: Tensor) -> Tensor:
    """(N, C) whether c = y."""
    return torch.arange(scores.size(1), device=scores.device) == target[:, None]
