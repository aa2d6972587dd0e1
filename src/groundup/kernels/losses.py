"""PyTorch's loss kernels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import refuses, takes_call


@takes_call
def nll_loss(call: Any) -> Tensor:
    return F.nll_loss(call.input, call.target, call.weight, ignore_index=call.ignore_index, reduction=call.reduction)


@takes_call
def cross_entropy(call: Any) -> Tensor:
    return F.cross_entropy(
        call.input,
        call.target,
        call.weight,
        ignore_index=call.ignore_index,
        reduction=call.reduction,
        label_smoothing=call.label_smoothing,
    )


@takes_call
def binary_cross_entropy_with_logits(call: Any) -> Tensor:
    return F.binary_cross_entropy_with_logits(
        call.input, call.target, call.weight, pos_weight=call.pos_weight, reduction=call.reduction
    )


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return F.mse_loss(input, target, reduction=reduction)


def _refusal(call: Any) -> str | None:
    if call.scores.size(0) == 0:
        return "an empty batch"  # the kernel returns uninitialised memory
    return f"{call.scores.dtype}" if call.scores.dtype in (torch.float16, torch.bfloat16) else None


@refuses(_refusal)
@takes_call
def weston_watkins_loss(call: Any) -> Tensor:
    loss = F.multi_margin_loss(call.scores, call.target, p=1, margin=call.margin, reduction=call.reduction)
    return loss * call.scores.size(1)  # PyTorch divides by the number of classes
