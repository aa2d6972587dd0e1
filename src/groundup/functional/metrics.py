"""Metrics: what a person wants to know of a classifier. Plain numbers and counts, no gradients.

Legend: N samples, C classes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks


def _check(scores: Tensor, target: Tensor) -> None:
    checks.floating("scores", scores)
    checks.rank("scores", scores, 2, layout="(N, C)")
    if target.dtype != torch.int64:
        raise TypeError(f"target must hold int64 class indices, got {target.dtype}; use target.long()")
    if target.shape != scores.shape[:1]:
        raise ValueError(f"target must have shape ({scores.size(0)},), one label a sample, got {tuple(target.shape)}")
    checks.require(target.numel() > 0, "target is empty: there is nothing to measure")
    checks.labels("target", target, scores.size(1))


@torch.no_grad()
def top_k_accuracy(scores: Float[Tensor, "N C"], target: Int[Tensor, " N"], k: int = 5) -> float:
    """The share of samples whose label is among the k highest scores.

    A NaN score is no score: its sample counts as wrong. Equal scores are taken in the order of the classes.
    """
    _check(scores, target)
    checks.integer("k", k)
    checks.require(k <= scores.size(1), f"k must be at most the number of classes {scores.size(1)}, got {k}")
    own = scores.gather(1, target[:, None])
    before = torch.arange(scores.size(1), device=scores.device) < target[:, None]
    rank = ((scores > own) | ((scores == own) & before)).sum(1)  # how many classes come before the true one
    return float(((rank < k) & ~scores.isnan().any(1)).double().mean())


def accuracy(scores: Float[Tensor, "N C"], target: Int[Tensor, " N"]) -> float:
    """The share of samples whose highest score is their label's."""
    return top_k_accuracy(scores, target, k=1)


@torch.no_grad()
def confusion_matrix(predictions: Int[Tensor, " N"], target: Int[Tensor, " N"], num_classes: int) -> Int[Tensor, "C C"]:
    """M[t, p] = how many samples of class t were predicted as p: right ones on the diagonal, rows sum to counts."""
    checks.integer("num_classes", num_classes)
    if predictions.shape != target.shape:
        raise ValueError(f"predictions must have target's shape {tuple(target.shape)}, got {tuple(predictions.shape)}")
    checks.labels("target", target, num_classes)
    checks.labels("predictions", predictions, num_classes)
    cells = torch.bincount(target * num_classes + predictions, minlength=num_classes**2)
    return cells.view(num_classes, num_classes)


def per_class_accuracy(confusion: Int[Tensor, "C C"]) -> Float[Tensor, " C"]:
    """The share of each class that was predicted right (its recall); NaN for a class without samples."""
    return confusion.diagonal().double() / confusion.sum(1).double()
