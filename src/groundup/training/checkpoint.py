"""Checkpoints: written to a temporary folder, synced, renamed; verified before they are read.

    step-000100/model.safetensors   the weights and buffers; tied tensors once
                state.pt            optimizer, scheduler, scaler, random states, progress (`weights_only` types)
                checksums.json      size and SHA-256 of both, and of this table itself

Why: a process can be killed at any moment. A reader sees the whole checkpoint or none, because only the rename makes
it visible; and a damaged file is found by its checksum, not by a wrong result.

A sharded model has a folder shards/ in place of model.safetensors and of the optimizer's tensors: see
distributed/sharded_checkpoint.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from groundup.durable import move_into_place, sync
from groundup.training import checkpoint_files
from groundup.training.checkpoint_files import CheckpointError, HashedFile, Pause, fingerprint
from groundup.training.logs import say

MODEL, STATE, SHARDS, CHECKSUMS = "model.safetensors", "state.pt", "shards", "checksums.json"


class Checkpoints:
    """The checkpoints of one run: the newest ones and the best one.

    Args:
        folder: the folder of the checkpoints; created when the first one is saved.
        keep: how many of the newest checkpoints stay, in addition to the best.

    Example:
        >>> from tempfile import mkdtemp
        >>> checkpoints = Checkpoints(Path(mkdtemp()), keep=2)
        >>> for step in (1, 2, 3, 4):
        ...     _ = checkpoints.save(step, nn.Linear(2, 2), {}, best=1)
        >>> checkpoints.steps()
        [1, 3, 4]
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.folder, self.keep = folder, keep

    def path(self, step: int) -> Path:
        """Return the folder of the checkpoint of `step`."""
        return self.folder / f"step-{step:06d}"

    def _draft_path(self, step: int) -> Path:
        return self.folder / f".tmp-{step:06d}"

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, oldest first."""
        names = (re.fullmatch(r"step-(\d{6,})", path.name) for path in self.folder.glob("step-*"))
        return sorted(int(name[1]) for name in names if name)

    def clean(self) -> None:
        """Remove the drafts of processes that were killed while saving."""
        for leftover in self.folder.glob(".tmp-*"):
            shutil.rmtree(leftover)

    def save(
        self,
        step: int,
        model: nn.Module | Mapping[str, Any],
        state: dict[str, Any],
        best: int | None = None,
        pause: Pause | None = None,
    ) -> Path:
        """Write the checkpoint of `step`; delete those that are neither among the newest nor the best.

        Args:
            model: the model, or its `state_dict`.
            state: everything else, in types that `torch.load(weights_only=True)` reads.
            best: the step of the best checkpoint so far.
            pause: called after each piece that is written: see `HashedFile`.

        Raises `CheckpointError` on any failure; the draft is then removed and older checkpoints are unchanged.
        """
        try:
            folder = self.open_draft(step)
            fingerprints = {MODEL: checkpoint_files.write_model(model, folder / MODEL, pause)}
            self.commit_draft(step, state, best, fingerprints, pause)
        except Exception as error:  # disk errors come as OSError, RuntimeError or SafetensorError
            raise self.discard_draft(step, error) from error
        return self.path(step)

    def open_draft(self, step: int) -> Path:
        """Create and return the temporary folder in which the checkpoint of `step` is written."""
        draft = self._draft_path(step)
        draft.mkdir(parents=True)
        return draft

    def commit_draft(
        self,
        step: int,
        state: dict[str, Any],
        best: int | None,
        fingerprints: dict[str, Any],
        pause: Pause | None = None,
    ) -> None:
        """Add `state` and the checksums to a draft, sync it and rename it; then delete old checkpoints.

        Args:
            fingerprints: size and SHA-256 of the files already in the draft, by name.
        """
        final, draft = self.path(step), self._draft_path(step)
        with HashedFile(draft / STATE, pause) as output:
            torch.save(state, output)  # type: ignore[arg-type]  # it needs no more than `write`
        torch.load(draft / STATE, weights_only=True, mmap=True)  # a state that cannot be read back fails here
        files = dict(sorted({**fingerprints, STATE: output.fingerprint}.items()))
        (draft / CHECKSUMS).write_text(_format_checksums(files))
        for name in (*files, CHECKSUMS):
            sync(draft / name)
        for part in (draft / SHARDS, *(draft / SHARDS).glob("*/"), draft):
            if part.is_dir():
                sync(part)
        if final.exists():
            shutil.rmtree(final)
        move_into_place(draft, final)
        for old in self.steps()[: -self.keep]:
            if old != best:
                shutil.rmtree(self.path(old))

    def discard_draft(self, step: int, error: BaseException) -> CheckpointError:
        """Remove a draft and return the error to raise."""
        shutil.rmtree(self._draft_path(step), ignore_errors=True)
        return CheckpointError(
            f"the checkpoint of step {step} could not be written to {self.folder}: {error}. Older checkpoints are "
            "intact: free disk space or remove the cause, then go on with --resume, or fit(resume=True)"
        )

    def find_newest(self) -> int | None:
        """Return the step of the newest undamaged checkpoint; None if there is no checkpoint.

        Prints one line for each damaged one. Raises `CheckpointError` if all are damaged.
        """
        steps = self.steps()
        for step in reversed(steps):
            if (damage := find_damage(self.path(step))) is None:
                return step
            say(f"checkpoint {self.path(step)} is damaged: {damage}; using the one before it")
        if steps:
            raise CheckpointError(
                f"all checkpoints in {self.folder} are damaged (steps {', '.join(map(str, steps))}); "
                "start a new run in another run_dir"
            )
        return None

    def load(self, step: int, model: nn.Module | None = None) -> dict[str, Any]:
        """Load the weights of `step` into `model`, if given, and return the rest of the state, on the CPU."""
        folder = self.path(step)
        if model is not None and (folder / SHARDS).exists():
            checkpoint_files.read_shards(folder / SHARDS / "model", model.state_dict())
        elif model is not None:
            checkpoint_files.read_model(model, folder / MODEL)
        return torch.load(folder / STATE, weights_only=True, map_location="cpu")

    def load_newest(self, model: nn.Module | None = None) -> dict[str, Any] | None:
        """Load the newest undamaged checkpoint as `load` does; None if there is no checkpoint."""
        step = self.find_newest()
        return None if step is None else self.load(step, model)

    def set_aside_after(self, step: int) -> None:
        """Rename checkpoints newer than `step`, which are damaged, so that they do not count as the newest."""
        for newer in (s for s in self.steps() if s > step):
            aside = self.folder / f"damaged-{self.path(newer).name}"
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(self.path(newer), aside)


def load_best(model: nn.Module, run_dir: str | Path) -> dict[str, float]:
    """Load the best weights of a run into `model` and return the metrics that they reached.

    Raises `CheckpointError` if the run has no checkpoint, was not evaluated, or its best checkpoint is damaged.
    """
    checkpoints = Checkpoints(Path(run_dir) / "checkpoints")
    state = checkpoints.load_newest()
    if state is None:
        raise CheckpointError(f"{run_dir} holds no checkpoint; train first, or name the folder of a run")
    progress = state["position"]
    step = progress["best_step"]
    if step is None:
        raise CheckpointError(f"the run in {run_dir} was not evaluated, so none of its checkpoints is the best")
    if (damage := find_damage(checkpoints.path(step))) is not None:
        raise CheckpointError(f"the best checkpoint, {checkpoints.path(step)}, is damaged: {damage}")
    checkpoints.load(step, model)
    return progress["best"]


def export(run_dir: str | Path, path: str | Path, step: int | None = None) -> None:
    """Write the weights of a run's checkpoint as one safetensors file, also if the checkpoint is sharded.

    Args:
        run_dir: the folder of the run.
        path: the file to write.
        step: the step of the checkpoint; the newest by default.
    """
    checkpoints = Checkpoints(Path(run_dir) / "checkpoints")
    step = checkpoints.find_newest() if step is None else step
    if step is None:
        raise CheckpointError(f"{run_dir} holds no checkpoint")
    folder = checkpoints.path(step)
    if (damage := find_damage(folder)) is not None:
        raise CheckpointError(f"the checkpoint of {step}: {damage}")
    if (folder / SHARDS).exists():
        shapes = checkpoint_files.read_shapes(folder / SHARDS / "model")
        tensors = {name: torch.empty(shape, dtype=dtype) for name, (shape, dtype) in shapes.items()}
        checkpoint_files.read_shards(folder / SHARDS / "model", tensors)
    else:
        tensors = checkpoint_files.read_tensors(folder / MODEL)
    save_file({name: value.clone() for name, value in tensors.items()}, path, metadata={"format": "pt"})


def find_damage(checkpoint: Path) -> str | None:
    """Describe the damage of a checkpoint; return None if every byte is as it was written."""
    try:
        content = (checkpoint / CHECKSUMS).read_text(encoding="utf-8")
        files = json.loads(content)["files"]
        if _format_checksums(files) != content or STATE not in files or len(files) < 2:
            return f"{CHECKSUMS} does not match its own checksum"
    except OSError as error:
        return f"{CHECKSUMS} cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError):
        return f"{CHECKSUMS} is garbled"
    for name, expected in files.items():
        try:
            size = (checkpoint / name).stat().st_size
            if size != expected["bytes"]:
                return f"{name} has {size:,} bytes, {expected['bytes']:,} were written"
            if fingerprint(checkpoint / name) != expected:
                return f"{name} does not match its checksum"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return None


def _format_checksums(files: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": files, "sha256": digest}, indent=2) + "\n"
