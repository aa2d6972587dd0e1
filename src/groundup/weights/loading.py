"""Filling a model with a file: found, checked as a whole; only then is the first tensor copied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from groundup.weights import registry
from groundup.weights.fetch import fetch, fetch_folder
from groundup.weights.files import ENDINGS, Weights, open_weights
from groundup.weights.reading import Reading, check_dense
from groundup.weights.table import SAME_NAMES, Table, WeightError, to_ours


def load_weights(model: nn.Module, path: str | Path, table: Table = SAME_NAMES) -> None:
    """Copy the weights of a file or folder into a model, all of them or, when they do not fit, none.

    Raises `WeightError` naming the file and every tensor at fault; the model is then as it was.
    """
    weights, state = open_weights(path), model.state_dict()
    check_dense(weights)
    _made(weights.path, table, weights.meta, {name: tensor.to("meta") for name, tensor in state.items()})
    _copy(_made(weights.path, table, weights, state), state)


def locate(name: str, aliases: Mapping[str, str] | None = None) -> Path:
    """Where the weights are that are at a path, at an address, or in a repository of the hub; fetched when need be.

    `aliases` are short names of the latter two: what lies at a path of that name is taken first.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    name = (aliases or {}).get(name, name)
    if name.startswith(("https://", "http://", "hf://")):
        return fetch(name)
    owner = name.split("/")[0]
    addresses = [row.address for row in registry.published_weights() if row.name.split("/")[0] == owner]
    elsewhere = addresses and not any(address.startswith("hf://") for address in addresses)
    is_repository = re.fullmatch(r"\w[\w.-]*/[\w.-]+", name) and path.suffix not in ENDINGS
    if is_repository and not elsewhere:
        return fetch_folder(name)
    raise ValueError(
        f"{name!r} is neither a file or folder on this machine, nor an address, nor the name of published weights"
        f"{registry.near(name)}"
    )


def build(
    reading: Reading,
    weights: Weights,
    fitting: Mapping[str, Any],
    changes: Mapping[str, Any],
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> tuple[Any, list[str]]:
    """The model, filled, and the names of its tensors that are fresh: they have another shape than in the file.

    `fitting` are the arguments of the model that the file fits; with `changes` those of the model that is wanted.
    """
    wanted = {**reading.arguments, **changes}
    if fitting == wanted:
        model = _blank(reading.model, wanted, device, dtype)
        state = model.state_dict()
        _copy(_made(weights.path, reading.table, weights, state), state)
        return model, []
    model = reading.model(**wanted, device=device, dtype=dtype)
    state, of_file = model.state_dict(), reading.model(**fitting, device="meta").state_dict()
    fresh = [name for name in state if state[name].shape != of_file[name].shape]
    tensors = _made(weights.path, reading.table, weights, {**state, **{name: of_file[name] for name in fresh}})
    _copy({name: tensor for name, tensor in tensors.items() if name not in fresh}, state)
    return model, fresh


def _made(path: Path, table: Table, theirs: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The model's tensors, of the file's; of meta tensors it is known only whether they fit."""
    try:
        return to_ours(table, theirs, state)
    except WeightError as failure:
        raise WeightError(f"{path}: {failure}") from failure


def _blank(
    model: Any, arguments: Mapping[str, Any], device: torch.device | str | None, dtype: torch.dtype | None
) -> Any:
    """A model whose numbers are all about to be copied: no time is spent on drawing them, nor any random number."""
    blank = model(**arguments, device="meta", dtype=dtype)
    derived = {id(b) for part in blank.modules() if hasattr(part, "derive") for b in part.buffers(recurse=False)}
    buffers = [(name, b) for name, b in blank.named_buffers() if id(b) not in derived]  # the others make themselves
    each_once = [name for name, _ in (*blank.named_parameters(), *buffers)]
    if blank.state_dict().keys() != set(each_once):  # shared parameters, or buffers that are in no file
        return model(**arguments, device=device, dtype=dtype)
    return blank.to_empty(device=torch.get_default_device() if device is None else device)


def _copy(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    if empty := [name for name, tensor in tensors.items() if tensor.is_meta and not state[name].is_meta]:
        raise WeightError(
            f"the file has only the shape of what fills {empty[0]}, saved from the meta device, and no numbers: "
            "save a model that has them"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            state[name].copy_(tensor)
