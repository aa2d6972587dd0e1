"""The command line of a training program: common flags, the run folder, and errors in one line."""

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
from groundup.training.checkpoint_files import CheckpointError
from groundup.training.logs import say
from groundup.training.run_folder import RunFolderError, choose_run_dir, explain_disk_errors, latest_run_dir
from groundup.training.seeds import seed_everything
from groundup.training.state import NonFiniteLoss
from groundup.training.threads import use_one_thread

C = TypeVar("C", bound="Options")
#: Flags that may change with --resume: where and how to compute, and what to ask the trained model.
NO_SETTINGS = ("run_dir", "resume", "smoke", "parallel", "device", "num_workers", "ask", "prompt")


@dataclass(kw_only=True)
class Options:
    """Base of the Config of a program whose run cannot be resumed, because it is short or trains many models."""

    seed: int = 0  # of the weights, of the order of the data and of its augmentation
    run_dir: str = ""  # folder of the pictures; by default a new one under runs/
    smoke: bool = False  # make a few steps only, to test that everything works


@dataclass(kw_only=True)
class RunOptions(Options):
    """Base of the Config of a program that trains one model with the `Trainer`."""

    run_dir: str = ""  # folder of the run; by default a new one under runs/, or with --resume the newest there
    resume: bool = False  # go on with an interrupted run; its settings are read from the folder
    parallel: str = "ddp"  # with torchrun: ddp, the whole model in every process, or fsdp, a part of it in each

    def settings(self) -> dict[str, Any]:
        """Return the settings that a resumed run must not change, for the Trainer's `config`."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in NO_SETTINGS}


def command_line(config: type[C], name: str, description: str = "", small_steps: bool = False) -> tuple[C, Path]:
    """Parse the flags; return (config, run folder). Every random generator is seeded with `config.seed`.

    With --resume the saved settings are the defaults of all other flags.

    Args:
        config: a dataclass derived from `Options` or `RunOptions`; its fields are the flags.
        name: name of the run folder below runs/.
        description: text at the top of --help.
        small_steps: for programs that train without a `Trainer`: use one thread, as the Trainer does for small steps,
            unless the user set the number of threads.

    Exits with a usage message if the flags are wrong; raises `RunFolderError` if the folder cannot be written.
    """
    distributed.join()
    options, run_dir = distributed.on_main(lambda: _parse(config, Path("runs") / name, description))
    seed_everything(options.seed)
    if small_steps:
        use_one_thread("the steps of this program are small")
    if isinstance(options, RunOptions):
        distributed.set_default_parallel(options.parallel)
    return options, run_dir


def _parse(config: type[C], base: Path, description: str) -> tuple[C, Path]:
    options = tyro.cli(config, description=description)
    if not isinstance(options, RunOptions) or not options.resume:
        run_dir = Path(options.run_dir) if options.run_dir else choose_run_dir(base)
        with explain_disk_errors(run_dir):  # before the work, not after it
            run_dir.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=run_dir).close()
        return options, run_dir
    run_dir = Path(options.run_dir) if options.run_dir else latest_run_dir(base)
    path = next(iter([*run_dir.glob("config.json"), *sorted(run_dir.glob("*/config.json"))]), None)
    if path is None:  # stopped before it started: the Trainer prints that it starts again
        return options, run_dir
    return tyro.cli(config, description=description, default=_load_settings(config, path)), run_dir


def _load_settings(config: type[C], path: Path) -> C:
    """Return the settings in the config.json of a run."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["config"]
        known: dict[str, Any] = {
            field.name: entries[field.name] for field in dataclasses.fields(config) if field.name in entries
        }
    except (ValueError, KeyError, TypeError) as error:  # damaged, or of another program
        raise RunFolderError(
            f"{path} does not hold the settings of a run ({type(error).__name__}: {error}); start a new run in "
            "another run_dir"
        ) from error
    known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}  # as JSON has them
    return config(**known)


def activation_hint() -> str:
    """Return the line that activates this Python's environment, for printed commands; "" if they work already."""
    if sys.prefix == sys.base_prefix or shutil.which("groundup") is not None:
        return ""
    place = Path(sys.prefix)
    place = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    if os.name == "nt":
        return f"\nfirst, in your shell: {place / 'Scripts' / 'activate'}"
    ending = {"fish": ".fish", "csh": ".csh", "tcsh": ".csh"}.get(Path(os.environ.get("SHELL", "")).name, "")
    return f"\nfirst, in your shell: source {shlex.quote(str(place / 'bin' / 'activate') + ending)}"


def run(main: Callable[[], None]) -> None:
    """Call `main`; print errors of the user in one line, with exit code 1. `python -X dev` shows the traceback.

    Only the main process prints, except for failures that only another process knows.
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
    except KeyboardInterrupt:  # outside of training, which saves a checkpoint first
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # the reader has stopped, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, TypeError, OSError, ImportError, NonFiniteLoss, CheckpointError, DataError) as error:
        if sys.flags.dev_mode:
            raise
        if distributed.is_main():
            sys.exit(f"{type(error).__name__}: {error}")
        is_printed = isinstance(error, (NonFiniteLoss, CheckpointError))  # by the main process
        sys.exit(1 if is_printed else f"rank {distributed.rank()}: {type(error).__name__}: {error}")
    except RuntimeError as error:
        if sys.flags.dev_mode or not distributed.is_loss_of_a_process(error):
            raise
        sys.exit(f"rank {distributed.rank()}: another process is gone")
