"""Optimizer steps on PyTorch's multi-tensor and fused kernels: what they share, descent and the adaptive rules.

A rule has up to two bodies here, of one signature: `*_multi_tensor` (`torch._foreach_*`: one call for all tensors) and
`*_fused` (PyTorch's whole step in one kernel); `*_step` takes the second wherever it can. The arguments are those of
the definition: `group` holds the hyperparameters by name, and the lists of a call share one device and one dtype.
Counts of steps are float32 scalars. Everything is updated in place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Tensors = list[Tensor]
Group = dict[str, Any]
#: Elements that a CPU steps at a time: five tensors of so many fit into one core's share of the cache.
BLOCK_ELEMENTS = 2**17
PLAIN_TYPES = {Tensor, torch.nn.Parameter}

# --- what the steps share -----------------------------------------------------------------------------------


def has_one_layout(row: tuple[Tensor, ...]) -> bool:
    """Return True if all tensors are contiguous, or all are channels-last."""
    return all(t.is_contiguous() for t in row) or all(
        t.dim() == 0 or t.is_contiguous(memory_format=torch.channels_last) for t in row
    )


def is_fusible(sharded: bool, params: Tensors, grads: Tensors, *states: Tensors) -> bool:
    """Return True if PyTorch's fused steps can take these tensors.

    They go through the memory of parameter, gradient and state together, so that all must have one layout, without
    gaps. `torch.compile` cannot trace them; it fuses the multi-tensor step by itself.
    """
    first, lists = params[0], (params, grads, *states)
    return (
        first.device.type in ("cpu", "cuda")
        and not torch.compiler.is_compiling()
        and (sharded or PLAIN_TYPES.issuperset(map(type, params)))
        and {g.dtype for g in grads} == {first.dtype}
        and (
            all(all(map(Tensor.is_contiguous, tensors)) for tensors in lists)  # the usual case, and the faster check
            or all(has_one_layout(row) for row in zip(*lists))
        )
    )


def prefer_fused(
    fused: Callable[..., None], otherwise: Callable[..., None], sharded: bool = False
) -> Callable[..., None]:
    """Return the step that runs `fused` where it can; `sharded`: PyTorch has it for `DTensor` as well."""

    @functools.wraps(otherwise)
    def step(group: Group, *lists: Tensors) -> None:
        (fused if is_fusible(sharded, *lists) else otherwise)(group, *lists)

    return step


def count_steps(steps: Tensors) -> None:
    """t ← t + 1; one tensor for all, so that PyTorch does not wrap the number once for every count."""
    torch._foreach_add_(steps, [torch.ones((), device=steps[0].device)] * len(steps))


def decay_gradients(group: Group, params: Tensors, grads: Tensors) -> Tensors:
    """Return ±g + λθ; a copy only where something changes."""
    if group["maximize"]:
        grads = list(torch._foreach_neg(grads))
        if group["weight_decay"] != 0:
            torch._foreach_add_(grads, params, alpha=group["weight_decay"])
    elif group["weight_decay"] != 0:
        grads = list(torch._foreach_add(grads, params, alpha=group["weight_decay"]))
    return grads


def step_in_blocks(step: Callable[..., None], group: Group, *lists: Tensors | None) -> None:
    """Run `step` over all entries of `lists`, on a CPU a few at a time. A list that is None stays None.

    Why: a step of many elementwise passes over more numbers than the cache holds waits for memory at each of them, and
    holds temporaries as large as the model. A block stays in the cache from one pass to the next.
    """
    given = [tensors for tensors in lists if tensors is not None]
    if given[0][0].device.type != "cpu" or torch.compiler.is_compiling():
        step(group, *lists)
        return
    block: list[tuple[Tensor, ...]] = []
    room = BLOCK_ELEMENTS

    def run_block() -> None:
        if block:
            columns = iter(zip(*block))
            step(group, *(None if tensors is None else list(next(columns)) for tensors in lists))
            block.clear()

    for row in zip(*given):
        large = row[0].numel() > BLOCK_ELEMENTS and all(t.is_contiguous() for t in row)
        for piece in zip(*(t.view(-1).split(BLOCK_ELEMENTS) for t in row)) if large else (row,):
            block.append(piece)
            room -= piece[0].numel()
            if room <= 0:
                run_block()
                room = BLOCK_ELEMENTS
    run_block()


# --- stochastic gradient descent ----------------------------------------------------------------------------


def sgd_multi_tensor(group: Group, params: Tensors, grads: Tensors) -> None:
    """θ(1 - ηλ) ∓ ηg: the same step without memory for g + λθ."""
    if group["weight_decay"] != 0:
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
    torch._foreach_add_(params, grads, alpha=group["lr"] if group["maximize"] else -group["lr"])


def _fused_sgd(
    group: Group, params: Tensors, grads: Tensors, velocities: Tensors, momentum: float, nesterov: bool
) -> None:
    torch._fused_sgd_(
        params,
        grads,
        velocities,
        weight_decay=group["weight_decay"],
        momentum=momentum,
        lr=group["lr"],
        dampening=0.0,
        nesterov=nesterov,
        maximize=group["maximize"],
        is_first_step=False,
    )


def sgd_fused(group: Group, params: Tensors, grads: Tensors) -> None:
    """PyTorch's `_fused_sgd_` without momentum."""
    _fused_sgd(group, params, grads, [], 0.0, False)


def momentum_multi_tensor(group: Group, params: Tensors, grads: Tensors, velocities: Tensors) -> None:
    lr, momentum = group["lr"], group["momentum"]
    grads = decay_gradients(group, params, grads)
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_add_(velocities, grads)
    if group["nesterov"]:  # in two terms: g + μv would need memory, or overwrite the gradients
        torch._foreach_add_(params, grads, alpha=-lr)
        torch._foreach_add_(params, velocities, alpha=-lr * momentum)
    else:
        torch._foreach_add_(params, velocities, alpha=-lr)


def momentum_fused(group: Group, params: Tensors, grads: Tensors, velocities: Tensors) -> None:
    """PyTorch's `_fused_sgd_`. Velocities are initialised with zeros, so that the first step is like all others."""
    momentum, nesterov = group["momentum"], group["nesterov"]
    if momentum == 0:  # the kernel would not keep v = g; from zero, any other momentum gives it
        torch._foreach_zero_(velocities)
        momentum, nesterov = 1.0, False
    _fused_sgd(group, params, grads, velocities, momentum, nesterov)


sgd_step = prefer_fused(sgd_fused, sgd_multi_tensor)
momentum_step = prefer_fused(momentum_fused, momentum_multi_tensor)

# --- adaptive -----------------------------------------------------------------------------------------------


def adagrad_multi_tensor(group: Group, params: Tensors, grads: Tensors, sums: Tensors, steps: Tensors) -> None:
    count_steps(steps)
    grads = decay_gradients(group, params, grads)
    torch._foreach_addcmul_(sums, grads, grads)
    scale = torch._foreach_sqrt(sums)
    torch._foreach_add_(scale, group["eps"])
    torch._foreach_addcdiv_(params, grads, scale, value=-group["lr"])


def adagrad_fused(group: Group, params: Tensors, grads: Tensors, sums: Tensors, steps: Tensors) -> None:
    """PyTorch's `_fused_adagrad_`."""
    count_steps(steps)
    rule = {name: group[name] for name in ("lr", "weight_decay", "eps", "maximize")}
    torch._fused_adagrad_(params, grads, sums, steps, lr_decay=0.0, **rule)


adagrad_step = prefer_fused(adagrad_fused, adagrad_multi_tensor)


def rmsprop_multi_tensor(
    group: Group,
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    steps: Tensors,
    grad_avgs: Tensors | None = None,
    velocities: Tensors | None = None,
) -> None:
    count_steps(steps)
    step_in_blocks(_rmsprop, group, params, grads, square_avgs, grad_avgs, velocities)


def _rmsprop(
    group: Group,
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    grad_avgs: Tensors | None,
    velocities: Tensors | None,
) -> None:
    lr, alpha = group["lr"], group["alpha"]
    grads = decay_gradients(group, params, grads)
    torch._foreach_mul_(square_avgs, alpha)
    torch._foreach_addcmul_(square_avgs, grads, grads, value=1 - alpha)
    if grad_avgs is None:
        scale = torch._foreach_sqrt(square_avgs)
    else:
        torch._foreach_lerp_(grad_avgs, grads, 1 - alpha)
        scale = torch._foreach_addcmul(square_avgs, grad_avgs, grad_avgs, value=-1)
        torch._foreach_sqrt_(scale)
    torch._foreach_add_(scale, group["eps"])
    if velocities is None:
        torch._foreach_addcdiv_(params, grads, scale, value=-lr)
    else:
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_addcdiv_(velocities, grads, scale)
        torch._foreach_add_(params, velocities, alpha=-lr)


def adadelta_multi_tensor(
    group: Group, params: Tensors, grads: Tensors, square_avgs: Tensors, acc_deltas: Tensors, steps: Tensors
) -> None:
    count_steps(steps)
    step_in_blocks(_adadelta, group, params, grads, square_avgs, acc_deltas)


def _adadelta(group: Group, params: Tensors, grads: Tensors, square_avgs: Tensors, acc_deltas: Tensors) -> None:
    rho, eps = group["rho"], group["eps"]
    grads = decay_gradients(group, params, grads)
    torch._foreach_mul_(square_avgs, rho)
    torch._foreach_addcmul_(square_avgs, grads, grads, value=1 - rho)
    scale = torch._foreach_add(square_avgs, eps)
    torch._foreach_sqrt_(scale)
    deltas = torch._foreach_add(acc_deltas, eps)
    torch._foreach_sqrt_(deltas)
    torch._foreach_div_(deltas, scale)
    torch._foreach_mul_(deltas, grads)
    torch._foreach_mul_(acc_deltas, rho)
    torch._foreach_addcmul_(acc_deltas, deltas, deltas, value=1 - rho)
    torch._foreach_add_(params, deltas, alpha=-group["lr"])


# --- clipping of gradients ----------------------------------------------------------------------------------


def _group_by_device_and_dtype(tensors: Tensors) -> list[Tensors]:
    """Return the tensors in groups of one device and one dtype, as multi-tensor kernels take them."""
    groups: dict[tuple[torch.device, torch.dtype], Tensors] = {}
    for tensor in tensors:
        groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return list(groups.values())


def scale_to_global_norm_(tensors: Tensors, max_norm: float) -> Tensor:
    """Clip with one multi-tensor call per dtype; the scale stays on the device, so that no call waits for it."""
    home, norms = tensors[0].device, []
    groups = _group_by_device_and_dtype(tensors)
    for group in groups:
        wide = torch.promote_types(group[0].dtype, torch.float32)
        norms += [norm.to(home) for norm in torch._foreach_norm(group, 2, dtype=wide)]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    if max_norm == torch.inf:
        return norm
    scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for group in groups:
        torch._foreach_mul_(group, scale.to(group[0].device))
    return norm


def clamp_(tensors: Tensors, limit: float) -> None:
    """Clamp every tensor to [-limit, limit]."""
    for group in _group_by_device_and_dtype(tensors):
        torch._foreach_clamp_min_(group, -limit)
        torch._foreach_clamp_max_(group, limit)
