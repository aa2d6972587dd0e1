"""The run folder: who may write it, what configuration it belongs to, and the name of the next one.

config.json  metrics.jsonl  curves.png  tensorboard/  checkpoints/step-000100/
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundup.durable import lock_file, write_file

#: Entries of a config that say how long a run is. They may differ when it is resumed: it is then trained longer.
LENGTHS = ("epochs", "steps")
#: Settings of the Trainer that may change together with the length, since programs derive them from it.
INTERVALS = ("log_every", "evaluate_every")

# A forked worker of a loader would keep the lock alive after its parent was killed: it lets go at birth.
_locks: set[int] = set()


def _release_in_child() -> None:
    while _locks:
        os.close(_locks.pop())


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_release_in_child)


class RunFolderError(OSError):
    """The run folder cannot be used: not writable, in use, or already taken."""


def holds_run(run_dir: str | Path) -> bool:
    """Whether a run was started here."""
    run_dir = Path(run_dir)
    return (run_dir / "config.json").exists() or any(run_dir.glob("checkpoints/step-*"))


def _is_taken(path: Path) -> bool:
    """Whether a folder holds a run, or the runs of a program that trains several models, each in a folder of it."""
    return holds_run(path) or any((folder / "config.json").exists() for folder in path.glob("*/"))


def next_run_dir(base: str | Path) -> Path:
    """`base`, or the first of `base-2`, `base-3`, … that holds no run yet."""
    base, number = Path(base), 1
    path = base
    while _is_taken(path):
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


def numbered_run_dirs(base: str | Path) -> list[Path]:
    """Those of `base`, `base-2`, … that are there, in this order."""
    base = Path(base)
    pattern = re.compile(re.escape(base.name) + r"-(\d+)")
    numbered = {int(match[1]): path for path in base.parent.glob("*") if (match := pattern.fullmatch(path.name))}
    return [base] * base.exists() + [numbered[number] for number in sorted(numbered)]


def latest_run_dir(base: str | Path) -> Path:
    """The one of `base`, `base-2`, … with the highest number that holds a run; `base` itself when none does."""
    return next((path for path in reversed(numbered_run_dirs(base)) if _is_taken(path)), Path(base))


def plain(config: Any) -> dict[str, Any]:
    """A dataclass or mapping as what JSON gives back: tuples become lists, paths and enums strings."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        config = dataclasses.asdict(config)
    if not isinstance(config, Mapping):
        raise TypeError(f"config must be a dataclass instance or a dict, got {config!r} ({type(config).__name__})")
    return json.loads(json.dumps(dict(config), default=str))


@contextmanager
def written_to(run_dir: Path) -> Iterator[None]:
    """Around what a run begins with: what the disk refuses is a `RunFolderError`, which says what to do."""
    try:
        yield
    except RunFolderError:
        raise
    except OSError as error:  # of a full disk it names no file
        raise RunFolderError(
            f"run folder {run_dir} cannot be written ({error}); mend that, or choose another run_dir"
        ) from error


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the folder, creating it; the kernel releases the lock however the process ends.

    Raises `RunFolderError` when it cannot be written, or when another process holds it.
    """
    with written_to(run_dir):
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
        if lock in _locks:  # not in a forked child, which let go already
            _locks.remove(lock)
            os.close(lock)


def claim(run_dir: Path, config: dict[str, Any], resume: bool) -> bool:
    """Make a locked folder this run's; True when it holds a run to go on with.

    A run that goes on with another length has config.json written again, so that the next --resume knows the length.
    Raises `RunFolderError` for a folder that holds a run when `resume` is False, and `ValueError` for a configuration
    that is not the one the run was started with.
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
    if _same_but_for_length(saved, config):
        write_file(path, json.dumps(config, indent=2) + "\n")
    elif differences := list(_differences(saved, config)):
        raise ValueError(
            f"the run in {run_dir} was started with another configuration: {'; '.join(differences)}. "
            "Resume with the saved values, or start a new run in another run_dir"
        )
    return True


def _same_but_for_length(saved: Any, given: dict[str, Any]) -> bool:
    """Whether `given` equals the saved configuration except for its length and the intervals that follow from it."""

    def bare(config: Any, name: str, ignored: tuple[str, ...]) -> dict[str, Any]:
        return {key: value for key, value in config[name].items() if key not in ignored}

    try:
        length = [{key: config["config"].get(key) for key in LENGTHS} for config in (saved, given)]
        rest = [(bare(c, "config", LENGTHS), bare(c, "trainer", INTERVALS)) for c in (saved, given)]
    except (KeyError, TypeError, AttributeError):  # a config.json of something else
        return False
    return length[0] != length[1] and rest[0] == rest[1]


def _differences(saved: Any, given: Any, key: str = "") -> Iterator[str]:
    if isinstance(saved, dict) and isinstance(given, dict):
        for name in [*saved, *(name for name in given if name not in saved)]:
            yield from _differences(saved.get(name), given.get(name), f"{key}.{name}" if key else name)
    elif saved != given:
        yield f"{key}: saved {json.dumps(saved)}, given {json.dumps(given)}"
