"""Optimizer steps on PyTorch's multi-tensor and fused kernels: what they share, descent and the adaptive rules.

A rule has up to two bodies here, of one signature: `*_multi_tensor` (`torch._foreach_*`: one call for all
tensors) and `*_fused` (PyTorch's whole step in one kernel); `*_step` takes the second wherever it can.
The tensors of a call share one device and one dtype; steps are float32 scalars. All is updated in place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import torch
from torch import Tensor

Tensors = list[Tensor]
P = ParamSpec("P")
#: Numbers of one tensor that a CPU steps at a time: five tensors of them fit into a core's share of the cache.
BLOCK = 2**17
PLAIN = {Tensor, torch.nn.Parameter}

# --- what the steps share -----------------------------------------------------------------------------------


def _laid_out_alike(row: tuple[Tensor, ...]) -> bool:
    return all(t.is_contiguous() for t in row) or all(
        t.dim() == 0 or t.is_contiguous(memory_format=torch.channels_last) for t in row
    )


def _fusible(sharded: bool, params: Tensors, grads: Tensors, *states: Tensors) -> bool:
    """Whether PyTorch's fused steps may take these tensors.

    They walk the memory of parameter, gradient and state side by side, so that all must be laid out alike and
    without gaps; and `torch.compile` could not see into them (it fuses the multi-tensor step by itself).
    """
    first, lists = params[0], (params, grads, *states)
    return (
        first.device.type in ("cpu", "cuda")
        and not torch.compiler.is_compiling()
        and (sharded or PLAIN.issuperset(map(type, params)))
        and {g.dtype for g in grads} == {first.dtype}
        and (
            all(all(map(Tensor.is_contiguous, tensors)) for tensors in lists)  # the usual case, and the quicker check
            or all(_laid_out_alike(row) for row in zip(*lists))
        )
    )


def fused_where_possible(
    fused: Callable[P, None], otherwise: Callable[P, None], sharded: bool = False
) -> Callable[P, None]:
    """The step that takes `fused` where it can; `sharded` tells that PyTorch has it for `DTensor` as well."""

    @functools.wraps(otherwise)
    def step(*lists: P.args, **hyperparameters: P.kwargs) -> None:
        body = fused if _fusible(sharded, *lists) else otherwise  # type: ignore[arg-type]
        body(*lists, **hyperparameters)

    return step


def count(steps: Tensors) -> None:
    """t ← t + 1; one tensor for all spares PyTorch from wrapping the number once for every step."""
    torch._foreach_add_(steps, [torch.ones((), device=steps[0].device)] * len(steps))


def directed(params: Tensors, grads: Tensors, weight_decay: float, maximize: bool) -> Tensors:
    """g ← ±g + λθ; a copy only where something changes."""
    if maximize:
        grads = list(torch._foreach_neg(grads))
        if weight_decay != 0:
            torch._foreach_add_(grads, params, alpha=weight_decay)
    elif weight_decay != 0:
        grads = list(torch._foreach_add(grads, params, alpha=weight_decay))
    return grads


def in_blocks(step: Callable[..., None], *lists: Tensors | None, **hyperparameters: Any) -> None:
    """`step` over all entries of `lists`, on a CPU a few at a time: they stay in its cache from one pass to the next.

    A step of many elementwise passes over more numbers than the cache holds would wait for memory at each of them,
    and hold temporaries as large as the model. A list that is None stays None.
    """
    given = [tensors for tensors in lists if tensors is not None]
    if given[0][0].device.type != "cpu" or torch.compiler.is_compiling():
        step(*lists, **hyperparameters)
        return
    block: list[tuple[Tensor, ...]] = []
    room = BLOCK

    def done() -> None:
        if block:
            columns = iter(zip(*block))
            step(*(None if tensors is None else list(next(columns)) for tensors in lists), **hyperparameters)
            block.clear()

    for row in zip(*given):
        large = row[0].numel() > BLOCK and all(t.is_contiguous() for t in row)
        for piece in zip(*(t.view(-1).split(BLOCK) for t in row)) if large else (row,):
            block.append(piece)
            room -= piece[0].numel()
            if room <= 0:
                done()
                room = BLOCK
    done()


# --- stochastic gradient descent ----------------------------------------------------------------------------


def sgd_multi_tensor(params: Tensors, grads: Tensors, *, lr: float, weight_decay: float, maximize: bool) -> None:
    """θ(1 - ηλ) ∓ ηg: the same step without room for g + λθ."""
    if weight_decay != 0:
        torch._foreach_mul_(params, 1 - lr * weight_decay)
    torch._foreach_add_(params, grads, alpha=lr if maximize else -lr)


def sgd_fused(params: Tensors, grads: Tensors, *, lr: float, weight_decay: float, maximize: bool) -> None:
    """PyTorch's `_fused_sgd_` without momentum."""
    torch._fused_sgd_(
        params,
        grads,
        [],
        weight_decay=weight_decay,
        momentum=0.0,
        lr=lr,
        dampening=0.0,
        nesterov=False,
        maximize=maximize,
        is_first_step=False,
    )


def momentum_multi_tensor(
    params: Tensors,
    grads: Tensors,
    velocities: Tensors,
    *,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> None:
    grads = directed(params, grads, weight_decay, maximize)
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_add_(velocities, grads)
    if nesterov:  # in two terms: g + μv would need room, or overwrite the gradients
        torch._foreach_add_(params, grads, alpha=-lr)
        torch._foreach_add_(params, velocities, alpha=-lr * momentum)
    else:
        torch._foreach_add_(params, velocities, alpha=-lr)


def momentum_fused(
    params: Tensors,
    grads: Tensors,
    velocities: Tensors,
    *,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> None:
    """PyTorch's `_fused_sgd_`; velocities start at zero, which makes the first step no special case."""
    if momentum == 0:  # the kernel would not keep v = g; from zero, any other momentum gives it
        torch._foreach_zero_(velocities)
        momentum, nesterov = 1.0, False
    torch._fused_sgd_(
        params,
        grads,
        velocities,
        weight_decay=weight_decay,
        momentum=momentum,
        lr=lr,
        dampening=0.0,
        nesterov=nesterov,
        maximize=maximize,
        is_first_step=False,
    )


sgd_step = fused_where_possible(sgd_fused, sgd_multi_tensor)
momentum_step = fused_where_possible(momentum_fused, momentum_multi_tensor)

# --- adaptive -----------------------------------------------------------------------------------------------


def adagrad_multi_tensor(
    params: Tensors,
    grads: Tensors,
    sums: Tensors,
    steps: Tensors,
    *,
    lr: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    count(steps)
    grads = directed(params, grads, weight_decay, maximize)
    torch._foreach_addcmul_(sums, grads, grads)
    scale = torch._foreach_sqrt(sums)
    torch._foreach_add_(scale, eps)
    torch._foreach_addcdiv_(params, grads, scale, value=-lr)


def adagrad_fused(
    params: Tensors,
    grads: Tensors,
    sums: Tensors,
    steps: Tensors,
    *,
    lr: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """PyTorch's `_fused_adagrad_`."""
    count(steps)
    torch._fused_adagrad_(
        params, grads, sums, steps, lr=lr, lr_decay=0.0, weight_decay=weight_decay, eps=eps, maximize=maximize
    )


adagrad_step = fused_where_possible(adagrad_fused, adagrad_multi_tensor)


def rmsprop_multi_tensor(
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    grad_avgs: Tensors | None,
    velocities: Tensors | None,
    steps: Tensors,
    *,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    count(steps)
    rule = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": weight_decay}
    in_blocks(_rmsprop, params, grads, square_avgs, grad_avgs, velocities, maximize=maximize, **rule)


def _rmsprop(
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    grad_avgs: Tensors | None,
    velocities: Tensors | None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    grads = directed(params, grads, weight_decay, maximize)
    torch._foreach_mul_(square_avgs, alpha)
    torch._foreach_addcmul_(square_avgs, grads, grads, value=1 - alpha)
    if grad_avgs is None:
        scale = torch._foreach_sqrt(square_avgs)
    else:
        torch._foreach_lerp_(grad_avgs, grads, 1 - alpha)
        scale = torch._foreach_addcmul(square_avgs, grad_avgs, grad_avgs, value=-1)
        torch._foreach_sqrt_(scale)
    torch._foreach_add_(scale, eps)
    if velocities is None:
        torch._foreach_addcdiv_(params, grads, scale, value=-lr)
    else:
        torch._foreach_mul_(velocities, momentum)
        torch._foreach_addcdiv_(velocities, grads, scale)
        torch._foreach_add_(params, velocities, alpha=-lr)


def adadelta_multi_tensor(
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    acc_deltas: Tensors,
    steps: Tensors,
    *,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    count(steps)
    rule = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
    in_blocks(_adadelta, params, grads, square_avgs, acc_deltas, maximize=maximize, **rule)


def _adadelta(
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    acc_deltas: Tensors,
    *,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    grads = directed(params, grads, weight_decay, maximize)
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
    torch._foreach_add_(params, deltas, alpha=-lr)
