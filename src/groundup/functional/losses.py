"""Losses: what a model is asked to make small. Those of the margin y z are in `margin_losses`.

Every loss takes `reduction`: "none" gives one value per element or sample, "sum" their sum, "mean" their mean.

Legend: N batch, C classes, z scores (logits), y targets.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.activations import softplus
from groundup.functional.softmax import log_softmax
from groundup.kernels import losses as kernels

Reduction = Literal["none", "mean", "sum"]
REDUCTIONS = ("none", "mean", "sum")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The losses of single elements, as `reduction` asks for them."""
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.mean()


# ---- checks, made before either body runs; labels are checked where they are used ---------------------------


def _check_classes(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> None:
    dims = checks.tensor("input", input).dim()
    if not input.is_floating_point() and checks.tensor("target", target).is_floating_point() and target.dim() > dims:
        raise TypeError(
            "input must be the scores and target the class indices, in this order; "
            f"got input of {input.dtype} and target of {target.dtype}: swap the two"
        )
    checks.floating("input", input)
    checks.choice("reduction", reduction, REDUCTIONS)
    if dims == 0:
        raise ValueError("input must have shape (N, C), (C,) or (N, C, d1, ...), got a scalar")
    if weight is not None and tuple(weight.shape) != (num_classes := input.size(min(1, dims - 1)),):
        raise ValueError(f"weight must have one entry per class, shape ({num_classes},), got {tuple(weight.shape)}")
    expected = input.shape[: dims - 1] if dims <= 2 else input.shape[:1] + input.shape[2:]
    if not checks.tensor("target", target).is_floating_point() or (target.shape == expected != input.shape):
        if target.dtype != torch.int64:
            raise TypeError(f"target must hold int64 class indices, got {target.dtype}; use target.long()")
        if target.shape != expected:
            remedy = "; use target.squeeze(1)" if target.shape == (*expected[:1], 1, *expected[1:]) else ""
            raise ValueError(
                f"target must have shape {tuple(expected)} for input of shape {tuple(input.shape)} "
                f"(one class index each), got {tuple(target.shape)}{remedy}"
            )


def _check_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> None:
    _check_classes(input, target, weight, ignore_index, reduction)
    checks.probability("label_smoothing", label_smoothing)
    if target.is_floating_point() and target.shape != input.shape:
        raise ValueError(
            f"target of class probabilities must have input's shape {tuple(input.shape)}, got {tuple(target.shape)}"
        )


def _check_nll(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> None:
    if target.is_floating_point():
        raise TypeError(f"target must hold int64 class indices, got {target.dtype}; use target.long()")
    _check_classes(input, target, weight, ignore_index, reduction)


def _check_same_shape(input: Tensor, target: Tensor, reduction: str = "mean") -> None:
    checks.floating("input", input)
    checks.floating("target", target)
    checks.choice("reduction", reduction, REDUCTIONS)
    if input.shape != target.shape:
        raise ValueError(
            f"target must have input's shape {tuple(input.shape)}, got {tuple(target.shape)}: broadcasting a loss "
            "would average over pairs that do not belong together; reshape one of them"
        )


def _check_binary(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: str = "mean",
) -> None:
    _check_same_shape(input, target, reduction)
    for name, factor in (("weight", weight), ("pos_weight", pos_weight)):
        if factor is not None:
            _check_broadcast(name, factor, input)


def _check_broadcast(name: str, factor: Tensor, input: Tensor) -> None:
    try:
        fits = torch.broadcast_shapes(factor.shape, input.shape) == input.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"{name} must broadcast to input's shape {tuple(input.shape)}, got {tuple(factor.shape)}")


# ---- classification --------------------------------------------------------------------------------------------


@fused_by(kernels.nll_loss, check=_check_nll)
def nll_loss(
    input: Float[Tensor, "*scores"],
    target: Int[Tensor, "*labels"],
    weight: Float[Tensor, " classes"] | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """-w_y log p_y, from log-probabilities `input` (N, C, ...) and class indices `target` (N, ...).

    "mean" divides by the sum of the weights w_y used. Targets equal to `ignore_index` count for nothing.
    """
    classes = min(1, input.dim() - 1)
    checks.labels("target", target, input.size(classes), ignore_index)
    used = target != ignore_index
    index = torch.where(used, target, 0)  # any valid row: its loss and gradient are masked
    weight = input.new_ones(input.size(classes)) if weight is None else weight
    w = torch.where(used, weight[index], 0)
    picked = input.gather(classes, index.unsqueeze(classes)).squeeze(classes)
    loss = torch.where(used, -picked, 0) * w
    return loss.sum() / w.sum() if reduction == "mean" else reduced(loss, reduction)


@fused_by(kernels.cross_entropy, check=_check_cross_entropy)
def cross_entropy(
    input: Float[Tensor, "*scores"],
    target: Int[Tensor, "*labels"] | Float[Tensor, "*scores"],
    weight: Float[Tensor, " classes"] | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Float[Tensor, "..."]:
    """-Σ_c q_c w_c log softmax(z)_c, with `input` the logits z (N, C, ...).

    q is one-hot at the class indices `target` (N, ...), or `target` itself where it is floating point (N, C, ...).
    `label_smoothing` ε mixes it with the uniform distribution, q ← (1 - ε) q + ε / C
    (Szegedy et al. 2016, arXiv:1512.00567, section 7).
    "mean" is weighted by w_y for class indices, and over N and the extra axes for probabilities, as in PyTorch.
    """
    classes = min(1, input.dim() - 1)
    num_classes = input.size(classes)
    log_p = log_softmax(input, classes)
    w = input.new_ones(num_classes) if weight is None else weight
    per_class = w.view(num_classes, *[1] * (input.dim() - classes - 1))

    if target.is_floating_point():
        q = (1 - label_smoothing) * target + label_smoothing / num_classes
        loss = -(q * per_class * log_p).sum(classes)
        return loss.sum() / loss.numel() if reduction == "mean" else reduced(loss, reduction)

    nll = nll_loss(log_p, target, weight, ignore_index, "none")
    used = target != ignore_index
    smooth = torch.where(used, -(per_class * log_p).sum(classes) / num_classes, 0)
    loss = (1 - label_smoothing) * nll + label_smoothing * smooth if label_smoothing else nll
    if reduction == "mean":
        return loss.sum() / torch.where(used, w[torch.where(used, target, 0)], 0).sum()
    return reduced(loss, reduction)


def map_loss(
    scores: Float[Tensor, "N C"], target: Int[Tensor, " N"], j: float = 1.0, reduction: Reduction = "mean"
) -> Float[Tensor, "..."]:
    """y_D + log(exp(-j) + Σ_i exp(-y_i)) for penalties y = -scores and the right class D.

    A cross-entropy with one class more, rubbish, of constant penalty j > 0: it also pushes wrong classes away when
    the right one already wins, and keeps the units from collapsing onto one another.
    LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, equation 9.
    """
    checks.real("j", j, 0.0)
    checks.rank("scores", checks.floating("scores", scores), 2, layout="(N, C)")
    checks.labels("target", target, scores.size(1))  # the rubbish class is nobody's label
    rubbish = scores.new_full((scores.size(0), 1), -j)
    return cross_entropy(torch.cat([scores, rubbish], 1), target, reduction=reduction)


@fused_by(kernels.binary_cross_entropy_with_logits, check=_check_binary)
def binary_cross_entropy_with_logits(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    weight: Float[Tensor, "..."] | None = None,
    pos_weight: Float[Tensor, "..."] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "..."]:
    """-w [p y log σ(z) + (1 - y) log(1 - σ(z))], through softplus so that it is finite for any finite z.

    `weight` w rescales elements, `pos_weight` p the positive ones; both broadcast to `input`'s shape.
    """
    positive = softplus(-input) if pos_weight is None else pos_weight * softplus(-input)
    loss = target * positive + (1 - target) * softplus(input)
    return reduced(loss if weight is None else loss * weight, reduction)


# ---- regression ------------------------------------------------------------------------------------------------


@fused_by(kernels.mse_loss, check=_check_same_shape)
def mse_loss(
    input: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], reduction: Reduction = "mean"
) -> Float[Tensor, "..."]:
    """(z - y)². Differs from PyTorch: shapes must be equal, nothing is broadcast."""
    return reduced((input - target) ** 2, reduction)
