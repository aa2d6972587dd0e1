"""A learning rate for every weight: AdaGrad (Duchi 2011), RMSProp (Hinton 2012), AdaDelta (Zeiler 2012).

Why: one learning rate must be small enough for the steepest coordinate and is then too small for flat ones. These rules
divide each coordinate's gradient by its own usual size, so that the step does not depend on the scale of the loss.

Legend: θ a parameter, g its gradient, η the learning rate `lr`, λ `weight_decay`, ε `eps`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from groundup.backend import fused_by
from groundup.component import component
from groundup.kernels import optimizers as kernels
from groundup.optimizers.base import Group, Optimizer, Params, Tensors, decay_gradient


@fused_by(kernels.adagrad_step)
def adagrad_step(group: Group, params: Tensors, grads: Tensors, sums: Tensors, steps: Tensors) -> None:
    """G ← G + g²;  θ ← θ - η g / (√G + ε)"""
    for p, g, G, step in zip(params, grads, sums, steps):
        step += 1
        g = decay_gradient(group, p, g)
        G += g * g
        p -= group["lr"] * g / (G.sqrt() + group["eps"])


@component(
    49,
    "a learning rate per coordinate, from all past gradients",
    paper="Duchi et al. 2011, Adaptive Subgradient Methods, https://jmlr.org/papers/v12/duchi11a.html",
    oracle="torch.optim.Adagrad",
)
class AdaGrad(Optimizer):
    """G ← G + g²;  θ ← θ - η g / (√G + ε)

    Coordinates that are rarely used, as those of rare words, have a small G and take long steps. G only grows, so that
    all steps shrink like 1/√t: good for convex problems, too soon for deep networks, which the two rules below avoid.

    Args:
        params: see `Optimizer`.
        lr: η.
        eps: ε, keeps the first steps finite.
        weight_decay: λ, adds λθ to g.
        maximize, check_finite: see `Optimizer`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
        >>> weight.grad = torch.tensor([100.0, 0.01])
        >>> AdaGrad([weight], lr=0.1).step()
        >>> [round(w, 4) for w in weight.tolist()]  # the first step is as long for both
        [0.9, 0.9]

    Duchi, Hazan & Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011,
    https://jmlr.org/papers/v12/duchi11a.html, with the diagonal of their G. Sparse gradients, which the method was
    made for, are stepped when `weight_decay` is 0. As `torch.optim.Adagrad(lr_decay=0)`.

    Differs from the paper: δ there is inside, √(δ + G); ε is added to the root, as in PyTorch.
    """

    torch_options: ClassVar[dict[str, Any]] = {"lr_decay": 0.0}
    rowwise = True

    rule = staticmethod(adagrad_step)

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


@fused_by(kernels.rmsprop_multi_tensor)
def rmsprop_step(
    group: Group,
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    steps: Tensors,
    grad_avgs: Tensors | None = None,
    velocities: Tensors | None = None,
) -> None:
    """s ← αs + (1-α)g²;  d = g / (√s + ε);  θ ← θ - η d

    With `grad_avgs` ḡ, the running average of g, the root is of the variance s - ḡ². With `velocities` b, the step is
    along b ← μb + d.
    """
    lr, alpha, eps = group["lr"], group["alpha"], group["eps"]
    for i, (p, g, s, step) in enumerate(zip(params, grads, square_avgs, steps)):
        step += 1
        g = decay_gradient(group, p, g)
        s.mul_(alpha).add_((1 - alpha) * g * g)
        variance = s
        if grad_avgs is not None:
            g_bar = grad_avgs[i].mul_(alpha).add_((1 - alpha) * g)
            variance = s - g_bar * g_bar
        d = g / (variance.sqrt() + eps)
        if velocities is not None:
            d = velocities[i].mul_(group["momentum"]).add_(d)
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
    """s ← αs + (1-α)g²;  θ ← θ - η g / (√s + ε)

    Why an average where AdaGrad has a sum: s forgets old gradients, so that steps do not shrink for ever.

    Args:
        params: see `Optimizer`.
        lr: η.
        alpha: α, in [0, 1].
        eps: ε.
        momentum: μ; above 0 the step is along b ← μb + g / (√s + ε).
        centered: divide by the standard deviation of g instead of its root mean square (Graves 2013, arXiv:1308.0850,
            equations 38 to 41).
        weight_decay: λ, adds λθ to g.
        maximize, check_finite: see `Optimizer`.

    Tieleman & Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012. As `torch.optim.RMSprop`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> weight.grad = torch.tensor([5.0])
        >>> RMSProp([weight], lr=0.01, alpha=0.99).step()
        >>> round(weight.item(), 4)  # 1 - 0.01 / √0.01
        0.9

    Differs from the lecture: it averages with 0.9, the default here is PyTorch's α = 0.99. TensorFlow's RMSProp has ε
    under the root and starts s at 1.
    """

    rule = staticmethod(rmsprop_step)

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
        optional = (kept.get("grad_avg"), kept.get("momentum_buffer"))
        rmsprop_step(group, params, grads, kept["square_avg"], kept["step"], *optional)


@fused_by(kernels.adadelta_multi_tensor)
def adadelta_step(
    group: Group, params: Tensors, grads: Tensors, square_avgs: Tensors, acc_deltas: Tensors, steps: Tensors
) -> None:
    """Algorithm 1: Δ = g √(u + ε) / √(s + ε), s and u the running averages of g² and of Δ²;  θ ← θ - η Δ"""
    rho, eps = group["rho"], group["eps"]
    for p, g, s, u, step in zip(params, grads, square_avgs, acc_deltas, steps):
        step += 1
        g = decay_gradient(group, p, g)
        s.mul_(rho).add_((1 - rho) * g * g)
        delta = g * (u + eps).sqrt() / (s + eps).sqrt()
        u.mul_(rho).add_((1 - rho) * delta * delta)
        p -= group["lr"] * delta


@component(
    51,
    "step sizes from recent gradients and recent updates",
    paper="Zeiler 2012, ADADELTA, arXiv:1212.5701",
    oracle="torch.optim.Adadelta",
)
class AdaDelta(Optimizer):
    """s ← ρs + (1-ρ)g²;  Δ = g √(u + ε) / √(s + ε);  u ← ρu + (1-ρ)Δ²;  θ ← θ - η Δ

    Why √u: g / √s has no unit, but θ has one. The size of recent updates gives the step the right unit, and replaces
    the learning rate.

    Args:
        params: see `Optimizer`.
        lr: η.
        rho: ρ, in [0, 1].
        eps: ε, without which the first step would be 0.
        weight_decay: λ, adds λθ to g.
        maximize, check_finite: see `Optimizer`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> weight.grad = torch.tensor([5.0])
        >>> AdaDelta([weight], eps=1e-6).step()
        >>> round(weight.item(), 4)
        0.9968

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1, https://arxiv.org/abs/1212.5701.
    As `torch.optim.Adadelta`.

    Differs from the paper: it has no learning rate (η = 1, the default; schedules need one) and uses ρ = 0.95.
    """

    rule = staticmethod(adadelta_step)

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
