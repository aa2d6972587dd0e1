"""The state of a run between two steps, and the result of a run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundup.training.logs import format_duration


class NonFiniteLoss(ArithmeticError):
    """The loss or the gradient became NaN or infinite; the optimizer step was not taken."""


@dataclass(frozen=True)
class Result:
    """The result of a run. `best` and `final` are empty if nothing was evaluated."""

    run_dir: Path
    steps: int
    epochs: int  # completed ones
    seconds: float  # of training, summed over all resumptions
    units: int  # samples or tokens
    best: dict[str, float]
    best_step: int | None
    final: dict[str, float]
    stopped_early: bool

    def __str__(self) -> str:
        best = ", ".join(f"{name} {value:.4f}" for name, value in self.best.items())
        return (
            f"{self.steps} steps, {self.epochs} epochs in {format_duration(self.seconds)} "
            f"({self.units / max(self.seconds, 1e-9):,.0f}/s)"
            f"{', stopped early' if self.stopped_early else ''}"
            f"{f'; best at step {self.best_step}: {best}' if best else ''}"
        )

    __repr__ = __str__


@dataclass
class TrainingState:
    """The progress of a run: everything in a checkpoint except weights, optimizer, schedule and random states."""

    epoch: int = 0  # completed epochs
    batch: int = 0  # completed batches of the current epoch
    step: int = 0  # completed optimizer steps
    units: int = 0  # samples or tokens, as the objective counts them
    seconds: float = 0.0
    log_bytes: int = 0  # length of metrics.jsonl
    loss_since_log: float = 0.0  # summed over units_since_log
    units_since_log: int = 0
    best_step: int | None = None
    best: dict[str, float] = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)  # the latest evaluation
    stale: int = 0  # evaluations since the best one

    def record_evaluation(self, metrics: dict[str, float], monitor: str, mode: str) -> bool:
        """Store the metrics; return whether they are the best so far (equal metrics and NaN are not).

        Raises `ValueError` if `monitor` is not among the metrics.
        """
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

    def summarize(self, run_dir: Path, total_steps: int) -> Result:
        """Return the result of a run that ends in this state."""
        early = self.step < total_steps
        counts = self.step, self.epoch, self.seconds, self.units
        return Result(run_dir, *counts, self.best, self.best_step, self.final, early)


def replay_schedule(scheduler: Any, rates: list[float], steps: int) -> None:
    """Advance a new scheduler to its state after `steps` steps.

    A saved state cannot be loaded if the run is made longer: it contains the old length.

    Args:
        scheduler: a learning-rate scheduler that has made no step.
        rates: the learning rates of the optimizer's groups after the scheduler was constructed.
        steps: number of steps to make.
    """
    for group, rate in zip(scheduler.optimizer.param_groups, rates):
        group["lr"] = rate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch expects an optimizer step before each
        for _ in range(steps):
            scheduler.step()
