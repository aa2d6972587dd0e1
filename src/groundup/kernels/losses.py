"""PyTorch's loss kernels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup import checks
from groundup.kernels.support import refuses


def _explain(input: Tensor, target: Tensor, ignore_index: int) -> None:
    """The CPU kernels find a label out of range by themselves: looking for it beforehand would cost another pass."""
    checks.labels("target", target, input.size(min(1, input.dim() - 1)), ignore_index)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    try:
        return F.nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)
    except IndexError:
        _explain(input, target, ignore_index)
        raise


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    try:
        return F.cross_entropy(
            input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
    except IndexError:
        _explain(input, target, ignore_index)
        raise


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    return F.binary_cross_entropy_with_logits(input, target, weight, pos_weight=pos_weight, reduction=reduction)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return F.mse_loss(input, target, reduction=reduction)


def _no_margins(scores: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> str | None:
    if scores.size(0) == 0:
        return "an empty batch"  # its sum would be uninitialised memory
    return f"{scores.dtype}" if scores.dtype in (torch.float16, torch.bfloat16) else None


@refuses(_no_margins)
def weston_watkins_loss(scores: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    # PyTorch's divides by the number of classes.
    return F.multi_margin_loss(scores, target, p=1, margin=margin, reduction=reduction) * scores.size(1)
