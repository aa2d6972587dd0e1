"""Meta's folders of weights: consolidated.00.pth, 01, … and params.json; each file has a part of every matrix.

The parts are those of model parallelism: what makes features is cut between its rows, what sums them up between its
columns, and norms are in every file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundup.durable import move_into_place
from groundup.weights.config import read_object
from groundup.weights.files import PARAMS, PART, Weights, read_file
from groundup.weights.saving import drop_safetensors, placed
from groundup.weights.table import WeightError

FIRST = "consolidated.00.pth"
_ROWS = ("wq", "wk", "wv", "w1", "w3", "output")
_COLUMNS = ("wo", "w2", "tok_embeddings")


def _cut(name: str) -> int | None:
    """The axis along which a tensor is divided among the files; None for one that is in each."""
    kind = name.removesuffix(".weight").rpartition(".")[2]
    return 0 if kind in _ROWS else 1 if kind in _COLUMNS else None


def _count(meta: Mapping[str, Tensor]) -> int:
    """Into how many parts the model was divided: W_Q has all features for columns, and in a part that share of rows."""
    shapes = (tensor.shape for name, tensor in meta.items() if name.endswith("attention.wq.weight"))
    rows, columns = next((shape for shape in shapes if len(shape) == 2), (1, 1))
    return columns // rows if rows and columns % rows == 0 else 1


def open_consolidated(folder: Path, files: list[Path]) -> Weights:
    """The whole tensors of all parts. Raises `WeightError` for a part that is missing, or has other tensors."""
    parts = [read_file(file) for file in files]
    count = _count(parts[0].meta)
    expected = [f"consolidated.{i:02d}.pth" for i in range(max(count, len(files)))]
    if missing := [name for name in expected if name not in {file.name for file in files}]:
        names = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        raise WeightError(f"{names} from {folder}: the model is in {len(expected)} parts, to {expected[-1]}")
    if len(files) > count > 1:
        raise WeightError(f"{folder} holds {len(files)} parts, and {files[0].name} is of a model in {count}")
    for file, part in zip(files, parts):
        if part.meta.keys() != parts[0].meta.keys():
            name = next(iter(part.meta.keys() ^ parts[0].meta.keys()))
            raise WeightError(f"{file} and {files[0].name} are no parts of one model: one of them lacks {name}")
        for name, tensor in part.meta.items():
            if tensor.shape != parts[0].meta[name].shape:
                raise WeightError(f"{file} and {files[0].name} are no parts of one model: {name} differs in shape")

    def joined(name: str, tensors: list[Tensor]) -> Tensor:
        axis = _cut(name)
        return tensors[0] if axis is None or len(tensors) == 1 else torch.cat(tensors, axis)

    meta = {name: joined(name, [part.meta[name] for part in parts]) for name in parts[0].meta}
    return Weights(folder, meta, lambda name: joined(name, [part[name] for part in parts]))


def read_params(folder: Path) -> dict[str, Any]:
    """params.json. Raises `ValueError` where there is none, or it is garbled."""
    file = folder / PARAMS
    if not file.is_file():
        raise ValueError(f"there is no {file}, which must say what the consolidated weights beside it belong to")
    return read_object(file)


def save_consolidated(tensors: Mapping[str, Tensor], folder: Path, params: Mapping[str, Any], parts: int = 1) -> Path:
    """Write `tensors`, under Meta's names, as that many parts, in place of what `save_weights` wrote there."""
    folder = folder.absolute()
    if empty := [name for name, tensor in tensors.items() if tensor.is_meta]:
        raise ValueError(f"{empty[0]} is on the meta device and has no numbers to save")
    for name in ("pytorch_model.bin", "pytorch_model.bin.index.json"):
        if (folder / name).is_file():
            raise ValueError(f"folder {folder} holds {name}, which would be read instead; choose another folder")
    with placed(folder, _replace) as temporary:
        for i in range(parts):
            state = {}
            for name, tensor in tensors.items():
                axis = _cut(name)
                state[name] = (tensor if axis is None else tensor.chunk(parts, axis)[i]).contiguous().clone()
            torch.save(state, temporary / f"consolidated.{i:02d}.pth")
        (temporary / PARAMS).write_text(json.dumps(params), encoding="utf-8")
    return folder


def _replace(folder: Path, written: list[Path]) -> None:
    """Move the files in, the first part last, without which the others are refused; safetensors are read until then."""
    (folder / PARAMS).unlink(missing_ok=True)
    for old_file in folder.iterdir():
        if PART.fullmatch(old_file.name):
            old_file.unlink()
    for file in sorted(written, key=lambda file: file.name == FIRST):
        move_into_place(file, folder / file.name)
    drop_safetensors(folder)
