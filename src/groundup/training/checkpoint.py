"""Checkpoints: written aside, synced and renamed; verified before they are believed.

step-000100/model.safetensors   the weights and buffers, tied ones once
            state.pt            optimizer, scheduler, scaler, random states, position (`weights_only` types)
            checksums.json      size and SHA-256 of both, and of this table itself

Of a model that is sharded, shards/ takes the place of the first, and of the tensors of the optimizer: see
distributed/shards.py.
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
from safetensors import safe_open
from torch import Tensor, nn

from groundup.durable import move_into_place, sync
from groundup.training.logs import say
from groundup.training.output import Output, Rest, save_tensors

MODEL, STATE, SHARDS, CHECKSUMS = "model.safetensors", "state.pt", "shards", "checksums.json"


class CheckpointError(RuntimeError):
    """A checkpoint could not be written, or none can be read."""


class Checkpoints:
    """The checkpoints of one run: the newest `keep` of them, and the best."""

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.folder, self.keep = folder, keep

    def path(self, step: int) -> Path:
        """Where the checkpoint of `step` is."""
        return self.folder / f"step-{step:06d}"

    def steps(self) -> list[int]:
        """The steps that have one, oldest first."""
        names = (re.fullmatch(r"step-(\d{6,})", path.name) for path in self.folder.glob("step-*"))
        return sorted(int(name[1]) for name in names if name)

    def clean(self) -> None:
        """Remove what a process that died while saving left behind."""
        for leftover in self.folder.glob(".tmp-*"):
            shutil.rmtree(leftover)

    def save(
        self,
        step: int,
        model: nn.Module | Mapping[str, Any],
        state: dict[str, Any],
        best: int | None = None,
        rest: Rest | None = None,
    ) -> Path:
        """Write the checkpoint of `step`, then drop those that are neither among the newest nor the `best`.

        rest    called after each piece that is written: see `Output`

        On any failure the temporary folder is removed, the older checkpoints stay, and `CheckpointError` says why.
        """
        try:
            folder = self.draft(step)
            known = {MODEL: write_model(model, folder / MODEL, rest)}
            self.commit(step, state, best, known, rest)
        except Exception as error:  # the disk's errors come as OSError, RuntimeError or SafetensorError
            raise self.discarded(step, error) from error
        return self.path(step)

    def draft(self, step: int) -> Path:
        """An empty folder, where a checkpoint is written aside."""
        temporary = self.folder / f".tmp-{step:06d}"
        temporary.mkdir(parents=True)
        return temporary

    def commit(
        self, step: int, state: dict[str, Any], best: int | None, known: dict[str, Any], rest: Rest | None = None
    ) -> None:
        """Add `state` to the draft, sum it up and rename it; then drop those that are neither new nor the `best`.

        known    size and SHA-256 of the files that are in it, by name
        """
        final, temporary = self.path(step), self.folder / f".tmp-{step:06d}"
        with Output(temporary / STATE, rest) as output:
            torch.save(state, output)  # type: ignore[arg-type]  # it needs no more than `write`
        torch.load(temporary / STATE, weights_only=True, mmap=True)  # what cannot be read back fails here, not later
        files = dict(sorted({**known, STATE: output.fingerprint}.items()))
        (temporary / CHECKSUMS).write_text(_table(files))
        for name in (*files, CHECKSUMS):
            sync(temporary / name)
        for part in (temporary / SHARDS, *(temporary / SHARDS).glob("*/"), temporary):
            if part.is_dir():
                sync(part)
        if final.exists():
            shutil.rmtree(final)
        move_into_place(temporary, final)
        for old in self.steps()[: -self.keep]:
            if old != best:
                shutil.rmtree(self.path(old))

    def discarded(self, step: int, error: BaseException) -> CheckpointError:
        """Remove the draft; the error to raise."""
        shutil.rmtree(self.folder / f".tmp-{step:06d}", ignore_errors=True)
        return CheckpointError(
            f"the checkpoint of step {step} could not be written to {self.folder}: {error}. Older checkpoints are "
            "intact: free disk space or mend the cause, then go on with --resume, or fit(resume=True)"
        )

    def newest(self) -> int | None:
        """The step of the newest undamaged checkpoint; None when there is no checkpoint.

        A damaged one is reported in one line. Raises `CheckpointError` when all are damaged.
        """
        steps = self.steps()
        for step in reversed(steps):
            if (fault := damage(self.path(step))) is None:
                return step
            say(f"checkpoint {self.path(step)} is damaged: {fault}; using the one before it")
        if steps:
            raise CheckpointError(
                f"all checkpoints in {self.folder} are damaged (steps {', '.join(map(str, steps))}); "
                "start a new run in another run_dir"
            )
        return None

    def load_newest(self, model: nn.Module | None = None) -> dict[str, Any] | None:
        """Fill `model` from the newest undamaged checkpoint and return its state; None when there is no checkpoint."""
        step = self.newest()
        return None if step is None else self.load(step, model)

    def load(self, step: int, model: nn.Module | None = None) -> dict[str, Any]:
        """Fill `model` from the checkpoint of `step` and return its state, on the CPU."""
        if model is not None:
            if (self.path(step) / SHARDS).exists():
                from groundup.training.distributed.shards import read_shards  # whole runs do without

                read_shards(self.path(step) / SHARDS / "model", model.state_dict())
            else:
                read_model(model, self.path(step) / MODEL)
        return torch.load(self.path(step) / STATE, weights_only=True, map_location="cpu")

    def set_aside_after(self, step: int) -> None:
        """Rename the checkpoints newer than `step`: training goes on from there, and would count them as newest."""
        for newer in (s for s in self.steps() if s > step):
            aside = self.folder / f"damaged-{self.path(newer).name}"
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(self.path(newer), aside)


def load_best(model: nn.Module, run_dir: str | Path) -> dict[str, float]:
    """Fill `model` with the best weights of a run, and return the metrics they reached."""
    checkpoints = Checkpoints(Path(run_dir) / "checkpoints")
    state = checkpoints.load_newest()
    if state is None:
        raise CheckpointError(f"{run_dir} holds no checkpoint; train first, or name the folder of a run")
    position = state["position"]
    step = position["best_step"]
    if step is None:
        raise CheckpointError(f"the run in {run_dir} was not evaluated, so none of its checkpoints is the best")
    if (fault := damage(checkpoints.path(step))) is not None:
        raise CheckpointError(f"the best checkpoint, {checkpoints.path(step)}, is damaged: {fault}")
    checkpoints.load(step, model)
    return position["best"]


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, in words; None when every byte is as it was written."""
    try:
        content = (checkpoint / CHECKSUMS).read_text(encoding="utf-8")
        files = json.loads(content)["files"]
        if _table(files) != content or STATE not in files or len(files) < 2:
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


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _table(files: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": files, "sha256": digest}, indent=2) + "\n"


def write_model(model: nn.Module | Mapping[str, Any], path: Path, rest: Rest | None = None) -> dict[str, Any]:
    """A `state_dict`, a model's or by itself, as safetensors; the file's size and SHA-256.

    A tied tensor is stored once, its other names beside.
    """
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    storages: set[int] = set()
    for name, value in (model.state_dict() if isinstance(model, nn.Module) else model).items():
        if not isinstance(value, Tensor):
            raise RuntimeError(f"{name} in the state_dict is a {type(value).__name__}; only tensors can be stored")
        storage = value.untyped_storage().data_ptr()
        place = (value.device, value.data_ptr(), value.shape, value.stride(), value.dtype)
        if value.numel() and place in first:
            ties[name] = first[place]
            continue
        first[place] = name
        # A view into a tensor that is stored already gets a storage of its own, as the format asks.
        tensors[name] = value.clone() if storage in storages else value
        tensors[name] = tensors[name].contiguous()
        storages.add(storage)
    with Output(path, rest) as output:
        save_tensors(tensors, output, {"format": "pt"} | ({"ties": json.dumps(ties)} if ties else {}))
    return output.fingerprint


def read_model(model: nn.Module, path: Path) -> None:
    """Fill a model, strictly: every name of its `state_dict`, no other, and equal shapes."""
    model.load_state_dict(read_tensors(path), strict=True)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """What `write_model` wrote, tied tensors under each of their names."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        ties = json.loads((file.metadata() or {}).get("ties", "{}"))
    return tensors | {name: tensors[source] for name, source in ties.items()}
