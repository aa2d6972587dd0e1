"""The record of a run under way: every number goes from here to the log, to TensorBoard and to the terminal."""

from __future__ import annotations

from pathlib import Path

from groundup.training.logs import MetricsLog, Progress, TensorBoard, say
from groundup.training.position import Position


class Record:
    """Opened where `position` stands; `unit` is what the objective counts."""

    def __init__(self, run_dir: Path, position: Position, total_steps: int, unit: str, shown: bool) -> None:
        self.run_dir, self.position = run_dir, position
        self.log = MetricsLog(run_dir / "metrics.jsonl", position.log_bytes)
        self.board = TensorBoard(run_dir / "tensorboard", position.step)
        self.progress = Progress(position.step, total_steps, unit, shown)

    def training(self, epoch: int, loss: float, lr: float, grad_norm: float) -> None:
        """A line of metrics.jsonl: the mean loss since the line before; lr and gradient norm of this step."""
        values = {"loss": loss, "lr": lr, "grad_norm": grad_norm}
        self.log.write({"step": self.position.step, "epoch": epoch} | values)
        self.board.write("training", values | {"rate": self.progress.rate}, self.position.step)

    def evaluation(self, epoch: int, metrics: dict[str, float]) -> None:
        """A line with the metrics nested: an evaluation's "loss" is not the training's."""
        self.log.write({"step": self.position.step, "epoch": epoch, "evaluation": metrics})
        self.board.write("evaluation", metrics, self.position.step)
        self.progress.milestone(metrics)

    def close(self) -> None:
        """Close all three, and draw curves.png."""
        self.progress.close()
        self.log.close()
        self.board.close()
        try:
            from groundup.plots import curves

            curves(self.run_dir / "metrics.jsonl", self.run_dir / "curves.png")
        except (ImportError, OSError) as error:  # a run without its picture is still a run
            say(f"no curves.png: {error}")

    def log_bytes(self) -> int:
        """The length of metrics.jsonl."""
        return self.log.length()

    def sync(self) -> None:
        """Wait until metrics.jsonl is on the disk."""
        self.log.sync()


class NoRecord:
    """What takes its place where another process keeps it."""

    def __init__(self, position: Position) -> None:
        self.position = position

    @property
    def progress(self) -> NoRecord:
        return self

    def advance(self, epoch: int, loss: float, units: int) -> None: ...

    def milestone(self) -> None: ...

    def training(self, epoch: int, loss: float, lr: float, grad_norm: float) -> None: ...

    def evaluation(self, epoch: int, metrics: dict[str, float]) -> None: ...

    def log_bytes(self) -> int:
        return 0

    def sync(self) -> None: ...

    def close(self) -> None: ...
