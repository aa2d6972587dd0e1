"""Logs of a run: metrics.jsonl for programs, TensorBoard, and a progress bar or plain lines on the terminal.

metrics.jsonl contains nothing that depends on the clock: a run that was killed and resumed writes the same bytes as an
undisturbed one. Rates and times go to the terminal and to TensorBoard only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Mapping
from datetime import timedelta
from math import isfinite
from pathlib import Path
from typing import Any

from tqdm import tqdm

#: Whether this process prints: of several processes only the main one does.
is_main_process = True


def say(line: str) -> None:
    """Print a line, above the progress bar if there is one."""
    if is_main_process:
        tqdm.write(line)
        sys.stdout.flush()


class MetricsLog:
    """metrics.jsonl: one JSON object per line, numbers in full precision, null for numbers that are not finite.

    Args:
        path: the file; created if it does not exist.
        length: bytes to keep. The rest was written after the checkpoint from which the run is resumed.
    """

    def __init__(self, path: Path, length: int = 0) -> None:
        self.path = path
        self.file = path.open("ab")
        size = path.stat().st_size
        if size < length:
            length = path.read_bytes().rfind(b"\n") + 1
            say(f"{path} is shorter than when the checkpoint was saved: some of its lines are lost")
        self.file.truncate(length)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record and pass it to the operating system."""
        try:
            self.file.write((json.dumps(_replace_non_finite(record)) + "\n").encode())
            self.file.flush()
        except OSError as error:
            raise OSError(
                f"{self.path} cannot be written: {error}; then go on with --resume, or fit(resume=True)"
            ) from error

    def length(self) -> int:
        """Return the length of the file in bytes."""
        return os.fstat(self.file.fileno()).st_size

    def sync(self) -> int:
        """Wait until the file is on the disk; return its length in bytes."""
        os.fsync(self.file.fileno())
        return self.length()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _replace_non_finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_non_finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value


class TensorBoard:
    """Scalars for TensorBoard, if it is installed (`pip install 'groundup[train]'`); otherwise nothing.

    Args:
        folder: the folder of the event files.
        step: the step from which the run goes on. Points after it, of an earlier process, are hidden.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.writer: Any = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its own imports warn on recent Pythons
                from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self.writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, group: str, record: Mapping[str, float], step: int) -> None:
        """Add a point to one curve per key, called `group/key`."""
        if self.writer is not None:
            for key, value in record.items():
                self.writer.add_scalar(f"{group}/{key}", value, step)

    def close(self) -> None:
        """Close the event file."""
        if self.writer is not None:
            self.writer.close()


class Progress:
    """A bar with metrics, loss, remaining time and rate; without a terminal, a line per milestone.

    A notebook is not a terminal: it gets lines.

    Args:
        step: number of steps already made.
        total: number of steps of the run.
        unit: name of the units that the objective counts.
        shown: False prints nothing.
    """

    QUIET_SECONDS = 30.0  # longest time between two plain lines
    BAR = "{percentage:3.0f}% {bar:8}"

    def __init__(self, step: int, total: int, unit: str, shown: bool = True) -> None:
        self.first, self.step, self.total, self.unit, self.shown = step, step, total, unit, shown
        self.started = self.printed = time.perf_counter()
        self.units, self.epoch, self.loss = 0, 0, 0.0
        self.metrics: dict[str, float] = {}
        terminal = sys.stdout.isatty() and sys.stderr.isatty()
        columns, rows = shutil.get_terminal_size()  # not 0 × 0, at which tqdm hides its bar
        options = {"bar_format": self.BAR, "leave": False, "ncols": columns, "nrows": rows, "file": sys.stderr}
        self.bar: Any = tqdm(initial=step, total=total, **options) if shown and terminal else None

    @property
    def rate(self) -> float:
        """Units per second since this process began training."""
        return self.units / max(time.perf_counter() - self.started, 1e-9)

    @property
    def seconds_to_go(self) -> float:
        """Remaining seconds, at the mean time per step so far."""
        pace = (time.perf_counter() - self.started) / max(self.step - self.first, 1)
        return pace * (self.total - self.step)

    def advance(self, epoch: int, loss: float, units: int) -> None:
        """Show one more optimizer step, on `units` units with the mean `loss`."""
        self.step += 1
        self.units += units
        self.epoch, self.loss = epoch, loss
        if self.bar is not None:
            self.bar.bar_format = self.line(self.bar.ncols)
            self.bar.update()
        elif time.perf_counter() - self.printed > self.QUIET_SECONDS:
            self.milestone()

    def parts(self) -> list[str]:
        """Return the parts of the line, the most important first."""
        metrics = [f"held-out {name} {value:.4f}" for name, value in self.metrics.items()]
        return [
            *metrics[:1],
            f"loss {self.loss:.4f}",
            f"{format_duration(self.seconds_to_go).removeprefix('0:')} to go",
            f"epoch {self.epoch}",
            f"{self.rate:,.0f} {self.unit}/s",
            *metrics[1:],
        ]

    def line(self, columns: int) -> str:
        """Return tqdm's format for a bar of at most `columns`; parts that do not fit are left out, the last first."""
        shown: list[str] = []
        width = len(" · 100% ") + 8
        for part in self.parts():
            width += len(part) + 3 * bool(shown)
            if shown and width >= columns:
                break
            shown.append(part.replace("{", "{{").replace("}", "}}"))
        loss = 1 + bool(self.metrics)  # the bar comes after the loss
        return " · ".join([*shown[:loss], self.BAR, *shown[loss:]])

    def milestone(self, metrics: Mapping[str, float] | None = None) -> None:
        """Print a line at the end of an epoch or after an evaluation, unless a bar shows the numbers already."""
        self.metrics.update(metrics or {})
        self.printed = time.perf_counter()
        if self.shown and self.bar is None:
            say(" · ".join([f"step {self.step}/{self.total}", *self.parts()]))

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()


def format_duration(seconds: float) -> str:
    """Return seconds as h:mm:ss."""
    return str(timedelta(seconds=round(seconds)))


class NoLog:
    """A log that stores nothing: before training, and in processes other than the main one."""

    def advance(self, epoch: int, loss: float, units: int) -> None:
        """Show the progress after one optimizer step."""

    def end_epoch(self) -> None:
        """Show the progress after an epoch without an evaluation."""

    def log_training(self, step: int, epoch: int, loss: float, lr: float, grad_norm: float) -> None:
        """Store the mean loss since the previous line, and the learning rate and gradient norm of this step."""

    def log_evaluation(self, step: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Store the metrics, nested: the "loss" of an evaluation is not that of the training."""

    def length(self) -> int:
        """Return the length of metrics.jsonl in bytes."""
        return 0

    def sync(self) -> None:
        """Wait until metrics.jsonl is on the disk."""

    def close(self) -> None:
        """Close the files and draw curves.png."""


class RunLog(NoLog):
    """The log of a run: metrics.jsonl, TensorBoard and the terminal.

    Args:
        run_dir: the folder of the run.
        step: the step from which the run goes on.
        log_bytes: length of metrics.jsonl at that step.
        total_steps: number of steps of the run.
        unit: name of the units that the objective counts.
        shown: whether to print the progress.
    """

    def __init__(self, run_dir: Path, step: int, log_bytes: int, total_steps: int, unit: str, shown: bool) -> None:
        self.run_dir = run_dir
        self.metrics = MetricsLog(run_dir / "metrics.jsonl", log_bytes)
        self.board = TensorBoard(run_dir / "tensorboard", step)
        self.progress = Progress(step, total_steps, unit, shown)

    def advance(self, epoch: int, loss: float, units: int) -> None:
        self.progress.advance(epoch, loss, units)

    def end_epoch(self) -> None:
        self.progress.milestone()

    def log_training(self, step: int, epoch: int, loss: float, lr: float, grad_norm: float) -> None:
        values = {"loss": loss, "lr": lr, "grad_norm": grad_norm}
        self.metrics.write({"step": step, "epoch": epoch} | values)
        self.board.write("training", values | {"rate": self.progress.rate}, step)

    def log_evaluation(self, step: int, epoch: int, metrics: Mapping[str, float]) -> None:
        self.metrics.write({"step": step, "epoch": epoch, "evaluation": metrics})
        self.board.write("evaluation", metrics, step)
        self.progress.milestone(metrics)

    def length(self) -> int:
        return self.metrics.length()

    def sync(self) -> None:
        self.metrics.sync()

    def close(self) -> None:
        self.progress.close()
        self.metrics.close()
        self.board.close()
        try:
            from groundup.plots import curves

            curves(self.run_dir / "metrics.jsonl", self.run_dir / "curves.png")
        except (ImportError, OSError) as error:  # without matplotlib, or on a full disk
            say(f"no curves.png: {error}")
