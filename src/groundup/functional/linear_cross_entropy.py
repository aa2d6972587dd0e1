"""The loss of a model whose last layer is a matrix with a row for each of many classes: a vocabulary.

Legend: E features, V classes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.linear import linear
from groundup.functional.losses import REDUCTIONS, Reduction, cross_entropy
from groundup.kernels import linear_cross_entropy as kernels


def _check(
    x: Tensor,
    weight: Tensor,
    target: Tensor,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> None:
    checks.rank("weight", checks.floating("weight", weight), 2, layout="(V, E)")
    checks.size("x", checks.floating("x", x), -1, weight.size(1), "features, as weight (V, E) has")
    if weight.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
        raise TypeError(f"weight must have x's dtype {x.dtype}, got {weight.dtype}; convert one, or use torch.autocast")
    checks.choice("reduction", reduction, REDUCTIONS)
    checks.probability("label_smoothing", label_smoothing)
    if checks.tensor("target", target).dtype != torch.int64:
        raise TypeError(f"target must hold int64 class indices, got {target.dtype}; use target.long()")
    if target.shape != x.shape[:-1] or x.dim() < 2:
        raise ValueError(
            f"target must hold a class index for each row of x: int64 of shape {tuple(x.shape[:-1])}, got "
            f"{target.dtype} of shape {tuple(target.shape)}"
        )
    checks.labels("target", target, weight.size(0), ignore_index)


@fused_by(kernels.linear_cross_entropy, check=_check)
def linear_cross_entropy(
    x: Float[Tensor, "*rows E"],
    weight: Float[Tensor, "V E"],
    target: Int64[Tensor, "*rows"],
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Float[Tensor, "..."]:
    """`cross_entropy` of the logits z = x Wᵀ, which the kernel makes, uses and forgets a few rows at a time.

    A batch of 8 × 1024 tokens and GPT-2's vocabulary has 1.6 GB of them. The gradient is the same, to rounding.
    Differs from `cross_entropy`: it cannot be differentiated twice.
    """
    z = linear(x.flatten(0, -2), weight)
    wide = z.float() if z.dtype in (torch.float16, torch.bfloat16) else z  # a sum of many rows has no place in float16
    loss = cross_entropy(wide, target.flatten(), None, ignore_index, reduction, label_smoothing).to(z.dtype)
    return loss.view(target.shape) if reduction == "none" else loss
