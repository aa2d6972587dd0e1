"""Learning-rate schedules: exponential decay, steps, plateau, cosine with warm-up, and inverse square root.

Why: stochastic gradients are noisy. With a constant rate the parameters end up wandering around a minimum, the further
the larger the rate; a small rate from the start takes too long to get there. Robbins and Monro 1951 give the condition:
Σ η diverges and Σ η² converges.

Legend: η_t the learning rate after t calls of `step()`, η₀ the optimizer's own.
"""

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
    """η_t = max(η₀ γᵗ, min_lr): exponential decay, and the base class of the other schedules

    Call `step()` after each `optimizer.step()`, or once per epoch. A subclass defines `rate(base, t)`: η_t in closed
    form, so that a run that resumes at t continues with exactly the same rates.

    Args:
        optimizer: its learning rates are η₀, one per parameter group.
        decay: γ, in [0, 1].
        min_lr: the lower bound. A rate that starts below it stays as it is.
        last_epoch: t to start at; -1 starts a new schedule.

    As `torch.optim.lr_scheduler.ExponentialLR`, followed by the bound.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = LR_Scheduler(optimizer, decay=0.5)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, decay: float = 0.99, min_lr: float = 0.0, *, last_epoch: int = -1
    ) -> None:
        self.decay = probability("decay", decay)
        self.min_lr = real("min_lr", min_lr, 0.0)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, t: int) -> float:
        """Return η_t of a group whose η₀ is `base`, before the bound."""
        return base * self.decay**t

    def get_lr(self) -> list[float]:  # type: ignore[override]
        """Return η_t at t = `last_epoch`, one per group."""
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
        """Return a copy of everything except the optimizer."""
        return deepcopy(super().state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`. The optimizer's rates are set too, so that either may be loaded first."""
        super().load_state_dict(deepcopy(state_dict))
        for group, lr in zip(self.optimizer.param_groups, self._last_lr):
            group["lr"] = lr


@component(55, "decays the learning rate every few steps", paper=_ROBBINS, oracle="torch's StepLR")
class LR_StepScheduler(LR_Scheduler):
    """η_t = max(η₀ γ^⌊t / step_size⌋, min_lr): multiply by γ every `step_size` steps

    Args:
        optimizer: see `LR_Scheduler`.
        step_size: the number of steps between cuts.
        decay: γ, in [0, 1].
        min_lr, last_epoch: see `LR_Scheduler`.

    As `torch.optim.lr_scheduler.StepLR`, followed by the bound.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = LR_StepScheduler(optimizer, step_size=2)
        >>> [round(scheduler.rate(1.0, t), 4) for t in range(5)]
        [1.0, 1.0, 0.1, 0.1, 0.01]
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
    """A linear warm-up from 0 to η₀ in w steps, then half a cosine down to `min_lr` in T steps

        t < w          η₀ t / w, but at least min_lr
        w ≤ t ≤ w+T    min_lr + ½ (η₀ - min_lr) (1 + cos(π (t - w) / T))        equation 5
        t > w+T        min_lr

    Why the warm-up: at first the weights are random and Adam's averages are estimates from a few gradients, so that
    large steps may diverge. Why a cosine: the rate stays high for long, and is small for the last steps.

    Args:
        optimizer: see `LR_Scheduler`.
        warmup_steps: w; 0 has no warm-up.
        decay_steps: T.
        min_lr, last_epoch: see `LR_Scheduler`.

    Loshchilov and Hutter 2017, SGDR, arXiv:1608.03983, without its restarts.

    Differs from PyTorch's `CosineAnnealingLR`, which rises again after its end; and from Hugging Face's
    `get_cosine_with_min_lr_schedule_with_warmup` only where its warm-up is below min_lr.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = LR_CosineDecayScheduler(optimizer, warmup_steps=2, decay_steps=2)
        >>> [round(scheduler.rate(1.0, t), 4) for t in range(5)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
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
    """η_t = η₀ min(t / w, √(w / t)), with t counted from 1: a linear warm-up to η₀ in w steps, then down as 1 / √t

    Args:
        optimizer: see `LR_Scheduler`.
        warmup_steps: w; 4000 in the paper.
        last_epoch: see `LR_Scheduler`.

    Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762, equation 3: its d^-½ min(t^-½, t w^-³ᐟ²) is this
    with η₀ = 1 / √(d w). The rate never reaches 0, so that the length of the training need not be known beforehand.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = LR_NoamScheduler(optimizer, warmup_steps=2)
        >>> [round(scheduler.rate(1.0, t), 4) for t in range(4)]
        [0.5, 1.0, 0.8165, 0.7071]
    """

    def __init__(self, optimizer: torch.optim.Optimizer, warmup_steps: int, *, last_epoch: int = -1) -> None:
        self.warmup_steps = integer("warmup_steps", warmup_steps)
        super().__init__(optimizer, last_epoch=last_epoch)

    def rate(self, base: float, t: int) -> float:
        return base * min((t + 1) / self.warmup_steps, math.sqrt(self.warmup_steps / (t + 1)))


@component(56, "lowers the learning rate when progress stops", paper=_ROBBINS, oracle="torch's ReduceLROnPlateau")
class LR_PlateauScheduler(LR_Scheduler):
    """η ← max(γη, min_lr) when a metric has not improved for more than `patience` steps

    Why: no schedule has to be chosen beforehand. The rate falls when noise of its size prevents progress.

    Args:
        optimizer: see `LR_Scheduler`.
        patience: steps without improvement that are tolerated; after a cut the count starts again.
        decay: γ.
        min_lr: the lower bound.
        threshold: the smallest improvement that counts.
        threshold_mode: "rel": better than (1 - threshold) · best; "abs": better than best - threshold. With mode="max"
            (1 + threshold) · best and best + threshold.
        mode: "min" or "max": which metric is better.

    As `torch.optim.lr_scheduler.ReduceLROnPlateau(factor=decay)` without cooldown. A cut below 1e-8 is not made.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = LR_PlateauScheduler(optimizer, patience=1)
        >>> for loss in (2.0, 2.0, 2.0):
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.1]
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
        """Keep the optimizer's learning rates."""
        self.last_epoch = 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def step(self, metric: float | Tensor | None = None) -> None:
        """Compare `metric` with the best so far, and lower the learning rates if it has not improved for long."""
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
