"""Losses of the margin: how far a score is on the right side. The shallow classifiers differ in nothing else.

Two classes: the margin is y z, of a score z and a label y in {-1, +1}. Several: z_y - z_c, from the right class to
another one.

Legend: N samples, C classes, z scores, y targets.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup.backend import checked, fused_by
from groundup.functional.activations import relu, softplus
from groundup.functional.losses import Loss, Reduction, reduce_loss
from groundup.kernels import losses as kernels
from groundup.rules import losses as rules

Scores = Float[Tensor, "*shape"]
Signs = Float[Tensor, "*shape"] | Int[Tensor, "*shape"]
ClassScores = Float[Tensor, "N C"]
Labels = Int[Tensor, " N"]

# ---- two classes -----------------------------------------------------------------------------------------------


@checked(rules.margin, values=rules.signs)
def perceptron_loss(scores: Scores, target: Signs, reduction: Reduction = "mean") -> Loss:
    """max(0, -y z): only mistakes cost, in proportion to how wrong they are.

    y z = 0 is a mistake, as in the perceptron's rule: its gradient is -y, so that weights of zero learn.

    Args:
        scores: z.
        target: y, -1 or +1.
        reduction: "mean", "sum" or "none".

    Rosenblatt 1958, The Perceptron; as a loss: Duda and Hart 1973, section 5.5.

    Example:
        >>> perceptron_loss(torch.tensor([2.0, -3.0]), torch.tensor([1, 1]), reduction="none")
        tensor([0., 3.])
    """
    margin = target * scores
    return reduce_loss(torch.where(margin <= 0, -margin, 0), reduction)


@checked(rules.margin, values=rules.signs)
def hinge_loss(scores: Scores, target: Signs, margin: float = 1.0, reduction: Reduction = "mean") -> Loss:
    """max(0, margin - y z): also what is right costs, if it is right by less than the margin.

    Why: many hyperplanes separate the classes; the widest margin is the one that noise in a new sample is least likely
    to cross.

    Args:
        scores: z.
        target: y, -1 or +1.
        margin: the distance below which a right score costs.
        reduction: "mean", "sum" or "none".

    Cortes and Vapnik 1995, Support-Vector Networks.

    Example:
        >>> hinge_loss(torch.tensor([0.5, 2.0]), torch.tensor([1, 1]), reduction="none")
        tensor([0.5000, 0.0000])
    """
    return reduce_loss(relu(margin - target * scores), reduction)


@checked(rules.margin, values=rules.signs)
def logistic_loss(scores: Scores, target: Signs, reduction: Reduction = "mean") -> Loss:
    """-log σ(y z) = log(1 + exp(-y z)), finite for any finite z.

    It is `binary_cross_entropy_with_logits` for labels in {-1, +1}.

    Args:
        scores: z, the logarithm of the odds of +1.
        target: y, -1 or +1.
        reduction: "mean", "sum" or "none".

    Cox 1958, The Regression Analysis of Binary Sequences.

    Example:
        >>> logistic_loss(torch.tensor([0.0]), torch.tensor([1]))
        tensor(0.6931)
    """
    return reduce_loss(softplus(-(target * scores)), reduction)


# ---- several classes -------------------------------------------------------------------------------------------


@checked(rules.class_margin, values=rules.labels)
def multiclass_perceptron_loss(scores: ClassScores, target: Labels, reduction: Reduction = "mean") -> Loss:
    """max_c z_c - z_y: zero exactly where no class scores higher than the right one.

    Classes that tie for the maximum share its gradient.

    Args:
        scores: z.
        target: y, int64 class indices.
        reduction: "mean", "sum" or "none".

    Duda and Hart 1973, chapter 5, after Kesler.

    Example:
        >>> multiclass_perceptron_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([0]))
        tensor(2.)
    """
    return reduce_loss(scores.amax(1) - own_scores(scores, target), reduction)


@fused_by(kernels.weston_watkins_loss, rules.class_margin, values=rules.labels)
def weston_watkins_loss(
    scores: ClassScores, target: Labels, margin: float = 1.0, reduction: Reduction = "mean"
) -> Loss:
    """Σ_{c≠y} max(0, margin + z_c - z_y): every class that comes within the margin costs.

    Args:
        scores: z.
        target: y, int64 class indices.
        margin: at least 0; the paper's is 2.
        reduction: "mean", "sum" or "none".

    Weston and Watkins 1999, Support Vector Machines for Multi-Class Pattern Recognition.
    Differs from PyTorch's `multi_margin_loss`: the sum is not divided by the number of classes.

    Example:
        >>> weston_watkins_loss(torch.tensor([[1.0, 3.0, 0.5]]), torch.tensor([0]))
        tensor(3.5000)
    """
    hinges = relu(margin + scores - own_scores(scores, target)[:, None])
    return reduce_loss(hinges.masked_fill(own_class(scores, target), 0).sum(1), reduction)


@checked(rules.class_margin, values=rules.labels)
def crammer_singer_loss(
    scores: ClassScores, target: Labels, margin: float = 1.0, reduction: Reduction = "mean"
) -> Loss:
    """max_c (z_c + margin [c≠y]) - z_y: only the class that comes nearest costs.

    Args:
        scores: z.
        target: y, int64 class indices.
        margin: at least 0.
        reduction: "mean", "sum" or "none".

    Crammer and Singer 2001, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines.

    Example:
        >>> crammer_singer_loss(torch.tensor([[1.0, 3.0, 0.5]]), torch.tensor([0]))
        tensor(3.)
    """
    raised = scores + margin * (~own_class(scores, target)).to(scores.dtype)
    return reduce_loss(raised.amax(1) - own_scores(scores, target), reduction)


def own_scores(scores: ClassScores, target: Labels) -> Float[Tensor, " N"]:
    """Return z_y, the score of each sample's own class."""
    return scores.gather(1, target[:, None])[:, 0]


def own_class(scores: ClassScores, target: Labels) -> Tensor:
    """Return (N, C) booleans: True where c = y."""
    return torch.arange(scores.size(1), device=scores.device) == target[:, None]
