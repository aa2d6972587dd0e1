"""The steps of Adam and AdamW on PyTorch's multi-tensor and fused kernels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from groundup.kernels.optimizers import Tensors, count, directed, fused_where_possible


def _bias_correction(steps: Tensors, beta: float, dtype: torch.dtype) -> Tensor:
    """1 - βᵗ for every t, as -expm1(t ln β): exact to the last digits in float32 too, and never waits for a GPU."""
    log = math.log(beta) if beta > 0 else -math.inf
    return -torch.expm1(torch.stack(steps).to(dtype) * log)


def adam_multi_tensor(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    steps: Tensors,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """θ ← θ - η m / (√v c₁/√c₂ + ε c₁): both corrections folded into one list as large as the parameters."""
    count(steps)
    grads = directed(params, grads, weight_decay, maximize)
    torch._foreach_lerp_(exp_avgs, grads, 1 - beta1)
    torch._foreach_mul_(exp_avg_sqs, beta2)
    torch._foreach_addcmul_(exp_avg_sqs, grads, grads, value=1 - beta2)
    del grads  # a copy under weight decay; freed before the next list is made

    dtype = torch.promote_types(params[0].dtype, torch.float32)
    c1, c2 = _bias_correction(steps, beta1, dtype), _bias_correction(steps, beta2, dtype)
    scale = torch._foreach_sqrt(exp_avg_sqs)
    torch._foreach_mul_(scale, list((c1 / c2.sqrt()).unbind()))
    torch._foreach_add_(scale, list((eps * c1).unbind()))
    torch._foreach_addcdiv_(params, exp_avgs, scale, value=-lr)


def adam_fused(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    steps: Tensors,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """PyTorch's `_fused_adam_`."""
    count(steps)
    torch._fused_adam_(
        params,
        grads,
        exp_avgs,
        exp_avg_sqs,
        [],
        steps,
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        weight_decay=weight_decay,
        eps=eps,
        amsgrad=False,
        maximize=maximize,
    )


def adamw_multi_tensor(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    steps: Tensors,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Decay, then Adam without."""
    if weight_decay != 0:
        torch._foreach_mul_(params, 1 - lr * weight_decay)
    adam_multi_tensor(
        params,
        grads,
        exp_avgs,
        exp_avg_sqs,
        steps,
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        weight_decay=0.0,
        maximize=maximize,
    )


def adamw_fused(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    steps: Tensors,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """PyTorch's `_fused_adamw_`."""
    count(steps)
    torch._fused_adamw_(
        params,
        grads,
        exp_avgs,
        exp_avg_sqs,
        [],
        steps,
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        weight_decay=weight_decay,
        eps=eps,
        amsgrad=False,
        maximize=maximize,
    )


adam_step = fused_where_possible(adam_fused, adam_multi_tensor, sharded=True)
adamw_step = fused_where_possible(adamw_fused, adamw_multi_tensor, sharded=True)
