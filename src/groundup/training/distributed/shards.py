"""Checkpoints of sharded models: each process writes its shards, and any number of processes reads them.

shards/model/*.safetensors        the weights and buffers, by name
       optimizer/*.safetensors    the optimizer's tensors, as "3.exp_avg": of its parameter number 3

`torch.distributed.checkpoint` writes and cuts anew. Its files are safetensors: nothing in them can run.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.tensor import DTensor, distribute_tensor

from groundup.training.checkpoint import (
    MODEL,
    SHARDS,
    STATE,
    CheckpointError,
    Checkpoints,
    fingerprint,
    read_tensors,
)
from groundup.training.distributed.ranks import gathered, on_main, rank, world_size

Tensors = dict[str, Tensor]


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[Tensors, dict[str, Any]]:
    """An optimizer's state as (its tensors by "number.name", its `state_dict` without them)."""
    whole = optimizer.state_dict()
    tensors: Tensors = {}
    rest: dict[int, dict[str, Any]] = {}
    for number, entries in whole["state"].items():
        rest[number] = {name: value for name, value in entries.items() if not isinstance(value, Tensor)}
        tensors |= {f"{number}.{name}": value for name, value in entries.items() if isinstance(value, Tensor)}
    return tensors, whole | {"state": rest}


def write_shards(
    checkpoints: Checkpoints,
    step: int,
    tensors: Mapping[str, Tensors],
    state: dict[str, Any],
    best: int | None,
    group: Any,
) -> None:
    """Write the checkpoint of `step` together: `tensors` by part, and of the main process `state`.

    Every process sums up some of the files. When one fails, all raise `CheckpointError`.
    """
    try:
        folder = on_main(lambda: checkpoints.draft(step), group)
        told = gathered(_written(folder, tensors, group), group)
        on_main(lambda: checkpoints.commit(step, state, best, _known(told)), group)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise checkpoints.discarded(step, error) from error


def _written(folder: Path, tensors: Mapping[str, Tensors], group: Any) -> dict[str, Any] | str:
    """This process's part of the writing: size and SHA-256 of some of the files, or what went wrong, in words."""
    try:
        for part, content in tensors.items():
            (folder / SHARDS / part).mkdir(parents=True, exist_ok=True)
            writer = HuggingFaceStorageWriter(str(folder / SHARDS / part), save_distributed=True)
            dcp.save(dict(content), storage_writer=writer, process_group=group)
        files = sorted((folder / SHARDS).rglob("*.safetensors"))[rank() :: world_size()]
        return {path.relative_to(folder).as_posix(): fingerprint(path) for path in files}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # torch.distributed.checkpoint's own is no Exception, and lists all processes'
        failures = getattr(error, "failures", None)
        return str(next(iter(failures.values()))[0] if failures else error)


def _known(told: list[Any] | None) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for one in told or ():
        if isinstance(one, str):
            raise OSError(one)
        known |= one
    return known


def read_shards(folder: Path, tensors: Mapping[str, Tensor], group: Any = None) -> None:
    """Fill tensors, whole ones or shards, from the files of a folder; with `group`, together with its processes.

    Raises `CheckpointError` for a tensor that is missing, left over, or of another shape.
    """
    saved = {name: shape for name, (shape, _) in saved_shapes(folder).items()}
    wanted = {name: tuple(value.shape) for name, value in tensors.items()}
    if saved != wanted:
        name = next(name for name in {**wanted, **saved} if saved.get(name) != wanted.get(name))
        raise CheckpointError(f"{folder} holds {name!r} as {saved.get(name)}, the model as {wanted.get(name)}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is")  # that this process reads by itself
        reader = HuggingFaceStorageReader(str(folder))
        dcp.load(dict(tensors), storage_reader=reader, process_group=group, no_dist=group is None)


def saved_shapes(folder: Path) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and dtype of every tensor in a folder of shards."""
    about: dict[str, Any] = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {name: (tuple(one.size), one.properties.dtype) for name, one in about.items()}


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, group: Any = None) -> dict[str, Any]:
    """Fill a model and its optimizer, whole or sharded, from a checkpoint of either kind; the state that remains."""
    state = torch.load(path / STATE, weights_only=True, map_location="cpu")
    params = [p for entry in optimizer.param_groups for p in entry["params"]]
    if (path / SHARDS).exists():
        read_shards(path / SHARDS / "model", model.state_dict(), group)
        tensors = {}
        for name, (shape, dtype) in saved_shapes(path / SHARDS / "optimizer").items():
            p = params[int(name.partition(".")[0])]
            like = torch.zeros_like(p, dtype=dtype) if shape == p.shape else torch.zeros(shape, dtype=dtype)
            tensors[name] = like.detach()
        read_shards(path / SHARDS / "optimizer", tensors, group)
        for name, value in tensors.items():
            number, _, key = name.partition(".")
            state["optimizer"]["state"].setdefault(int(number), {})[key] = value
    else:
        fill(model.state_dict(), read_tensors(path / MODEL))
        for number, entries in state["optimizer"]["state"].items():
            entries |= {name: _like(value, params[number]) for name, value in entries.items()}
    optimizer.load_state_dict(state["optimizer"])
    return state


def fill(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Copy whole tensors into a `state_dict` of shards, name by name."""
    if own.keys() != given.keys():
        raise CheckpointError(f"the checkpoint and the model differ in {', '.join(own.keys() ^ given.keys())}")
    for name, value in own.items():
        value.copy_(_like(given[name], value))


def _like(value: Any, tensor: Tensor) -> Any:
    """A whole tensor cut as `tensor` is, if that is cut and of its shape."""
    if isinstance(tensor, DTensor) and isinstance(value, Tensor) and value.shape == tensor.shape:
        return distribute_tensor(value.to(tensor.device), tensor.device_mesh, tensor.placements, src_data_rank=None)
    return value
