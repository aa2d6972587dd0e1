"""Adam (Kingma & Ba, 2015, arXiv:1412.6980) and AdamW (Loshchilov & Hutter, 2019, arXiv:1711.05101)."""

from __future__ import annotations

from typing import Any, ClassVar

from groundup.backend import fused_by
from groundup.component import component
from groundup.kernels import adam as kernels
from groundup.optimizers.base import Group, Optimizer, Params, Tensors, directed


@fused_by(kernels.adam_step)
def adam_step(
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
    """Algorithm 1: m and v are running means of g and g², each divided by what it lacks for having begun at zero."""
    for p, g, m, v, step in zip(params, grads, exp_avgs, exp_avg_sqs, steps):
        step += 1
        t = step.item()
        g = directed(p, g, weight_decay, maximize)
        m.mul_(beta1).add_((1 - beta1) * g)
        v.mul_(beta2).add_((1 - beta2) * g * g)
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        p -= lr * m_hat / (v_hat.sqrt() + eps)


@fused_by(kernels.adamw_step)
def adamw_step(
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
    """Algorithm 2: θ shrinks by itself, beside Adam's step, and the decay never enters m and v."""
    for p in params:
        p *= 1 - lr * weight_decay
    moments = (exp_avgs, exp_avg_sqs, steps)
    options = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "maximize": maximize}
    adam_step.reference(params, grads, *moments, weight_decay=0.0, **options)


@component(
    52,
    "adaptive estimates of the first and second moment",
    paper="Kingma and Ba 2015, Adam, arXiv:1412.6980",
    oracle="torch.optim.Adam",
)
class Adam(Optimizer):
    """m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;  θ ← θ - η m̂ / (√v̂ + ε),  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ).

    Kingma & Ba, "Adam: A Method for Stochastic Optimization", algorithm 1, https://arxiv.org/abs/1412.6980.
    `weight_decay` λ adds λθ to g (for decay beside the step, see `AdamW`).
    As `torch.optim.Adam`; betas may mix ints and floats, as in (0, 0.9), which PyTorch refuses.
    """

    torch_options: ClassVar[dict[str, Any]] = {"amsgrad": False, "decoupled_weight_decay": False}
    rule = staticmethod(adam_step)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float | int, float | int] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def state_names(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "step")

    def update(self, group: Group, params: Tensors, grads: Tensors, *states: Tensors) -> None:
        exp_avgs, exp_avg_sqs, steps = states
        beta1, beta2 = group["betas"]
        self.rule(
            params,
            grads,
            exp_avgs,
            exp_avg_sqs,
            steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )


@component(
    53,
    "Adam with decoupled weight decay",
    paper="Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization, arXiv:1711.05101",
    oracle="torch.optim.AdamW",
)
class AdamW(Adam):
    """θ ← (1 - ηλ)θ, then Adam's step.

    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", algorithm 2, https://arxiv.org/abs/1711.05101.
    As `torch.optim.AdamW`.

    Differs from the paper: there θ shrinks by ηₜλ, ηₜ being the schedule's factor alone; here, as everywhere in
    practice, by the learning rate (schedule times base rate) times λ: the paper's λ is lr · `weight_decay`.
    """

    torch_options: ClassVar[dict[str, Any]] = {"amsgrad": False, "decoupled_weight_decay": True}
    rule = staticmethod(adamw_step)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float | int, float | int] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize, check_finite=check_finite)
