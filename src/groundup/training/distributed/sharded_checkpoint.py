"""Checkpoints of sharded models: each process writes its shards, and any number of processes reads them.

    shards/model/*.safetensors        the weights and buffers, by name
           optimizer/*.safetensors    the optimizer's tensors, such as "3.exp_avg": of its parameter number 3

`torch.distributed.checkpoint` writes the shards and re-slices them when they are read. Its files are safetensors:
nothing in them can be executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint import HuggingFaceStorageWriter
from torch.distributed.tensor import DTensor, distribute_tensor

from groundup.training.checkpoint import MODEL, SHARDS, STATE, Checkpoints
from groundup.training.checkpoint_files import CheckpointError, fingerprint, read_shapes, read_shards, read_tensors
from groundup.training.distributed.processes import gather, on_main, rank, world_size

Tensors = dict[str, Tensor]


def split_optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[Tensors, dict[str, Any]]:
    """Return an optimizer's state as (tensors by "number.name", its `state_dict` without them)."""
    whole = optimizer.state_dict()
    tensors: Tensors = {}
    rest: dict[int, dict[str, Any]] = {}
    for number, entries in whole["state"].items():
        rest[number] = {name: value for name, value in entries.items() if not isinstance(value, Tensor)}
        tensors |= {f"{number}.{name}": value for name, value in entries.items() if isinstance(value, Tensor)}
    return tensors, whole | {"state": rest}


def save_checkpoint(
    checkpoints: Checkpoints,
    step: int,
    tensors: Mapping[str, Tensors],
    state: dict[str, Any],
    best: int | None,
    group: Any,
) -> None:
    """Write the checkpoint of `step`, all processes together: `tensors` by part, and `state` of the main process.

    Every process hashes some of the files. If one process fails, all raise `CheckpointError`.
    """
    try:
        folder = on_main(lambda: checkpoints.open_draft(step), group)
        answers = gather(_write_shards(folder, tensors, group), group)
        on_main(lambda: checkpoints.commit_draft(step, state, best, _merge(answers or []), None), group)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise checkpoints.discard_draft(step, error) from error


def _write_shards(folder: Path, tensors: Mapping[str, Tensors], group: Any) -> dict[str, Any] | str:
    """Write the shards of this process; return size and SHA-256 of its part of the files, or an error message."""
    try:
        for part, content in tensors.items():
            (folder / SHARDS / part).mkdir(parents=True, exist_ok=True)
            writer = HuggingFaceStorageWriter(str(folder / SHARDS / part), save_distributed=True)
            dcp.save(dict(content), storage_writer=writer, process_group=group)
        files = sorted((folder / SHARDS).rglob("*.safetensors"))[rank() :: world_size()]
        return {path.relative_to(folder).as_posix(): fingerprint(path) for path in files}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # torch.distributed.checkpoint's error is no Exception; it lists all processes'
        failures = getattr(error, "failures", None)
        return str(next(iter(failures.values()))[0] if failures else error)


def _merge(answers: list[dict[str, Any] | str]) -> dict[str, Any]:
    """Return the fingerprints of all processes; raise the error of the first that failed."""
    fingerprints: dict[str, Any] = {}
    for answer in answers:
        if isinstance(answer, str):
            raise OSError(answer)
        fingerprints |= answer
    return fingerprints


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, group: Any = None
) -> dict[str, Any]:
    """Load a model and its optimizer, whole or sharded, from a checkpoint of either kind; return the other state."""
    state = torch.load(path / STATE, weights_only=True, map_location="cpu")
    params = [p for entry in optimizer.param_groups for p in entry["params"]]
    if (path / SHARDS).exists():
        read_shards(path / SHARDS / "model", model.state_dict(), group)
        tensors = {}
        for name, (shape, dtype) in read_shapes(path / SHARDS / "optimizer").items():
            p = params[int(name.partition(".")[0])]
            like = torch.zeros_like(p, dtype=dtype) if shape == p.shape else torch.zeros(shape, dtype=dtype)
            tensors[name] = like.detach()
        read_shards(path / SHARDS / "optimizer", tensors, group)
        for name, value in tensors.items():
            number, _, key = name.partition(".")
            state["optimizer"]["state"].setdefault(int(number), {})[key] = value
    else:
        _load_whole(model.state_dict(), read_tensors(path / MODEL))
        for number, entries in state["optimizer"]["state"].items():
            entries |= {name: _shard_like(params[number], value) for name, value in entries.items()}
    optimizer.load_state_dict(state["optimizer"])
    return state


def _load_whole(shards: Mapping[str, Tensor], whole: Mapping[str, Tensor]) -> None:
    """Copy whole tensors into the shards of a `state_dict`, by name."""
    if shards.keys() != whole.keys():
        raise CheckpointError(f"the checkpoint and the model differ in {', '.join(shards.keys() ^ whole.keys())}")
    for name, shard in shards.items():
        shard.copy_(_shard_like(shard, whole[name]))


def _shard_like(tensor: Tensor, value: Any) -> Any:
    """Return a whole value sharded as `tensor` is, if `tensor` is sharded and has its shape."""
    if isinstance(tensor, DTensor) and isinstance(value, Tensor) and value.shape == tensor.shape:
        return distribute_tensor(value.to(tensor.device), tensor.device_mesh, tensor.placements, src_data_rank=None)
    return value
