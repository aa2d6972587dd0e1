"""A learning rate for every weight: AdaGrad (Duchi 2011), RMSProp (Hinton 2012), AdaDelta (Zeiler 2012)."""

from __future__ import annotations

from typing import Any, ClassVar

from groundup.backend import fused_by
from groundup.component import component
from groundup.kernels import optimizers as kernels
from groundup.optimizers.base import Group, Optimizer, Params, Tensors, directed


@fused_by(kernels.adagrad_step)
def adagrad_step(
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
    """G ← G + g²;  θ ← θ - η g / (√G + ε)."""
    for p, g, G, step in zip(params, grads, sums, steps):
        step += 1
        g = directed(p, g, weight_decay, maximize)
        G += g * g
        p -= lr * g / (G.sqrt() + eps)


@component(
    49,
    "a learning rate per coordinate, from all past gradients",
    paper="Duchi et al. 2011, Adaptive Subgradient Methods, https://jmlr.org/papers/v12/duchi11a.html",
    oracle="torch.optim.Adagrad",
)
class AdaGrad(Optimizer):
    """G ← G + g²;  θ ← θ - η g / (√G + ε).

    Duchi, Hazan & Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011,
    https://jmlr.org/papers/v12/duchi11a.html, with the diagonal of their G. Sparse gradients, which the method was
    made for, are stepped when `weight_decay` is 0. As `torch.optim.Adagrad(lr_decay=0)`.

    Differs from the paper: δ there is inside, √(δ + G); ε is added to the root, as in PyTorch.
    """

    torch_options: ClassVar[dict[str, Any]] = {"lr_decay": 0.0}
    rowwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, eps=eps, weight_decay=weight_decay, maximize=maximize, check_finite=check_finite
        )

    def state_names(self, group: Group) -> tuple[str, ...]:
        return ("sum", "step")

    def update(self, group: Group, params: Tensors, grads: Tensors, *states: Tensors) -> None:
        sums, steps = states
        adagrad_step(
            params,
            grads,
            sums,
            steps,
            lr=group["lr"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )


@fused_by(kernels.rmsprop_multi_tensor)
def rmsprop_step(
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
    """s ← αs + (1-α)g²;  d = g / (√s + ε);  θ ← θ - η d.

    With `grad_avgs` ḡ, the running mean of g, the root is of the variance s - ḡ². With `velocities` b, the step is
    along b ← μb + d.
    """
    for i, (p, g, s, step) in enumerate(zip(params, grads, square_avgs, steps)):
        step += 1
        g = directed(p, g, weight_decay, maximize)
        s.mul_(alpha).add_((1 - alpha) * g * g)
        variance = s
        if grad_avgs is not None:
            g_bar = grad_avgs[i].mul_(alpha).add_((1 - alpha) * g)
            variance = s - g_bar * g_bar
        d = g / (variance.sqrt() + eps)
        if velocities is not None:
            d = velocities[i].mul_(momentum).add_(d)
        p -= lr * d


@component(
    50,
    "a learning rate per coordinate, from recent gradients",
    paper=(
        "Tieleman and Hinton 2012, Lecture 6.5: rmsprop, "
        "https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf"
    ),
    oracle="torch.optim.RMSprop",
)
class RMSProp(Optimizer):
    """s ← αs + (1-α)g²;  θ ← θ - η g / (√s + ε).

    Tieleman & Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012. `centered` divides by the standard
    deviation of g in place of its root mean square (Graves 2013, arXiv:1308.0850, eqs 38-41); `momentum` μ steps
    along b ← μb + g / (√s + ε). As `torch.optim.RMSprop`.

    Differs from the lecture: it averages with 0.9, the default here is PyTorch's α = 0.99. TensorFlow's RMSProp has ε
    under the root and starts s at 1.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            momentum=momentum,
            centered=centered,
            weight_decay=weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def state_names(self, group: Group) -> tuple[str, ...]:
        optional = [("grad_avg", group["centered"]), ("momentum_buffer", group["momentum"] > 0)]
        return ("square_avg", "step", *(name for name, wanted in optional if wanted))

    def update(self, group: Group, params: Tensors, grads: Tensors, *states: Tensors) -> None:
        kept = dict(zip(self.state_names(group), states))
        rmsprop_step(
            params,
            grads,
            kept["square_avg"],
            kept.get("grad_avg"),
            kept.get("momentum_buffer"),
            kept["step"],
            lr=group["lr"],
            alpha=group["alpha"],
            eps=group["eps"],
            momentum=group["momentum"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )


@fused_by(kernels.adadelta_multi_tensor)
def adadelta_step(
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
    """Algorithm 1: Δ = g √(u + ε) / √(s + ε), s and u being running means of g² and of Δ²;  θ ← θ - η Δ."""
    for p, g, s, u, step in zip(params, grads, square_avgs, acc_deltas, steps):
        step += 1
        g = directed(p, g, weight_decay, maximize)
        s.mul_(rho).add_((1 - rho) * g * g)
        delta = g * (u + eps).sqrt() / (s + eps).sqrt()
        u.mul_(rho).add_((1 - rho) * delta * delta)
        p -= lr * delta


@component(
    51,
    "step sizes from recent gradients and recent updates",
    paper="Zeiler 2012, ADADELTA, arXiv:1212.5701",
    oracle="torch.optim.Adadelta",
)
class AdaDelta(Optimizer):
    """s ← ρs + (1-ρ)g²;  Δ = g √(u + ε) / √(s + ε);  u ← ρu + (1-ρ)Δ²;  θ ← θ - η Δ.

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1, https://arxiv.org/abs/1212.5701.
    As `torch.optim.Adadelta`.

    Differs from the paper: it has no learning rate (η = 1, the default; schedules need one) and uses ρ = 0.95.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def state_names(self, group: Group) -> tuple[str, ...]:
        return ("square_avg", "acc_delta", "step")

    def update(self, group: Group, params: Tensors, grads: Tensors, *states: Tensors) -> None:
        square_avgs, acc_deltas, steps = states
        adadelta_step(
            params,
            grads,
            square_avgs,
            acc_deltas,
            steps,
            lr=group["lr"],
            rho=group["rho"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )
