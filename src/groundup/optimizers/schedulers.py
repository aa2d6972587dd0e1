"""Learning-rate schedules: exponential, by steps, on a plateau, and cosine with warm-up."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from groundup.checks import choice, integer, probability, real, require
from groundup.component import component

_ROBBINS = "Robbins and Monro 1951, A Stochastic Approximation Method, doi:10.1214/aoms/1177729586"


@component(54, "exponential decay of the learning rate", paper=_ROBBINS, oracle="torch's ExponentialLR, clamped")
class LR_Scheduler(torch.optim.lr_scheduler.LRScheduler):
    """ηₜ = max(η₀ γᵗ, min_lr), γ = `decay`: exponential decay, and the base of the other schedules.

    Call `step()` after each `optimizer.step()`, once an epoch or once a step. A subclass gives `rate(base, t)`: ηₜ as
    a closed form in t, so that a run resumed at t continues to the bit. As `torch.optim.lr_scheduler.ExponentialLR`,
    followed by the bound.

    `min_lr` only stops the fall: a learning rate that starts below it stays where it is, it is never raised.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        decay: float = 0.99,
        min_lr: float = 0.0,
        *,
        last_epoch: int = -1,
    ) -> None:
        self.decay = probability("decay", decay)
        self.min_lr = real("min_lr", min_lr, 0.0)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, t: int) -> float:
        """ηₜ of a group whose learning rate was `base`, before the bound."""
        return base * self.decay**t

    def get_lr(self) -> list[float]:  # type: ignore[override]
        """The learning rates at `last_epoch`, one a group."""
        require(
            len(self.base_lrs) == len(self.optimizer.param_groups),
            f"the optimizer has {len(self.optimizer.param_groups)} parameter groups, and had {len(self.base_lrs)} when "
            f"{type(self).__name__} was made; make the scheduler after the last add_param_group",
        )
        return [
            max(self.rate(base, self.last_epoch), min(base, self.min_lr))
            for base in (float(base) for base in self.base_lrs)
        ]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer, copied."""
        return deepcopy(super().state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken: sets the optimizer's learning rates too, whichever is loaded first."""
        super().load_state_dict(deepcopy(state_dict))
        for group, lr in zip(self.optimizer.param_groups, self._last_lr):
            group["lr"] = lr


@component(55, "decays the learning rate every few steps", paper=_ROBBINS, oracle="torch's StepLR")
class LR_StepScheduler(LR_Scheduler):
    """ηₜ = max(η₀ γ^⌊t / step_size⌋, min_lr): a cut by γ = `decay` every `step_size` steps.

    As `torch.optim.lr_scheduler.StepLR`, followed by the bound.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        step_size: int,
        decay: float = 0.1,
        min_lr: float = 0.0,
        *,
        last_epoch: int = -1,
    ) -> None:
        self.step_size = integer("step_size", step_size)
        super().__init__(optimizer, decay, min_lr, last_epoch=last_epoch)

    def rate(self, base: float, t: int) -> float:
        return base * self.decay ** (t // self.step_size)


@component(
    57,
    "linear warm-up, then half a cosine",
    paper="Loshchilov and Hutter 2017, SGDR, arXiv:1608.03983",
    oracle="torch's SequentialLR",
)
class LR_CosineDecayScheduler(LR_Scheduler):
    """A linear ramp from 0 to η₀ over `warmup_steps` w, then half a cosine down to `min_lr` over `decay_steps` T.

        t < w          η₀ t / w, but never below min_lr
        w ≤ t ≤ w+T    min_lr + ½ (η₀ - min_lr) (1 + cos(π (t - w) / T))        Loshchilov & Hutter 2017, eq. 5
        t > w+T        min_lr

    "SGDR: Stochastic Gradient Descent with Warm Restarts", https://arxiv.org/abs/1608.03983, without restarts.

    Differs from PyTorch's `CosineAnnealingLR`, which rises again past its end; and from the ramp of Hugging Face's
    `get_cosine_with_min_lr_schedule_with_warmup`, which passes below min_lr, only there.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        warmup_steps: int,
        decay_steps: int,
        min_lr: float = 0.0,
        *,
        last_epoch: int = -1,
    ) -> None:
        self.warmup_steps = integer("warmup_steps", warmup_steps, 0)
        self.decay_steps = integer("decay_steps", decay_steps)
        super().__init__(optimizer, min_lr=min_lr, last_epoch=last_epoch)

    def rate(self, base: float, t: int) -> float:
        if t < self.warmup_steps:
            return base * t / self.warmup_steps
        floor = min(base, self.min_lr)
        progress = min((t - self.warmup_steps) / self.decay_steps, 1.0)
        return floor + 0.5 * (base - floor) * (1 + math.cos(math.pi * progress))


class LR_NoamScheduler(LR_Scheduler):
    """η₀ min(t / w, √(w / t)), counted from t = 1: a linear ramp up to η₀ in `warmup_steps` w, then down as 1/√t.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, equation 3: d^-½ min(t^-½, t w^-³ᐟ²) is η₀ = 1/√(d w).
    """

    def __init__(self, optimizer: torch.optim.Optimizer, warmup_steps: int, *, last_epoch: int = -1) -> None:
        self.warmup_steps = integer("warmup_steps", warmup_steps)
        super().__init__(optimizer, last_epoch=last_epoch)

    def rate(self, base: float, t: int) -> float:
        return base * min((t + 1) / self.warmup_steps, math.sqrt(self.warmup_steps / (t + 1)))


@component(56, "lowers the learning rate when progress stops", paper=_ROBBINS, oracle="torch's ReduceLROnPlateau")
class LR_PlateauScheduler(LR_Scheduler):
    """η ← max(γη, min_lr) when the metric has been no better for more than `patience` steps; then the count restarts.

    Better is: below (1 - `threshold`) · best for `threshold_mode="rel"`, below best - `threshold` for "abs";
    with `mode="max"`, above (1 + threshold) · best or best + threshold. A cut smaller than 1e-8 is left out.
    As `torch.optim.lr_scheduler.ReduceLROnPlateau(factor=decay, ...)` without cooldown.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        patience: int = 10,
        decay: float = 0.1,
        min_lr: float = 0.0,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        *,
        mode: str = "min",
    ) -> None:
        self.patience = integer("patience", patience, 0)
        self.threshold = real("threshold", threshold, 0.0)
        self.threshold_mode = choice("threshold_mode", threshold_mode, ("rel", "abs"))
        self.mode = choice("mode", mode, ("min", "max"))
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        super().__init__(optimizer, decay, min_lr)

    def _initial_step(self) -> None:
        """The optimizer's learning rates stand until the first cut."""
        self.last_epoch = 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def step(self, metric: float | Tensor | None = None) -> None:
        """Take note of `metric`; cut when it is time."""
        if metric is None:
            raise TypeError("metric is missing: LR_PlateauScheduler follows one; call step(metric), as step(val_loss)")
        self.last_epoch += 1
        metric = float(metric)
        if self._is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.num_bad_epochs > self.patience:
            self.num_bad_epochs = 0
            for group in self.optimizer.param_groups:
                lr = max(group["lr"] * self.decay, self.min_lr)
                if group["lr"] - lr > 1e-8:
                    group["lr"] = lr
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _is_better(self, metric: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return metric > bound if self.mode == "max" else metric < bound
