"""Stochastic gradient descent (Robbins & Monro 1951), plain and with momentum (Polyak 1964, Nesterov 1983).

Legend: θ a parameter, g its gradient, η the learning rate `lr`, λ `weight_decay`, μ `momentum`, v the velocity.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from groundup.backend import fused_by
from groundup.component import component
from groundup.kernels import optimizers as kernels
from groundup.optimizers.base import Group, Optimizer, Params, Tensors, decay_gradient


@fused_by(kernels.sgd_step)
def sgd_step(group: Group, params: Tensors, grads: Tensors) -> None:
    """θ ← θ - η (g + λθ)"""
    for p, g in zip(params, grads):
        p -= group["lr"] * decay_gradient(group, p, g)


@component(
    47,
    "stochastic gradient descent",
    paper="Robbins and Monro 1951, A Stochastic Approximation Method, doi:10.1214/aoms/1177729586",
    oracle="torch.optim.SGD",
)
class SGD(Optimizer):
    """θ ← θ - η g

    Why it works on a few samples at a time: their gradient is the full gradient plus noise of mean zero, and with a
    learning rate that falls slowly enough the noise averages out (Robbins & Monro 1951).

    Args:
        params: see `Optimizer`.
        lr: η. Too large, and a step overshoots along the direction of largest curvature; the loss grows.
        weight_decay: λ, adds λθ to g. For this rule it is the same as decoupled decay, θ ← (1 - ηλ)θ - ηg.
        maximize, check_finite: see `Optimizer`.

    Sparse gradients are stepped when λ = 0. As `torch.optim.SGD(lr=lr, weight_decay=weight_decay)`.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> (weight**2).backward()
        >>> SGD([weight], lr=0.1).step()
        >>> weight.item()
        0.800000011920929
    """

    torch_options: ClassVar[dict[str, Any]] = {"momentum": 0.0, "dampening": 0.0, "nesterov": False}
    rowwise = True
    rule = staticmethod(sgd_step)

    def __init__(
        self,
        params: Params,
        lr: float,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, maximize=maximize, check_finite=check_finite)

    def _update_entries(self, group: Group, p: Tensor, grad: Tensor, *state: Tensor) -> None:
        """The step is linear in g: entries that a sparse gradient names twice need not be added up first."""
        p.add_(grad, alpha=group["lr"] if group["maximize"] else -group["lr"])


@fused_by(kernels.momentum_step)
def momentum_step(group: Group, params: Tensors, grads: Tensors, velocities: Tensors) -> None:
    """v ← μv + g;  θ ← θ - η v, or with Nesterov's look-ahead θ ← θ - η (g + μv)"""
    lr, momentum = group["lr"], group["momentum"]
    for p, g, v in zip(params, grads, velocities):
        g = decay_gradient(group, p, g)
        # One addition: torch.compile takes the first step's 0 + g for g, and would keep the gradient itself as v.
        torch.add(g, v, alpha=momentum, out=v)
        p -= lr * (g + momentum * v if group["nesterov"] else v)


@component(
    48,
    "SGD with momentum, optionally Nesterov's",
    paper=(
        "Sutskever et al. 2013, On the Importance of Initialization and Momentum in Deep Learning,"
        " https://proceedings.mlr.press/v28/sutskever13.html"
    ),
    oracle="torch.optim.SGD(momentum)",
)
class SGD_Momentum(Optimizer):
    """v ← μv + g;  θ ← θ - η v

    Why: in a narrow valley the gradients across it change their sign from step to step and cancel in v, and those along
    it add up. For a constant gradient v grows to g / (1 - μ): with μ = 0.9, steps ten times as long.

    Args:
        params: see `Optimizer`.
        lr: η.
        momentum: μ, in [0, 1].
        nesterov: take the gradient's step from where momentum will have carried θ: θ ← θ - η (g + μv). It brakes a step
            earlier when the valley bends.
        weight_decay: λ, adds λθ to g.
        maximize, check_finite: see `Optimizer`.

    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Nesterov's method as Sutskever et
    al., "On the importance of initialization and momentum in deep learning", 2013, section 2, wrote it.
    As `torch.optim.SGD(lr, momentum, nesterov=nesterov, weight_decay=weight_decay)` with no dampening.

    Differs from the paper: Sutskever folds η into v (v ← μv - ηg; θ ← θ + v). The two are equal while η is constant;
    under a schedule, a change of η here acts on the whole velocity at once.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SGD_Momentum([weight], lr=0.1, momentum=0.5)
        >>> for _ in range(2):
        ...     weight.grad = torch.tensor([1.0])
        ...     optimizer.step()  # by 0.1, then by 0.1 (0.5 + 1)
        >>> round(weight.item(), 4)
        0.75
    """

    torch_options: ClassVar[dict[str, Any]] = {"dampening": 0.0}
    rule = staticmethod(momentum_step)

    def __init__(
        self,
        params: Params,
        lr: float,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def state_names(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",)
