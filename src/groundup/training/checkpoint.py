"""Checkpoints: written aside, synced and renamed; verified before they are believed.

step-000100/model.safetensors   the weights and buffers, tied ones once
            state.pt            optimizer, scheduler, scaler, random states, position (`weights_only` types)
            checksums.json      size and SHA-256 of both, and of this table itself
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from groundup.durable import move_into_place, sync
from groundup.training.logs import say

MODEL, STATE, CHECKSUMS = "model.safetensors", "state.pt", "checksums.json"


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

    def save(self, step: int, model: nn.Module, state: dict[str, Any], best: int | None = None) -> Path:
        """Write the checkpoint of `step`, then drop those that are neither among the newest nor the `best`.

        On any failure the temporary folder is removed, the older checkpoints stay, and `CheckpointError` says why.
        """
        final, temporary = self.path(step), self.folder / f".tmp-{step:06d}"
        try:
            temporary.mkdir(parents=True)
            write_model(model, temporary / MODEL)
            torch.save(state, temporary / STATE)
            torch.load(
                temporary / STATE, weights_only=True, mmap=True
            )  # what cannot be read back fails here, not later
            (temporary / CHECKSUMS).write_text(
                _table({name: _fingerprint(temporary / name) for name in (MODEL, STATE)})
            )
            for name in (MODEL, STATE, CHECKSUMS):
                sync(temporary / name)
            sync(temporary)
            if final.exists():
                shutil.rmtree(final)
            move_into_place(temporary, final)
        except Exception as error:  # the disk's errors come as OSError, RuntimeError or SafetensorError
            shutil.rmtree(temporary, ignore_errors=True)
            raise CheckpointError(
                f"the checkpoint of step {step} could not be written to {self.folder}: {error}. Older checkpoints are "
                "intact: free disk space or mend the cause, then go on with fit(resume=True)"
            ) from error
        for old in self.steps()[: -self.keep]:
            if old != best:
                shutil.rmtree(self.path(old))
        return final

    def load_newest(self, model: nn.Module | None = None) -> dict[str, Any] | None:
        """Fill `model` from the newest undamaged checkpoint and return its state; None when there is no checkpoint.

        A damaged one is reported in one line and moved aside, as `damaged-step-000100`. Raises `CheckpointError` when
        all are damaged.
        """
        steps = self.steps()
        for step in reversed(steps):
            if (fault := damage(self.path(step))) is None:
                return self.load(step, model)
            say(f"checkpoint {self.path(step)} is damaged: {fault}; using the one before it")
        if steps:
            raise CheckpointError(
                f"all checkpoints in {self.folder} are damaged (steps {', '.join(map(str, steps))}); "
                "start a new run in another run_dir"
            )
        return None

    def load(self, step: int, model: nn.Module | None = None) -> dict[str, Any]:
        """Fill `model` from the checkpoint of `step` and return its state, on the CPU."""
        if model is not None:
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
        if _table(files) != content or set(files) != {MODEL, STATE}:
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
            if _fingerprint(checkpoint / name) != expected:
                return f"{name} does not match its checksum"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return None


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _table(files: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": files, "sha256": digest}, indent=2) + "\n"


def write_model(model: nn.Module, path: Path) -> None:
    """The `state_dict` as safetensors. A tied tensor is stored once, its other names in the header."""
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    storages: set[int] = set()
    for name, value in model.state_dict().items():
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
    # The format writes its metadata in no fixed order: with one entry, equal weights make equal files.
    save_file(tensors, path, metadata={"format": "pt"} | ({"ties": json.dumps(ties)} if ties else {}))


def read_model(model: nn.Module, path: Path) -> None:
    """Fill a model, strictly: every name of its `state_dict`, no other, and equal shapes."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        ties = json.loads((file.metadata() or {}).get("ties", "{}"))
    model.load_state_dict(tensors | {name: tensors[source] for name, source in ties.items()}, strict=True)
