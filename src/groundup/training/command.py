"""The flags that every example shares: where its run lives, and whether it goes on with one."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import tyro

from groundup.training import distributed
from groundup.training.batches import DataError
from groundup.training.checkpoint import CheckpointError
from groundup.training.logs import say
from groundup.training.position import NonFiniteLoss
from groundup.training.runs import RunFolderError, latest_run_dir, written_to
from groundup.training.seeds import seed_everything
from groundup.training.threads import use_one_thread

C = TypeVar("C", bound="Options")
#: Flags that say where and how a run is computed, and what the trained model is asked: they may change with --resume.
NO_SETTINGS = ("run_dir", "resume", "smoke", "parallel", "device", "num_workers", "ask", "prompt")


@dataclass(kw_only=True)
class Options:
    """Base of the Config of an example that is over soon, or goes over its data again for each of many seeds or folds:
    there is no run to resume."""

    seed: int = 0  # of the weights, the order of the data and its augmentation
    run_dir: str = ""  # where the pictures go; by default a new folder under runs/
    smoke: bool = False  # a few steps only, to see that everything works


@dataclass(kw_only=True)
class RunOptions(Options):
    """Base of the Config of an example that trains one model, as `Trainer` does."""

    run_dir: str = ""  # the run's folder; by default a new one under runs/, or with --resume the newest there
    resume: bool = False  # go on with an interrupted run: its settings are read from the folder
    parallel: str = "ddp"  # under torchrun: ddp, the whole model in every process, or fsdp, a part of it in each

    def settings(self) -> dict[str, Any]:
        """What makes the run what it is, for the Trainer's `config`."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in NO_SETTINGS}


def command_line(config: type[C], name: str, description: str = "", small_steps: bool = False) -> tuple[C, Path]:
    """(the parsed config, the run's folder), with every generator seeded, so that the weights begin where they did.

    `small_steps=True` is for programs that train without a `Trainer`: they compute in one thread, as the Trainer's
    small steps do, unless the user chose the number of threads. With --resume the saved settings are the defaults of
    all other flags.
    Exits with a usage message when the flags do not parse; raises `RunFolderError` where nothing can be written.
    """
    distributed.join()
    given, run_dir = distributed.on_main(lambda: _parsed(config, Path("runs") / name, description))
    seed_everything(given.seed)
    if small_steps:
        use_one_thread("the steps of this program are small")
    if isinstance(given, RunOptions):
        distributed.use_parallel(given.parallel)
    return given, run_dir


def _parsed(config: type[C], base: Path, description: str) -> tuple[C, Path]:
    given = tyro.cli(config, description=description)
    if not isinstance(given, RunOptions) or not given.resume:
        run_dir = Path(given.run_dir) if given.run_dir else distributed.run_dir_of_this_job(base)
        with written_to(run_dir):  # before the work, not after it
            run_dir.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=run_dir).close()
        return given, run_dir
    run_dir = Path(given.run_dir) if given.run_dir else latest_run_dir(base)
    path = next(iter([*run_dir.glob("config.json"), *sorted(run_dir.glob("*/config.json"))]), None)
    if path is None:  # stopped before it had begun: the Trainer says that it starts anew
        return given, run_dir
    return tyro.cli(config, description=description, default=_saved(config, path)), run_dir


def _saved(config: type[C], path: Path) -> C:
    """The settings in a run's config.json; of a program that trains several models, in the first one's."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["config"]
        known: dict[str, Any] = {
            field.name: entries[field.name] for field in dataclasses.fields(config) if field.name in entries
        }
    except (ValueError, KeyError, TypeError) as error:  # damaged, or another program's
        raise RunFolderError(
            f"{path} does not hold the settings of a run ({type(error).__name__}: {error}); start a new run in "
            "another run_dir"
        ) from error
    known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}  # as JSON has them
    return config(**known)


def activation_hint() -> str:
    """How to make this Python's environment the shell's, so that printed commands work; "" where they do already."""
    if sys.prefix == sys.base_prefix or shutil.which("groundup") is not None:
        return ""
    place = Path(sys.prefix)
    place = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    if os.name == "nt":
        return f"\nfirst, in your shell: {place / 'Scripts' / 'activate'}"
    ending = {"fish": ".fish", "csh": ".csh", "tcsh": ".csh"}.get(Path(os.environ.get("SHELL", "")).name, "")
    return f"\nfirst, in your shell: source {shlex.quote(str(place / 'bin' / 'activate') + ending)}"


def run(main: Callable[[], None]) -> None:
    """Call `main`; what a person can mend is one line and exit code 1. `python -X dev` shows the traceback.

    Of many processes the main one alone prints, but for what only another knows to have failed.
    """
    try:
        distributed.join()
        with nullcontext() if distributed.is_main() else redirect_stdout(StringIO()):
            main()
            if hint := activation_hint():
                say(hint)
            sys.stdout.flush()
        distributed.leave()
    except distributed.FailedElsewhere:
        sys.exit(1)
    except KeyboardInterrupt:  # outside of training, which saves first
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # whoever read along, as `head` does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, TypeError, OSError, ImportError, NonFiniteLoss, CheckpointError, DataError) as error:
        if sys.flags.dev_mode:
            raise
        if distributed.is_main():
            sys.exit(f"{type(error).__name__}: {error}")
        told = isinstance(error, (NonFiniteLoss, CheckpointError))  # by the main process
        sys.exit(1 if told else f"rank {distributed.rank()}: {type(error).__name__}: {error}")
    except RuntimeError as error:
        if sys.flags.dev_mode or not distributed.is_loss_of_a_process(error):
            raise
        sys.exit(f"rank {distributed.rank()}: another process is gone")
