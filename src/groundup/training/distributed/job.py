"""Restarts: `torchrun --max-restarts` starts the script again as it was, and the script must know where it stood.

Each run folder names, in `.job`, the job that works in it: after a restart a script goes on with that folder, and with
no other, so that a new job which failed on an occupied folder does not go on with what lies there.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from groundup.training.runs import next_run_dir, numbered_run_dirs

JOB = ".job"


def _name() -> str | None:
    """This job's: the same in all its restarts. None without torchrun."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    # Without --rdzv-id or --standalone all jobs are called "none": the agent, our parent, tells them apart.
    return f"{socket.gethostname()} {os.getppid()}" if name == "none" else name


def restarted() -> bool:
    """Whether torchrun has started this script before."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def mark(run_dir: Path) -> None:
    """Name this job in the folder, if torchrun runs it."""
    if (name := _name()) is not None:
        (run_dir / JOB).write_text(name, encoding="utf-8")


def begun_by_this_job(run_dir: Path) -> bool:
    """Whether an earlier start of this same job worked in the folder: then it is to go on, not to begin."""
    path = run_dir / JOB
    return restarted() and path.exists() and path.read_text(encoding="utf-8") == _name()


def run_dir_of_this_job(base: Path) -> Path:
    """Of `base`, `base-2`, … the one this job worked in before its restart; otherwise a new one."""
    mine = [path for path in numbered_run_dirs(base) if begun_by_this_job(path)]
    return mine[-1] if mine else next_run_dir(base)
