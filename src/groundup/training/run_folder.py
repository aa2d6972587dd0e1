"""The run folder: its name, its lock, the configuration that it belongs to, and restarts by `torchrun`.

    config.json  metrics.jsonl  curves.png  tensorboard/  checkpoints/step-000100/

`torchrun --max-restarts` starts a script again with the same arguments, so the script must find the folder it worked
in. Each run folder names its job in `.job`: a restarted script goes on with the folder of its own job and no other.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any

from groundup.durable import lock_file, write_file

#: Entries of a config that set the length of a run. They may differ when it is resumed.
LENGTHS = ("epochs", "steps")
#: Settings of the Trainer that may change together with the length, because programs derive them from it.
INTERVALS = ("log_every", "evaluate_every")

JOB = ".job"
# A forked worker of a loader would keep the lock after its parent was killed, so a child closes it at once.
_locks: set[int] = set()


def _release_in_child() -> None:
    while _locks:
        os.close(_locks.pop())


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_release_in_child)


class RunFolderError(OSError):
    """The run folder cannot be used: not writable, in use, or already taken."""


def holds_run(run_dir: str | Path) -> bool:
    """Return whether a run was started in this folder."""
    run_dir = Path(run_dir)
    return (run_dir / "config.json").exists() or any(run_dir.glob("checkpoints/step-*"))


def _is_taken(path: Path) -> bool:
    """Return whether a folder holds a run, or several runs in folders of its own."""
    return holds_run(path) or any((folder / "config.json").exists() for folder in path.glob("*/"))


def next_run_dir(base: str | Path) -> Path:
    """Return the first of `base`, `base-2`, `base-3`, … that holds no run.

    Example:
        >>> from tempfile import mkdtemp
        >>> base = Path(mkdtemp()) / "digits"
        >>> base.mkdir()
        >>> _ = (base / "config.json").write_text("{}")
        >>> next_run_dir(base).name
        'digits-2'
    """
    base = Path(base)
    paths = chain([base], (base.with_name(f"{base.name}-{number}") for number in count(2)))
    return next(path for path in paths if not _is_taken(path))


def list_run_dirs(base: str | Path) -> list[Path]:
    """Return those of `base`, `base-2`, … that exist, in this order."""
    base = Path(base)
    pattern = re.compile(re.escape(base.name) + r"-(\d+)")
    numbered = {int(match[1]): path for path in base.parent.glob("*") if (match := pattern.fullmatch(path.name))}
    return [base] * base.exists() + [numbered[number] for number in sorted(numbered)]


def latest_run_dir(base: str | Path) -> Path:
    """Return the one of `base`, `base-2`, … with the highest number that holds a run; `base` if none does."""
    return next((path for path in reversed(list_run_dirs(base)) if _is_taken(path)), Path(base))


def to_plain(config: Any) -> dict[str, Any]:
    """Return a dataclass or mapping as JSON reads it back: tuples become lists, paths and enums strings."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        config = dataclasses.asdict(config)
    if not isinstance(config, Mapping):
        raise TypeError(f"config must be a dataclass instance or a dict, got {config!r} ({type(config).__name__})")
    return json.loads(json.dumps(dict(config), default=str))


@contextmanager
def explain_disk_errors(run_dir: Path) -> Iterator[None]:
    """Within the block, replace errors of the disk by a `RunFolderError` that says what to do."""
    try:
        yield
    except RunFolderError:
        raise
    except OSError as error:  # that of a full disk names no file
        raise RunFolderError(
            f"run folder {run_dir} cannot be written ({error}); correct the cause, or choose another run_dir"
        ) from error


@contextmanager
def lock_folder(run_dir: Path) -> Iterator[None]:
    """Create the folder and lock it within the block. The kernel releases the lock if the process dies.

    Raises `RunFolderError` if it cannot be written, or if another process has locked it.
    """
    with explain_disk_errors(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(run_dir / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    _locks.add(lock)
    try:
        try:
            lock_file(lock, wait=False)
        except BlockingIOError:
            os.lseek(lock, 0, os.SEEK_SET)
            owner = os.read(lock, 32).decode(errors="replace") or "unknown"
            raise RunFolderError(
                f"run folder {run_dir} is in use by process {owner}; wait for it, or choose another run_dir, "
                f"such as {next_run_dir(run_dir)}"
            ) from None
        os.ftruncate(lock, 0)
        os.lseek(lock, 0, os.SEEK_SET)
        os.write(lock, str(os.getpid()).encode())
        yield
    finally:
        if lock in _locks:  # not in a forked child, which has closed it
            _locks.remove(lock)
            os.close(lock)


def claim_folder(run_dir: Path, config: dict[str, Any], resume: bool) -> bool:
    """Write config.json into a new folder, or compare it in an old one; return whether there is a run to resume.

    A run that is resumed with another length gets a new config.json, from which the next --resume reads the length.

    Args:
        run_dir: a locked folder.
        config: the configuration of this run.
        resume: whether the folder may hold a run.

    Raises `RunFolderError` for a folder that holds a run, without `resume`, and `ValueError` for a configuration other
    than that of the run.
    """
    path = run_dir / "config.json"
    if not holds_run(run_dir):
        write_file(path, json.dumps(config, indent=2) + "\n")
        return False
    if not resume:
        raise RunFolderError(
            f"{run_dir} already holds a run: go on with --resume, or fit(resume=True), or choose another run_dir, "
            f"such as {next_run_dir(run_dir)}"
        )
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}, which says what this run is, cannot be read: {error}") from error
    differences = dict(_list_differences(saved, config))
    lengths, derived = {f"config.{name}" for name in LENGTHS}, {f"trainer.{name}" for name in INTERVALS}
    if lengths & differences.keys() and differences.keys() <= lengths | derived:
        write_file(path, json.dumps(config, indent=2) + "\n")
    elif differences:
        raise ValueError(
            f"the run in {run_dir} was started with another configuration: {'; '.join(differences.values())}. "
            "Resume with the saved values, or start a new run in another run_dir"
        )
    return True


def _list_differences(saved: Any, given: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Iterate over (key, description) of the entries that differ; an entry that is missing counts as None."""
    if isinstance(saved, dict) and isinstance(given, dict):
        for name in [*saved, *(name for name in given if name not in saved)]:
            yield from _list_differences(saved.get(name), given.get(name), f"{key}.{name}" if key else name)
    elif saved != given:
        yield key, f"{key}: saved {json.dumps(saved)}, given {json.dumps(given)}"


def _job_name() -> str | None:
    """Return the name of this job, equal in all its restarts; None without torchrun."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    # Without --rdzv-id or --standalone all jobs are called "none"; the agent, our parent, distinguishes them.
    return f"{socket.gethostname()} {os.getppid()}" if name == "none" else name


def mark(run_dir: Path) -> None:
    """Write the name of this job into the folder, if torchrun runs it."""
    if (name := _job_name()) is not None:
        (run_dir / JOB).write_text(name, encoding="utf-8")


def is_restart_of(run_dir: Path) -> bool:
    """Return whether this process is a restart of the job that worked in the folder, and so must go on with it."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0:
        return False
    path = run_dir / JOB
    return path.exists() and path.read_text(encoding="utf-8") == _job_name()


def choose_run_dir(base: Path) -> Path:
    """Return the one of `base`, `base-2`, … that this job worked in before its restart; otherwise a new one."""
    own = [path for path in list_run_dirs(base) if is_restart_of(path)]
    return own[-1] if own else next_run_dir(base)
