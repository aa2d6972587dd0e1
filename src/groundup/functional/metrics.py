"""Metrics: how good a classifier is. Plain numbers and counts, no gradients.

Legend: N samples, C classes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup.backend import checked
from groundup.rules import losses as rules


@torch.no_grad()
@checked(rules.top_k_accuracy, values=rules.labels)
def top_k_accuracy(scores: Float[Tensor, "N C"], target: Int[Tensor, " N"], k: int = 5) -> float:
    """The share of samples whose label is among the k highest scores.

    Args:
        scores: of each class. A sample with a NaN score counts as wrong; equal scores are ordered by their class.
        target: int64 class indices.
        k: at most C.

    Example:
        >>> top_k_accuracy(torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([1]), k=2)
        1.0
    """
    own = scores.gather(1, target[:, None])
    before = torch.arange(scores.size(1), device=scores.device) < target[:, None]
    rank = ((scores > own) | ((scores == own) & before)).sum(1)  # how many classes come before the true one
    return float(((rank < k) & ~scores.isnan().any(1)).double().mean())


def accuracy(scores: Float[Tensor, "N C"], target: Int[Tensor, " N"]) -> float:
    """The share of samples whose highest score is that of their label.

    Args:
        scores, target: see `top_k_accuracy`.

    Example:
        >>> accuracy(torch.tensor([[3.0, 2.0], [0.0, 1.0]]), torch.tensor([1, 1]))
        0.5
    """
    return top_k_accuracy(scores, target, k=1)


@torch.no_grad()
@checked(rules.confusion_matrix, values=rules.predicted_labels)
def confusion_matrix(predictions: Int[Tensor, " N"], target: Int[Tensor, " N"], num_classes: int) -> Int[Tensor, "C C"]:
    """M[t, p] = the number of samples of class t that were predicted as p: right ones are on the diagonal.

    Args:
        predictions, target: class indices.
        num_classes: C.

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2)
        tensor([[1, 1],
                [0, 1]])
    """
    cells = torch.bincount(target * num_classes + predictions, minlength=num_classes**2)
    return cells.view(num_classes, num_classes)


def per_class_accuracy(confusion: Int[Tensor, "C C"]) -> Float[Tensor, " C"]:
    """The share of each class that was predicted right (its recall); NaN for a class without samples.

    Args:
        confusion: of `confusion_matrix`.

    Example:
        >>> per_class_accuracy(torch.tensor([[1, 1], [0, 1]]))
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    return confusion.diagonal().double() / confusion.sum(1).double()
