"""One training step: forward, backward, clip, update. Read `TrainingStep.train_step`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf, isfinite
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from groundup.checks import require
from groundup.optimizers import clip_by_global_norm_
from groundup.training.batches import to_device
from groundup.training.objectives import Objective
from groundup.training.part_checks import check_outcome
from groundup.training.state import NonFiniteLoss, TrainingState
from groundup.training.strategy import SingleProcess

#: An overflow in float16 is repaired by a smaller loss scale; below this one, the gradients are truly infinite.
SMALLEST_LOSS_SCALE = 2.0**-24


class StepResult(NamedTuple):
    """The results of one training step."""

    loss: float  # summed over the units
    units: int  # samples or tokens, as the objective counts them
    grad_norm: float  # before clipping


class TrainingStep:
    """The training step of the `Trainer`, in any precision and with any number of processes.

    Args:
        strategy: the model, its optimizer, and what differs between one process and several: see `SingleProcess`.
        objective: function (model, batch) -> (loss summed over units, number of units).
        scheduler: a learning-rate scheduler, or None.
        clip_norm: largest global norm of the gradient; None does not clip.
        precision: dtype of autocast; float32 does not use autocast.

    Example:
        >>> from torch import nn
        >>> from groundup.training import make_objective
        >>> model = nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> strategy = SingleProcess(model, optimizer, torch.device("cpu"))
        >>> step = TrainingStep(strategy, make_objective(nn.functional.mse_loss))
        >>> batch = torch.ones(3, 2), torch.ones(3, 1)
        >>> first, second = step.train_step([batch]), step.train_step([batch])
        >>> second.loss < first.loss
        True
    """

    def __init__(
        self,
        strategy: SingleProcess,
        objective: Objective,
        scheduler: Any = None,
        clip_norm: float | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.strategy, self.objective, self.scheduler = strategy, objective, scheduler
        self.optimizer, self.device, self.precision = strategy.optimizer, strategy.device, precision
        self.clip_norm = inf if clip_norm is None else clip_norm
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision is torch.float16)
        self.state = TrainingState()

    def train_step(self, batches: list[Any]) -> StepResult:
        """Update the weights once, by the gradient g = Σ ∇loss / Σ units over `batches`.

        Why sums: a mean of the means of batches would weigh a sample of a small batch more than one of a large batch.
        """
        loss: Tensor = torch.zeros((), device=self.device)
        units: int | Tensor = 0
        self.optimizer.zero_grad(set_to_none=True)
        for number, batch in enumerate(batches, 1):
            with self.strategy.accumulate(is_last=number == len(batches)):
                with self.autocast():
                    outcome = self.strategy.compute_loss(self.objective, to_device(batch, self.device))
                batch_loss, batch_units = check_outcome(outcome)
                self.scaler.scale(batch_loss).backward()  # float16: scaled up, so that small gradients are not 0
            loss, units = loss + batch_loss.detach(), units + batch_units
        loss, units = self.strategy.sum(loss, units)
        self.scaler.unscale_(self.optimizer)
        self.strategy.divide_gradients(units)
        norm = clip_by_global_norm_(self.strategy.parameters, self.clip_norm)
        result = StepResult(loss.item(), int(units), norm.item())  # waits for the device, once per step
        self._check_finite(result)
        self.scaler.step(self.optimizer)  # does nothing if a float16 gradient overflowed; `update` lowers the scale
        self.scaler.update()
        if self.scheduler is not None and isfinite(result.grad_norm):
            self.scheduler.step()
        return result

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which matrix products are computed in `precision`, and sums in float32."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32)

    def _check_finite(self, result: StepResult) -> None:
        """Raise `NonFiniteLoss` for NaN and infinity, before the weights change."""
        loss, units, norm = result
        require(units > 0, f"the objective counted no units in step {self.state.step + 1}: nothing to learn from")
        is_overflow = self.scaler.is_enabled() and isfinite(loss) and self.scaler.get_scale() > SMALLEST_LOSS_SCALE
        if isfinite(loss) and (isfinite(norm) or is_overflow):
            return
        value = f"the gradient's norm is {norm} (loss {loss / units:.6g})" if isfinite(loss) else f"the loss is {loss}"
        step, lr = self.state.step, self.optimizer.param_groups[0]["lr"]
        raise NonFiniteLoss(
            f"{value} at step {step + 1} (epoch {self.state.epoch + 1}, lr {lr:.6g}); the weights are those of step "
            f"{step}. Lower the learning rate, set clip_norm, or look for bad values in the data"
        )


@contextmanager
def record_signals() -> Iterator[Callable[[], int]]:
    """Record Ctrl-C and SIGTERM within the block; yield a function that returns the signal's number, 0 without one.

    Why: an exception in the middle of an optimizer step would leave half of the weights updated. The second Ctrl-C
    raises `KeyboardInterrupt` at once. Outside of the main thread, where Python delivers no signals, nothing changes.
    """
    received: list[int] = []

    def record(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, record) for number in signals}
    try:
        yield lambda: received[0] if received else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
