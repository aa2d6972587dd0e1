"""What a run tells: metrics.jsonl for programs, TensorBoard for eyes, a bar or plain lines for the terminal.

metrics.jsonl holds nothing that depends on the clock, so that a run killed and resumed writes the same bytes as one
left alone. Rates and times go to the terminal and to TensorBoard.
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

#: Whether this process talks to the person: of many that train together, one does.
speaks = True


def say(line: str) -> None:
    """One line for the person at the terminal, above the bar if there is one."""
    if not speaks:
        return
    tqdm.write(line)
    sys.stdout.flush()


class MetricsLog:
    """metrics.jsonl: one JSON object a line, numbers in full precision, what is not finite as null."""

    def __init__(self, path: Path, length: int = 0) -> None:
        """Open for appending after `length` bytes; what lies beyond was written after the checkpoint, and goes."""
        self.path = path
        self.file = path.open("ab")
        size = path.stat().st_size
        if size < length:
            length = path.read_bytes().rfind(b"\n") + 1
            say(f"{path} is shorter than when the checkpoint was saved: some of its lines are lost")
        self.file.truncate(length)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record; it reaches the operating system before this returns."""
        try:
            self.file.write((json.dumps(_finite(record)) + "\n").encode())
            self.file.flush()
        except OSError as error:
            raise OSError(
                f"{self.path} cannot be written: {error}; then go on with --resume, or fit(resume=True)"
            ) from error

    def length(self) -> int:
        """In bytes."""
        return os.fstat(self.file.fileno()).st_size

    def sync(self) -> int:
        """Wait until all is on the disk; the length in bytes."""
        os.fsync(self.file.fileno())
        return self.length()

    def close(self) -> None:
        self.file.close()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value


class TensorBoard:
    """Scalars for TensorBoard, when it is installed (`pip install 'groundup[train]'`); otherwise nothing."""

    def __init__(self, folder: Path, step: int) -> None:
        """Points after `step`, written by a process that died, are hidden."""
        self.writer: Any = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its own imports warn on recent Pythons
                from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self.writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, group: str, record: Mapping[str, float], step: int) -> None:
        """One curve a key, under `group/`."""
        if self.writer is not None:
            for key, value in record.items():
                self.writer.add_scalar(f"{group}/{key}", value, step)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


class Progress:
    """A bar with metrics, loss, time to go and rate; where output is no terminal, a line at each milestone.

    A notebook is no terminal either: there, too, each milestone is a line.
    """

    QUIET_SECONDS = 30.0  # plain lines: the longest silence when milestones are far apart
    BAR = "{percentage:3.0f}% {bar:8}"

    def __init__(self, step: int, total: int, unit: str, shown: bool = True) -> None:
        self.first, self.step, self.total, self.unit, self.shown = step, step, total, unit, shown
        self.started = self.spoken = time.perf_counter()
        self.units, self.epoch, self.loss = 0, 0, 0.0
        self.metrics: dict[str, float] = {}
        terminal = sys.stdout.isatty() and sys.stderr.isatty()
        columns, rows = shutil.get_terminal_size()  # 80 × 24 where the terminal says 0 × 0, at which tqdm hides its bar
        options = {"bar_format": self.BAR, "leave": False, "ncols": columns, "nrows": rows, "file": sys.stderr}
        self.bar: Any = tqdm(initial=step, total=total, **options) if shown and terminal else None

    @property
    def rate(self) -> float:
        """Units per second since this process began training."""
        return self.units / max(time.perf_counter() - self.started, 1e-9)

    @property
    def seconds_to_go(self) -> float:
        """At the pace so far."""
        pace = (time.perf_counter() - self.started) / max(self.step - self.first, 1)
        return pace * (self.total - self.step)

    def advance(self, epoch: int, loss: float, units: int) -> None:
        """One optimizer step was made, over `units` units."""
        self.step += 1
        self.units += units
        self.epoch, self.loss = epoch, loss
        if self.bar is not None:
            self.bar.bar_format = self.line(self.bar.ncols)
            self.bar.update()
        elif time.perf_counter() - self.spoken > self.QUIET_SECONDS:
            self.milestone()

    def parts(self) -> list[str]:
        """The parts of the line, the most important first."""
        metrics = [f"held-out {name} {value:.4f}" for name, value in self.metrics.items()]
        return [
            *metrics[:1],
            f"loss {self.loss:.4f}",
            f"{clock(self.seconds_to_go).removeprefix('0:')} to go",
            f"epoch {self.epoch}",
            f"{self.rate:,.0f} {self.unit}/s",
            *metrics[1:],
        ]

    def line(self, columns: int) -> str:
        """tqdm's format for a bar of at most `columns`: it leaves out what has no room, the least important first."""
        first, *rest = self.parts()
        shown = [first.replace("{", "{{").replace("}", "}}")]
        width = len(first) + len(" · 100% ") + 8
        for part in rest:
            if width + len(part) + 3 >= columns:
                break
            width += len(part) + 3
            shown.append(part.replace("{", "{{").replace("}", "}}"))
        loss = 1 + bool(self.metrics)  # the bar comes after it, or after what has room
        return " · ".join([*shown[:loss], self.BAR, *shown[loss:]])

    def milestone(self, metrics: Mapping[str, float] | None = None) -> None:
        """An epoch ended, or an evaluation gave `metrics`: a plain line, unless the bar shows it already."""
        self.metrics.update(metrics or {})
        self.spoken = time.perf_counter()
        if self.shown and self.bar is None:
            say(" · ".join([f"step {self.step}/{self.total}", *self.parts()]))

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    return str(timedelta(seconds=round(seconds)))
