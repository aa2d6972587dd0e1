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

from groundup.pretrained.config import read_object
from groundup.pretrained.files import Weights, read_file
from groundup.pretrained.table import WeightError

FIRST, PARAMS = "consolidated.00.pth", "params.json"
_ROWS = ("wq", "wk", "wv", "w1", "w3", "output")
_COLUMNS = ("wo", "w2", "tok_embeddings")


def _cut(name: str) -> int | None:
    """The axis along which a tensor is divided among the files; None for one that is in each."""
    kind = name.removesuffix(".weight").rpartition(".")[2]
    return 0 if kind in _ROWS else 1 if kind in _COLUMNS else None


def open_consolidated(folder: Path, files: list[Path]) -> Weights:
    """The whole tensors of all parts. Raises `WeightError` for a part that is missing, or has other tensors."""
    expected = [folder / f"consolidated.{i:02d}.pth" for i in range(len(files))]
    if missing := [file.name for file in expected if file not in files]:
        raise WeightError(f"{folder} lacks the part {missing[0]} of {len(files)} that are numbered to {files[-1].name}")
    parts = [read_file(file) for file in files]
    for file, part in zip(files, parts):
        if part.meta.keys() != parts[0].meta.keys():
            name = next(iter(part.meta.keys() ^ parts[0].meta.keys()))
            raise WeightError(f"{file} and {files[0].name} are no parts of one model: one of them lacks {name}")

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
    """Write `tensors`, under Meta's names, as that many parts."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(parts):
        state = {}
        for name, tensor in tensors.items():
            axis = _cut(name)
            state[name] = (tensor if axis is None else tensor.chunk(parts, axis)[i]).contiguous().clone()
        torch.save(state, folder / f"consolidated.{i:02d}.pth")
    (folder / PARAMS).write_text(json.dumps(params), encoding="utf-8")
    return folder
