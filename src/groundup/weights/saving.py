"""Writing weights as safetensors: one file, or shards with an index, as the Hugging Face hub lays them out.

    model.safetensors        or model-00001-of-00003.safetensors, …, and model.safetensors.index.json
    config.json              what model they belong to

A new folder appears whole or not at all. In a folder that is there, the old way in (index, model.safetensors,
config.json) goes before the first shard is replaced: what is left after a crash is refused, never a mixture.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from groundup import checks
from groundup.durable import move_into_place, sync
from groundup.weights.files import INDEX, PARAMS, PART, SAFETENSORS

CONFIG = "config.json"
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


def save_weights(
    tensors: Mapping[str, Tensor],
    folder: str | Path,
    max_shard_size: int | str = "5GB",
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Write `tensors`, in shards of at most `max_shard_size` bytes (or "200MB"), and `config`; return the folder.

    A tensor that is larger than that is a shard by itself. Tensors that share memory are stored each in full, so that
    every reader finds every name. In the folder what an earlier save wrote is replaced, Meta's parts with their
    params.json too; other files are left alone.
    """
    checks.require(len(tensors) > 0, "tensors is empty: there is nothing to save")
    folder = Path(folder).expanduser().absolute()
    shards = _divided(tensors, _bytes(max_shard_size))
    with placed(folder, _replace) as temporary:
        for name, shard in shards.items():
            save_file(_apart(shard), temporary / name, metadata={"format": "pt"})
            (temporary / name).chmod(temporary.stat().st_mode & 0o666)  # safetensors lets its owner alone read it
        if len(shards) > 1:
            places = {key: name for name, shard in shards.items() for key in shard}
            size = sum(value.nbytes for value in tensors.values())
            _write_json(temporary / INDEX, {"metadata": {"total_size": size}, "weight_map": places})
        if config is not None:
            _write_json(temporary / CONFIG, config)
    return folder


@contextmanager
def placed(folder: Path, replace: Callable[[Path, list[Path]], None]) -> Iterator[Path]:
    """A folder to write to, which then becomes `folder`; into one that is there, `replace` moves the files."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder must be a folder, but {folder} is a file; choose another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".tmp-{os.getpid()}-{folder.name}")
    try:
        temporary.mkdir()
        yield temporary
        written = sorted(temporary.iterdir())
        for file in written:
            sync(file)
        if folder.exists():
            replace(folder, written)
        else:
            move_into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(folder: Path, written: list[Path]) -> None:
    """Move the files in, the way in last, and drop what an earlier save left."""
    names = {file.name for file in written}
    (folder / INDEX).unlink(missing_ok=True)
    if CONFIG in names:
        (folder / CONFIG).unlink(missing_ok=True)
    if SAFETENSORS not in names:  # else it is replaced in one step
        (folder / SAFETENSORS).unlink(missing_ok=True)
    for file in sorted(written, key=lambda file: file.name in (INDEX, CONFIG)):
        move_into_place(file, folder / file.name)
    for old_file in folder.iterdir():
        if _SHARD.fullmatch(old_file.name) and old_file.name not in names:
            old_file.unlink()
    if old_parts := [file for file in folder.iterdir() if PART.fullmatch(file.name)]:
        for old_file in (*old_parts, folder / PARAMS):  # they are read no more
            old_file.unlink(missing_ok=True)


def drop_safetensors(folder: Path) -> None:
    """Unlink what `save_weights` writes, the ways in first. A config.json beside no such weights is someone else's."""
    shards = [file for file in folder.iterdir() if _SHARD.fullmatch(file.name)]
    if shards or (folder / SAFETENSORS).is_file():
        for old_file in (folder / INDEX, folder / SAFETENSORS, folder / CONFIG, *shards):
            old_file.unlink(missing_ok=True)


def _divided(tensors: Mapping[str, Tensor], most: int) -> dict[str, dict[str, Tensor]]:
    """File name → its tensors, filled in the order they come."""
    shards: list[dict[str, Tensor]] = [{}]
    room = most
    for name, tensor in tensors.items():
        if shards[-1] and tensor.nbytes > room:
            shards.append({})
            room = most
        shards[-1][name] = tensor
        room -= tensor.nbytes
    if len(shards) == 1:
        return {SAFETENSORS: shards[0]}
    return {f"model-{i:05d}-of-{len(shards):05d}.safetensors": shard for i, shard in enumerate(shards, 1)}


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor in memory of its own, as the format asks; copied only where it is not."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        if tensor.is_meta:
            raise ValueError(f"{name} is on the meta device and has no numbers to save")
        storage = tensor.untyped_storage()
        alone = tensor.is_contiguous() and storage.nbytes() == tensor.nbytes and storage.data_ptr() not in seen
        seen.add(storage.data_ptr())
        result[name] = tensor.detach() if alone else tensor.detach().clone(memory_format=torch.contiguous_format)
    return result


def _bytes(size: int | str) -> int:
    if isinstance(size, str):
        found = re.fullmatch(r"(\d+)\s*([KMGT]?B)", size.upper())
        if found is None:
            raise ValueError(f'max_shard_size must be a number of bytes or like "200MB", got {size!r}')
        size = int(found[1]) * _UNITS[found[2]]
    return checks.integer("max_shard_size", size)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
