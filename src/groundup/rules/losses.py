"""Rules of losses and metrics: targets that belong to the scores, and labels that exist."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from groundup import checks


def cross_entropy(call: Any) -> None:
    class_scores(call)
    if call.target.is_floating_point() and call.target.shape != call.input.shape:
        raise ValueError(
            f"target of class probabilities must have input's shape {tuple(call.input.shape)}, got "
            f"{tuple(call.target.shape)}"
        )


def class_scores(call: Any) -> None:
    """Scores (N, C, ...) or (C,), one target for each, and one weight per class."""
    shape, target = call.input.shape, call.target
    if len(shape) == 0:
        raise ValueError("input must have shape (N, C), (C,) or (N, C, d1, ...), got a scalar")
    classes = shape[min(1, len(shape) - 1)]
    if call.weight is not None and tuple(call.weight.shape) != (classes,):
        raise ValueError(f"weight must have one entry per class, shape ({classes},), got {tuple(call.weight.shape)}")
    expected = shape[: len(shape) - 1] if len(shape) <= 2 else shape[:1] + shape[2:]
    if target.is_floating_point() and not target.shape == expected != shape:
        return  # class probabilities
    check_class_indices(target)
    if target.shape != expected:
        remedy = "; use target.squeeze(1)" if target.shape == (*expected[:1], 1, *expected[1:]) else ""
        raise ValueError(
            f"target must have shape {tuple(expected)} for input of shape {tuple(shape)} "
            f"(one class index each), got {tuple(target.shape)}{remedy}"
        )


def check_class_indices(target: Tensor) -> None:
    if target.dtype != torch.int64:
        raise TypeError(f"target must hold int64 class indices, got {target.dtype}; convert with target.long()")


def class_labels(call: Any) -> None:
    """Labels in range, at which both bodies stop by themselves; and arguments in the wrong order."""
    scores = call.input
    if not scores.is_floating_point() and call.target.is_floating_point() and call.target.dim() > scores.dim():
        raise TypeError(
            "input must be the scores and target the class indices, in this order; "
            f"got input of {scores.dtype} and target of {call.target.dtype}: swap the two"
        )
    if not call.target.is_floating_point():
        checks.labels("target", call.target, scores.size(min(1, scores.dim() - 1)), call.ignore_index)


def linear_cross_entropy(call: Any) -> None:
    x, weight, target = call.x, call.weight, call.target
    if weight.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
        raise TypeError(f"weight must have x's dtype {x.dtype}, got {weight.dtype}; convert one, or use torch.autocast")
    if x.dim() < 2 or target.shape != x.shape[:-1]:
        raise ValueError(
            f"target must hold a class index for each row of x: int64 of shape {tuple(x.shape[:-1])}, got "
            f"{target.dtype} of shape {tuple(target.shape)}"
        )


def vocabulary_labels(call: Any) -> None:
    checks.labels("target", call.target, call.weight.size(0), call.ignore_index)


def same_shape(call: Any) -> None:
    if call.input.shape != call.target.shape:
        raise ValueError(
            f"target must have input's shape {tuple(call.input.shape)}, got {tuple(call.target.shape)}: broadcasting a "
            "loss would average over pairs that do not belong together; reshape one of them"
        )


def binary_cross_entropy(call: Any) -> None:
    same_shape(call)
    shape = call.input.shape
    for name in ("weight", "pos_weight"):
        if (factor := getattr(call, name)) is None:
            continue
        try:
            fits = torch.broadcast_shapes(factor.shape, shape) == shape
        except RuntimeError:
            fits = False
        checks.require(fits, f"{name} must broadcast to input's shape {tuple(shape)}, got {tuple(factor.shape)}")


def margin(call: Any) -> None:
    """Scores of two classes, and a label for each."""
    if call.scores.shape != call.target.shape:
        raise ValueError(
            f"target must have scores' shape {tuple(call.scores.shape)}, got {tuple(call.target.shape)}; "
            "reshape one of them"
        )


def signs(call: Any) -> None:
    checks.signs("target", call.target)


def class_margin(call: Any) -> None:
    """Scores (N, C) and a class index for each of the N."""
    check_class_indices(call.target)
    if call.target.shape != call.scores.shape[:1]:
        raise ValueError(
            f"target must have shape ({call.scores.size(0)},), one class index per sample, got "
            f"{tuple(call.target.shape)}"
        )
    checks.real("margin", getattr(call, "margin", 0.0), 0.0)


def labels(call: Any) -> None:
    checks.labels("target", call.target, call.scores.size(1))


def metric(call: Any) -> None:
    class_margin(call)
    checks.require(call.target.numel() > 0, "target is empty: there is nothing to measure")


def top_k_accuracy(call: Any) -> None:
    metric(call)
    classes = call.scores.size(1)
    checks.require(
        checks.integer("k", call.k) <= classes, f"k must be at most the number of classes {classes}, got {call.k}"
    )


def confusion_matrix(call: Any) -> None:
    checks.integer("num_classes", call.num_classes)
    if call.predictions.shape != call.target.shape:
        raise ValueError(
            f"predictions must have target's shape {tuple(call.target.shape)}, got {tuple(call.predictions.shape)}"
        )


def predicted_labels(call: Any) -> None:
    checks.labels("target", call.target, call.num_classes)
    checks.labels("predictions", call.predictions, call.num_classes)


def map_loss(call: Any) -> None:
    checks.real("j", call.j, 0.0)
