"""Losses: what training makes small. Losses of the margin y z are in `margin_losses`.

Legend: N samples, C classes, z scores ("logits"), y targets, p probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import checked, fused_by
from groundup.functional.activations import logsigmoid, softplus
from groundup.functional.dropout import Probability
from groundup.functional.softmax import log_softmax
from groundup.kernels import losses as kernels
from groundup.rules import losses as rules

Reduction = Literal["none", "mean", "sum"]
Loss = Float[Tensor, "..."]


def reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    """Return the losses of single elements, their sum or their mean, as `reduction` says."""
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.mean()


# ---- classification --------------------------------------------------------------------------------------------


@fused_by(kernels.nll_loss, rules.class_scores, on_error=rules.class_labels)
def nll_loss(
    input: Float[Tensor, "*scores"],
    target: Int[Tensor, "*labels"],
    weight: Float[Tensor, " classes"] | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Loss:
    """-w_y log p_y: the negative log-likelihood of the right class.

    Why the logarithm: the likelihood of independent samples is a product, which underflows and has no useful gradient
    at 0; its logarithm is a sum.

    Args:
        input: log-probabilities (N, C, ...) or (C,).
        target: int64 class indices y (N, ...).
        weight: w, one per class; None is 1.
        ignore_index: targets equal to it do not count.
        reduction: "mean" divides by the sum of the weights w_y used; "sum"; "none" returns the loss of each target.

    Example:
        >>> nll_loss(torch.tensor([[0.5, 0.25, 0.25]]).log(), torch.tensor([0]))
        tensor(0.6931)
    """
    classes = min(1, input.dim() - 1)
    used = target != ignore_index
    index = torch.where(used, target, 0)  # any valid row: its loss and gradient are masked
    weight = input.new_ones(input.size(classes)) if weight is None else weight
    w = torch.where(used, weight[index], 0)
    picked = input.gather(classes, index.unsqueeze(classes)).squeeze(classes)
    loss = torch.where(used, -picked, 0) * w
    return loss.sum() / w.sum() if reduction == "mean" else reduce_loss(loss, reduction)


@fused_by(kernels.cross_entropy, rules.cross_entropy, on_error=rules.class_labels)
def cross_entropy(
    input: Float[Tensor, "*scores"],
    target: Int[Tensor, "*labels"] | Float[Tensor, "*scores"],
    weight: Float[Tensor, " classes"] | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: Probability = 0.0,
) -> Loss:
    """-Σ_c q_c w_c log softmax(z)_c: how surprised the prediction softmax(z) is by the target q.

    Why with the softmax: its gradient with respect to z is softmax(z) - q, which does not vanish while a prediction is
    wrong. A squared error of probabilities is flat there.

    Args:
        input: z, the scores (N, C, ...) or (C,), not probabilities.
        target: int64 class indices y (N, ...), q one-hot; or floating-point probabilities q (N, C, ...).
        weight: w, one per class; None is 1.
        ignore_index: class indices equal to it do not count.
        reduction: "mean" is weighted by w_y for class indices; for probabilities it is over N and the extra axes, as in
            PyTorch. "sum"; "none" returns the loss of each target.
        label_smoothing: ε; q ← (1 - ε) q + ε / C, so that no score has to become infinite.
            Szegedy et al. 2016, arXiv:1512.00567, section 7.

    Goodfellow et al. 2016, Deep Learning, section 6.2.2.

    Example:
        >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor(1.3863)
    """
    classes = min(1, input.dim() - 1)
    num_classes = input.size(classes)
    log_p = log_softmax(input, classes)
    w = input.new_ones(num_classes) if weight is None else weight
    per_class = w.view(num_classes, *[1] * (input.dim() - classes - 1))

    if target.is_floating_point():
        q = (1 - label_smoothing) * target + label_smoothing / num_classes
        loss = -(q * per_class * log_p).sum(classes)
        return loss.sum() / loss.numel() if reduction == "mean" else reduce_loss(loss, reduction)

    nll = nll_loss(log_p, target, weight, ignore_index, "none")
    used = target != ignore_index
    smooth = torch.where(used, -(per_class * log_p).sum(classes) / num_classes, 0)
    loss = (1 - label_smoothing) * nll + label_smoothing * smooth if label_smoothing else nll
    if reduction == "mean":
        return loss.sum() / torch.where(used, w[torch.where(used, target, 0)], 0).sum()
    return reduce_loss(loss, reduction)


def auxiliary_cross_entropy(
    outputs: Float[Tensor, "N C"] | Sequence[Float[Tensor, "N C"]],
    target: Int[Tensor, " N"] | Float[Tensor, "N C"],
    weight: float = 0.3,
    **options: Any,
) -> Loss:
    """H(z₀, y) + w Σ_i H(z_i, y), H the cross-entropy, for a network with classifiers half-way up.

    Why: in a deep network without normalisation the gradient that reaches the lower layers is small. The auxiliary
    classifiers send one from nearby.

    Args:
        outputs: (z₀, z₁, ...), as GoogLeNet gives them while training; or z₀ alone, as it gives otherwise.
        target: see `cross_entropy`.
        weight: w.
        options: of `cross_entropy`.

    Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842, section 5.

    Example:
        >>> auxiliary_cross_entropy([torch.zeros(1, 4)] * 3, torch.tensor([2]))
        tensor(2.2181)
    """
    checks.real("weight", weight, 0.0)
    scores, *auxiliary = (outputs,) if isinstance(outputs, Tensor) else outputs
    loss = cross_entropy(scores, target, **options)
    for others in auxiliary:
        loss = loss + weight * cross_entropy(others, target, **options)
    return loss


@checked(rules.map_loss, values=rules.labels)
def map_loss(
    scores: Float[Tensor, "N C"], target: Int[Tensor, " N"], j: float = 1.0, reduction: Reduction = "mean"
) -> Loss:
    """y_D + log(exp(-j) + Σ_i exp(-y_i)) for penalties y = -scores and the right class D.

    A cross-entropy with one more class, rubbish, of constant penalty j.

    Why: it also pushes wrong classes away when the right one already has the smallest penalty, and keeps the units of
    the last layer from all collapsing to the same weights.

    Args:
        scores: -y.
        target: int64 class indices D; the rubbish class is never one.
        j: at least 0.
        reduction: see `cross_entropy`.

    LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, equation 9.

    Example:
        >>> map_loss(torch.zeros(1, 3), torch.tensor([0]), j=0.0)
        tensor(1.3863)
    """
    rubbish = scores.new_full((scores.size(0), 1), -j)
    return cross_entropy(torch.cat([scores, rubbish], 1), target, reduction=reduction)


@fused_by(kernels.binary_cross_entropy_with_logits, rules.binary_cross_entropy)
def binary_cross_entropy_with_logits(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    weight: Float[Tensor, "..."] | None = None,
    pos_weight: Float[Tensor, "..."] | None = None,
    reduction: Reduction = "mean",
) -> Loss:
    """-w [p y log σ(z) + (1 - y) log(1 - σ(z))]: a cross-entropy of two classes, for each element on its own.

    Why with logits: -log σ(z) = softplus(-z) is finite for any finite z; the logarithm of a rounded σ(z) is not.

    Args:
        input: z.
        target: y, probabilities of class 1.
        weight: w, broadcast to the shape of input; None is 1.
        pos_weight: p, the weight of the positive class, broadcast likewise; None is 1.
        reduction: see `cross_entropy`.

    Example:
        >>> binary_cross_entropy_with_logits(torch.tensor([0.0]), torch.tensor([1.0]))
        tensor(0.6931)
    """
    positive = softplus(-input) if pos_weight is None else pos_weight * softplus(-input)
    loss = target * positive + (1 - target) * softplus(input)
    return reduce_loss(loss if weight is None else loss * weight, reduction)


# ---- regression and embedding ------------------------------------------------------------------------------------


@fused_by(kernels.mse_loss, rules.same_shape)
def mse_loss(input: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], reduction: Reduction = "mean") -> Loss:
    """(z - y)²: the negative log-likelihood of y around z under Gaussian noise, up to a constant.

    Args:
        input: z.
        target: y, of the same shape. Differs from PyTorch: nothing is broadcast.
        reduction: see `cross_entropy`.

    Example:
        >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(2.)
    """
    return reduce_loss((input - target) ** 2, reduction)


@checked()
def walk_loss(
    u: Float[Tensor, "P C"], v: Float[Tensor, "P C"], negatives: Float[Tensor, "Q C"], reduction: Reduction = "mean"
) -> Loss:
    """-log σ(z_u · z_v) - Σ_q log σ(-z_u · z_q) for each pair (u, v) of nodes that meet on a walk.

    Why: a graph without labels still says which nodes are near one another. Without the second term all vectors would
    become equal.

    Args:
        u, v: row by row, the vectors of two nodes that meet on a random walk.
        negatives: the vectors of Q nodes drawn at random, shared by all pairs.
        reduction: over the pairs.

    Hamilton et al. 2017, Inductive Representation Learning on Large Graphs, arXiv:1706.02216, equation 1, with its Q
    times an expectation taken over Q draws.

    Example:
        >>> walk_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
        tensor(1.3863)
    """
    near, far = (u * v).sum(-1), u @ negatives.mT
    return reduce_loss(-logsigmoid(near) - logsigmoid(-far).sum(-1), reduction)
