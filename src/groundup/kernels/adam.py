"""The steps of Adam and AdamW on PyTorch's multi-tensor and fused kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from groundup.kernels.optimizers import Group, Tensors, count_steps, decay_gradients, prefer_fused


def bias_correction(steps: Tensors, beta: float, dtype: torch.dtype) -> Tensor:
    """Return 1 - βᵗ for every t, as -expm1(t ln β): exact in float32 too, and without waiting for a GPU."""
    log = math.log(beta) if beta > 0 else -math.inf
    return -torch.expm1(torch.stack(steps).to(dtype) * log)


def adam_multi_tensor(
    group: Group, params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors, steps: Tensors
) -> None:
    """θ ← θ - η m / (√v c₁/√c₂ + ε c₁): both corrections folded into one list as large as the parameters."""
    (beta1, beta2), eps = group["betas"], group["eps"]
    count_steps(steps)
    grads = decay_gradients(group, params, grads)
    torch._foreach_lerp_(exp_avgs, grads, 1 - beta1)
    torch._foreach_mul_(exp_avg_sqs, beta2)
    torch._foreach_addcmul_(exp_avg_sqs, grads, grads, value=1 - beta2)
    del grads  # a copy under weight decay; freed before the next list is made

    dtype = torch.promote_types(params[0].dtype, torch.float32)
    c1, c2 = bias_correction(steps, beta1, dtype), bias_correction(steps, beta2, dtype)
    scale = torch._foreach_sqrt(exp_avg_sqs)
    torch._foreach_mul_(scale, list((c1 / c2.sqrt()).unbind()))
    torch._foreach_add_(scale, list((eps * c1).unbind()))
    torch._foreach_addcdiv_(params, exp_avgs, scale, value=-group["lr"])


def adamw_multi_tensor(
    group: Group, params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors, steps: Tensors
) -> None:
    """Decay, then Adam without."""
    if group["weight_decay"] != 0:
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
    adam_multi_tensor({**group, "weight_decay": 0.0}, params, grads, exp_avgs, exp_avg_sqs, steps)


def call_fused(kernel: Callable[..., Any]) -> Callable[..., None]:
    """Return the step that PyTorch's fused `kernel` makes."""

    def step(group: Group, params: Tensors, grads: Tensors, *states: Tensors) -> None:
        exp_avgs, exp_avg_sqs, steps = states
        count_steps(steps)
        beta1, beta2 = group["betas"]
        rule = {name: group[name] for name in ("lr", "weight_decay", "eps", "maximize")}
        kernel(params, grads, exp_avgs, exp_avg_sqs, [], steps, beta1=beta1, beta2=beta2, amsgrad=False, **rule)

    return step


adam_step = prefer_fused(call_fused(torch._fused_adam_), adam_multi_tensor, sharded=True)
adamw_step = prefer_fused(call_fused(torch._fused_adamw_), adamw_multi_tensor, sharded=True)
