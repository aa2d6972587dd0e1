"""Where a run stands, and what it came to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from groundup.training.checkpoint import Checkpoints
from groundup.training.logs import clock


class NonFiniteLoss(ArithmeticError):
    """The loss or the gradient became NaN or infinite; the optimizer step was not taken."""


def non_finite(
    loss: float, norm: float, at: Position, optimizer: torch.optim.Optimizer, checkpoints: Checkpoints
) -> NonFiniteLoss:
    """What to raise in the step after `at`."""
    lr, saved = optimizer.param_groups[0]["lr"], checkpoints.steps()
    what = f"the loss is {loss}" if not isfinite(loss) else f"the gradient's norm is {norm} (loss {loss:.6g})"
    kept = f"the last good checkpoint is {checkpoints.path(saved[-1])}" if saved else "no checkpoint was saved"
    return NonFiniteLoss(
        f"{what} at step {at.step + 1} (epoch {at.epoch + 1}, lr {lr:.6g}); "
        f"the weights are those of step {at.step}, and {kept}. "
        "Lower the learning rate, set clip_norm, or look for bad values in the data"
    )


def replay(scheduler: Any, rates: list[float], steps: int) -> None:
    """Bring a scheduler that was just made to where it is after `steps` steps.

    rates    the learning rates of the optimizer's groups as the scheduler left them when it was made

    A saved state would not do where a run is made longer: it holds the old length.
    """
    for group, rate in zip(scheduler.optimizer.param_groups, rates):
        group["lr"] = rate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch expects an optimizer step before each
        for _ in range(steps):
            scheduler.step()


@dataclass
class Position:
    """All that a checkpoint needs beside weights, optimizer and random states."""

    epoch: int = 0  # whole epochs behind us
    batch: int = 0  # batches of this epoch behind us
    step: int = 0  # optimizer steps behind us
    units: int = 0
    seconds: float = 0.0
    log_bytes: int = 0
    loss_since_log: float = 0.0  # summed over units_since_log
    units_since_log: int = 0
    best_step: int | None = None
    best: dict[str, float] = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)  # the latest evaluation
    stale: int = 0  # evaluations since the best one

    def judge(self, metrics: dict[str, float], monitor: str, mode: str) -> bool:
        """Take in an evaluation; whether it is the best so far (a tie or a NaN is not)."""
        if monitor not in metrics:
            raise ValueError(f"monitor={monitor!r} is not among what evaluate returned: {', '.join(metrics)}")
        sign = 1.0 if mode == "max" else -1.0
        improved = metrics[monitor] == metrics[monitor] and (
            not self.best or sign * metrics[monitor] > sign * self.best[monitor]
        )
        self.final, self.stale = metrics, 0 if improved else self.stale + 1
        if improved:
            self.best, self.best_step = metrics, self.step
        return improved


@dataclass(frozen=True)
class Result:
    """What a run came to. `best` and `final` are empty when nothing was evaluated."""

    run_dir: Path
    steps: int
    epochs: int  # whole ones
    seconds: float  # of training, over all resumptions
    units: int
    best: dict[str, float]
    best_step: int | None
    final: dict[str, float]
    stopped_early: bool

    def __str__(self) -> str:
        best = ", ".join(f"{name} {value:.4f}" for name, value in self.best.items())
        return (
            f"{self.steps} steps, {self.epochs} epochs in {clock(self.seconds)} "
            f"({self.units / max(self.seconds, 1e-9):,.0f}/s)"
            f"{', stopped early' if self.stopped_early else ''}"
            f"{f'; best at step {self.best_step}: {best}' if best else ''}"
        )

    __repr__ = __str__
