"""The loss of a large vocabulary, computed a few rows at a time: at most 32 MB of scores are held.

The gradient of a row's scores is softmax(z) minus the target, known as soon as the scores are. It is multiplied into
the gradients of x and of the weight at once, and the scores are freed. Nothing is computed twice.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from groundup.kernels.linear import linear
from groundup.kernels.support import refuses, takes_call

MAX_SCORES = 2**23  # held at a time: 32 MB in float32


@refuses(lambda call: 'reduction="none"' if call.reduction == "none" else None)
@takes_call
def linear_cross_entropy(call: Any) -> Tensor:
    rows, labels = call.x.flatten(0, -2), call.target.flatten()
    total: Tensor = _SummedLoss.apply(rows, call.weight, labels, call.ignore_index, call.label_smoothing)
    if call.reduction == "sum":
        return total.to(call.x.dtype)
    count = (labels != call.ignore_index).sum()
    mean = torch.where(count > 0, total / count.clamp(min=1), torch.nan)  # without rows: NaN, with a gradient of 0
    return mean.to(call.x.dtype)  # converted last: the sum of a few thousand rows overflows float16


class _SummedLoss(torch.autograd.Function):
    """The sum of the losses, which computes the gradients in the forward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, target: Tensor, ignore_index: int, smoothing: float) -> Tensor:
        ctx.save_for_backward(x, weight, target)
        ctx.rest, ctx.dtype = (ignore_index, smoothing), weight.dtype
        learns = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        total, *ctx.gradients = sum_losses(x, weight, target, ignore_index, smoothing, learns)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:  # a second backward pass, which is rare: the first one freed them
            x, weight, target = ctx.saved_tensors
            ignore_index, smoothing = ctx.rest
            _, *ctx.gradients = sum_losses(x, weight, target, ignore_index, smoothing, True)
        grad_x, grad_weight = (g.mul_(grad.to(g.dtype)) for g in ctx.gradients)
        ctx.gradients = None  # frees memory as large as the weight
        return grad_x, grad_weight.to(ctx.dtype), None, None, None


def sum_losses(
    x: Tensor, weight: Tensor, target: Tensor, ignore_index: int, smoothing: float, learns: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the summed loss, in float32 or wider, and, if `learns`, its gradients with respect to x and to the weight.

    The gradient of the weight, a sum over all rows, is in float32 where float16 might overflow.
    """
    vocabulary = weight.size(0)
    wide = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
    grad_x = torch.empty_like(x) if learns else None
    grad_weight = torch.zeros_like(weight, dtype=wide) if learns else None
    total = x.new_zeros((), dtype=wide)
    step = max(1, MAX_SCORES // vocabulary)
    for first in range(0, x.size(0), step):
        rows = slice(first, first + step)
        z = linear(x[rows], weight).to(wide)
        used = (target[rows] != ignore_index)[:, None]
        label = torch.where(used, target[rows][:, None], 0)
        gained = (1 - smoothing) * z.gather(1, label)
        if smoothing:
            gained = gained + smoothing * z.mean(1, keepdim=True)
        # The memory of z is reused: for exp(z - m), then the softmax, then the gradient of the scores.
        m = z.amax(1, keepdim=True)
        m = torch.where(m.isinf(), 0, m)
        norm = z.sub_(m).exp_().sum(1, keepdim=True)
        total += torch.where(used, m + norm.log() - gained, 0).sum()
        if grad_x is None or grad_weight is None:
            continue
        z.div_(norm)
        if smoothing:
            z.sub_(smoothing / vocabulary)
        z.scatter_add_(1, label, torch.full_like(gained, smoothing - 1))
        z.masked_fill_(~used, 0)
        narrow = z.to(x.dtype)
        grad_x[rows] = linear(narrow, weight.to(x.dtype).mT)
        if wide == weight.dtype:
            grad_weight.addmm_(z.mT, x[rows].to(wide))
        else:
            grad_weight += narrow.mT @ x[rows]
    if grad_weight is not None and weight.dtype != torch.float16:
        grad_weight = grad_weight.to(weight.dtype)
    return total, grad_x, grad_weight
