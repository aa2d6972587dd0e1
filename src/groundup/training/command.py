"""The flags that every example shares: where its run lives, and whether it goes on with one."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tyro

from groundup.training.checkpoint import CheckpointError
from groundup.training.position import NonFiniteLoss
from groundup.training.runs import latest_run_dir, next_run_dir
from groundup.training.seeds import seed_everything

C = TypeVar("C", bound="RunOptions")


@dataclass(kw_only=True)
class RunOptions:
    """Base of an example's Config."""

    seed: int = 0  # of the weights, the order of the data and its augmentation
    run_dir: str = ""  # the run's folder; by default a new one under runs/, or with --resume the newest there
    resume: bool = False  # go on with an interrupted run: its settings are read from the folder
    smoke: bool = False  # a few steps only, to see that everything works

    def settings(self) -> dict[str, Any]:
        """What makes the run what it is, for the Trainer's `config`."""
        where_and_how = ("run_dir", "resume", "smoke")
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in where_and_how}


def command_line(config: type[C], name: str, description: str = "") -> tuple[C, Path]:
    """(the parsed config, the run's folder), with every generator seeded, so that the weights begin where they did.

    With --resume the saved settings are the defaults of all other flags.
    Exits with a usage message when the flags do not parse.
    """
    given = tyro.cli(config, description=description)
    seed_everything(given.seed)
    base = Path("runs") / name
    if not given.resume:
        return given, Path(given.run_dir) if given.run_dir else next_run_dir(base)
    run_dir = Path(given.run_dir) if given.run_dir else latest_run_dir(base)
    if not (run_dir / "config.json").exists():  # stopped before it had begun: the Trainer says that it starts anew
        return given, run_dir
    saved = json.loads((run_dir / "config.json").read_text(encoding="utf-8"))["config"]
    given = tyro.cli(config, description=description, default=config(**saved))
    seed_everything(given.seed)
    return given, run_dir


def run(main: Callable[[], None]) -> None:
    """Call `main`; what a person can mend is one line and exit code 1. `python -X dev` shows the traceback."""
    try:
        main()
    except (ValueError, TypeError, OSError, ImportError, NonFiniteLoss, CheckpointError) as error:
        if sys.flags.dev_mode:
            raise
        sys.exit(f"{type(error).__name__}: {error}")
