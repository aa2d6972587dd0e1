"""Adam (Kingma & Ba, 2015, arXiv:1412.6980) and AdamW (Loshchilov & Hutter, 2019, arXiv:1711.05101).

Legend: θ a parameter, g its gradient, η the learning rate `lr`, λ `weight_decay`, (β₁, β₂) `betas`, ε `eps`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from groundup.backend import fused_by
from groundup.component import component
from groundup.kernels import adam as kernels
from groundup.optimizers.base import Group, Optimizer, Params, Tensors, decay_gradient


@fused_by(kernels.adam_step)
def adam_step(
    group: Group, params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors, steps: Tensors
) -> None:
    """Algorithm 1: m and v are running averages of g and g²; m̂ and v̂ correct their bias."""
    beta1, beta2 = group["betas"]
    for p, g, m, v, step in zip(params, grads, exp_avgs, exp_avg_sqs, steps):
        step += 1
        t = step.item()
        g = decay_gradient(group, p, g)
        m.mul_(beta1).add_((1 - beta1) * g)
        v.mul_(beta2).add_((1 - beta2) * g * g)
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        p -= group["lr"] * m_hat / (v_hat.sqrt() + group["eps"])


@fused_by(kernels.adamw_step)
def adamw_step(
    group: Group, params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors, steps: Tensors
) -> None:
    """Algorithm 2: θ ← (1 - ηλ)θ, then Adam's step; the decay never enters m and v."""
    for p in params:
        p *= 1 - group["lr"] * group["weight_decay"]
    adam_step.reference({**group, "weight_decay": 0.0}, params, grads, exp_avgs, exp_avg_sqs, steps)


@component(
    52,
    "adaptive estimates of the first and second moment",
    paper="Kingma and Ba 2015, Adam, arXiv:1412.6980",
    oracle="torch.optim.Adam",
)
class Adam(Optimizer):
    """m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;  θ ← θ - η m̂ / (√v̂ + ε),  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ)

    Why: m is momentum, and √v̂ the usual size of the gradient, as in RMSProp: each coordinate moves by about η per step,
    less where the sign of its gradient changes. Why the bias correction: m and v are initialised with 0: after t
    steps their weights sum to 1 - βᵗ, not to 1. Without it the first steps, with β₂ = 0.999, would be 3 times as long.

    Args:
        params: see `Optimizer`.
        lr: η.
        betas: (β₁, β₂), each in [0, 1), ints or floats.
        eps: ε, bounds the step where the gradient is almost 0.
        weight_decay: λ, adds λθ to g, which v then divides again; for decay of equal strength everywhere see `AdamW`.
        maximize, check_finite: see `Optimizer`.

    Kingma & Ba, "Adam: A Method for Stochastic Optimization", algorithm 1, https://arxiv.org/abs/1412.6980.
    As `torch.optim.Adam`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
        >>> weight.grad = torch.tensor([100.0, -0.01])
        >>> Adam([weight], lr=0.1).step()
        >>> [round(w, 4) for w in weight.tolist()]  # the first step is as long as the learning rate
        [0.9, 1.1]
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


@component(
    53,
    "Adam with decoupled weight decay",
    paper="Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization, arXiv:1711.05101",
    oracle="torch.optim.AdamW",
)
class AdamW(Adam):
    """θ ← (1 - ηλ)θ, then Adam's step

    Why: Adam divides an L2 penalty in the gradient by √v̂, so that weights with large gradients hardly decay. Decoupled,
    all decay alike, and the best λ depends less on the best η.

    Args:
        params, lr, betas, eps, maximize, check_finite: see `Adam`.
        weight_decay: λ.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> weight.grad = torch.tensor([0.0])
        >>> AdamW([weight], lr=0.1, weight_decay=0.5).step()
        >>> round(weight.item(), 4)
        0.95

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
