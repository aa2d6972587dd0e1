"""Stochastic gradient descent (Robbins & Monro 1951), plain and with momentum (Polyak 1964, Nesterov 1983)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from groundup.backend import fused_by
from groundup.component import component
from groundup.kernels import optimizers as kernels
from groundup.optimizers.base import Group, Optimizer, Params, Tensors, directed


@fused_by(kernels.sgd_step)
def sgd_step(params: Tensors, grads: Tensors, *, lr: float, weight_decay: float, maximize: bool) -> None:
    """θ ← θ - η (g + λθ)."""
    for p, g in zip(params, grads):
        p -= lr * directed(p, g, weight_decay, maximize)


@component(
    47,
    "stochastic gradient descent",
    paper="Robbins and Monro 1951, A Stochastic Approximation Method, doi:10.1214/aoms/1177729586",
    oracle="torch.optim.SGD",
)
class SGD(Optimizer):
    """θ ← θ - η g.

    Robbins & Monro, "A stochastic approximation method", 1951. `weight_decay` λ adds λθ to g, which for this rule
    is the same as decoupled decay, θ ← (1 - ηλ)θ - ηg. Sparse gradients are stepped when λ = 0.
    As `torch.optim.SGD(lr=lr, weight_decay=weight_decay)`.
    """

    torch_options: ClassVar[dict[str, Any]] = {"momentum": 0.0, "dampening": 0.0, "nesterov": False}
    rowwise = True

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

    def update(self, group: Group, params: Tensors, grads: Tensors, *states: Tensors) -> None:
        sgd_step(params, grads, lr=group["lr"], weight_decay=group["weight_decay"], maximize=group["maximize"])

    def _update_entries(self, group: Group, p: Tensor, grad: Tensor, *state: Tensor) -> None:
        """The step is linear in g: entries that a sparse gradient names twice need not be added up first."""
        p.add_(grad, alpha=group["lr"] if group["maximize"] else -group["lr"])


@fused_by(kernels.momentum_step)
def momentum_step(
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
    """v ← μv + g;  θ ← θ - η v, or with Nesterov's look ahead θ ← θ - η (g + μv)."""
    for p, g, v in zip(params, grads, velocities):
        g = directed(p, g, weight_decay, maximize)
        # One addition: torch.compile takes the first step's 0 + g for g, and would keep the gradient itself as v.
        torch.add(g, v, alpha=momentum, out=v)
        p -= lr * (g + momentum * v if nesterov else v)


@component(
    48,
    "SGD with momentum, optionally Nesterov's",
    paper=(
        "Sutskever et al. 2013, On the Importance of Initialization and Momentum in Deep Learning, "
        "https://proceedings.mlr.press/v28/sutskever13.html"
    ),
    oracle="torch.optim.SGD(momentum)",
)
class SGD_Momentum(Optimizer):
    """v ← μv + g;  θ ← θ - η v.

    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; `nesterov` takes the gradient's
    step from where momentum will have carried θ: θ ← θ - η (g + μv), as Sutskever et al., "On the importance of
    initialization and momentum in deep learning", 2013, section 2, wrote Nesterov's method.
    As `torch.optim.SGD(lr, momentum, nesterov=nesterov, weight_decay=weight_decay)` with no dampening.

    Differs from the paper: Sutskever folds η into v (v ← μv - ηg; θ ← θ + v). The two are equal while η is constant;
    under a schedule, a change of η here acts on the whole velocity at once.
    """

    torch_options: ClassVar[dict[str, Any]] = {"dampening": 0.0}

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

    def update(self, group: Group, params: Tensors, grads: Tensors, *states: Tensors) -> None:
        (velocities,) = states
        momentum_step(
            params,
            grads,
            velocities,
            lr=group["lr"],
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )
