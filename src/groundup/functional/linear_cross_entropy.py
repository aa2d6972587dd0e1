"""The loss of a model whose last layer is a matrix with a row for each of many classes: a vocabulary.

Legend: E features, V classes.
"""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor

from groundup.backend import fused_by
from groundup.functional.dropout import Probability
from groundup.functional.linear import linear
from groundup.functional.losses import Loss, Reduction, cross_entropy
from groundup.functional.precision import widen
from groundup.kernels import linear_cross_entropy as kernels
from groundup.rules import losses as rules


@fused_by(kernels.linear_cross_entropy, rules.linear_cross_entropy, values=rules.vocabulary_labels)
def linear_cross_entropy(
    x: Float[Tensor, "*rows E"],
    weight: Float[Tensor, "V E"],
    target: Int64[Tensor, "*rows"],
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: Probability = 0.0,
) -> Loss:
    """`cross_entropy` of the logits z = x Wᵀ.

    Why one function: a batch of 8 × 1024 tokens has 1.6 GB of logits over GPT-2's vocabulary. The kernel computes a few
    rows of them at a time, with their gradient, and holds none; the result is the same, to rounding.

    Args:
        x: the features before the last layer.
        weight: W.
        target: the right class of each row.
        ignore_index, reduction, label_smoothing: see `cross_entropy`.

    Differs from `cross_entropy`: it cannot be differentiated twice.

    Example:
        >>> import torch
        >>> linear_cross_entropy(torch.zeros(2, 3), torch.ones(4, 3), torch.tensor([0, 1]))
        tensor(1.3863)
    """
    z = linear(x.flatten(0, -2), weight)
    loss = cross_entropy(widen(z), target.flatten(), None, ignore_index, reduction, label_smoothing).to(z.dtype)
    return loss.view(target.shape) if reduction == "none" else loss
