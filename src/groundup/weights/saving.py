"""Writers of weight files: safetensors in the layout of the Hugging Face hub, and Meta's parts.

    model.safetensors        or model-00001-of-00003.safetensors, …, and model.safetensors.index.json
    config.json              the model that they belong to

A new folder appears complete or not at all. In an existing folder the files that a reader opens first (the index,
model.safetensors, config.json) are removed before the first shard is replaced: after a crash the folder is refused,
never read as a mixture of two models.
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
from groundup.weights.weight_files import CONFIG, INDEX, PARAMS, PART, SAFETENSORS, part_axis

_UNIT_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


def save_weights(
    tensors: Mapping[str, Tensor],
    folder: str | Path,
    max_shard_size: int | str = "5GB",
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Write tensors as safetensors; return the folder.

    Args:
        tensors: tensors by name. Tensors that share memory are each stored in full, so that every reader finds every
            name.
        folder: created if need be. Files of an earlier save in it are replaced, Meta's parts and their params.json
            included; other files are not touched.
        max_shard_size: largest size of a file, in bytes or as "200MB". A larger tensor has a shard of its own.
        config: content of config.json; None writes none.

    Raises `ValueError` for no tensors, for meta tensors, and for a folder that is a file.

    Example:
        >>> folder = save_weights({"scale": torch.ones(2)}, getfixture("tmp_path") / "saved")
        >>> [file.name for file in folder.iterdir()]
        ['model.safetensors']
    """
    checks.require(len(tensors) > 0, "tensors is empty: there is nothing to save")
    folder = Path(folder).expanduser().absolute()
    shards = _make_shards(tensors, _parse_size(max_shard_size))
    with _replace_folder(folder, _replace_safetensors) as temporary:
        for name, shard in shards.items():
            save_file(_copy_shared(shard), temporary / name, metadata={"format": "pt"})
            (temporary / name).chmod(temporary.stat().st_mode & 0o666)  # safetensors lets its owner alone read it
        if len(shards) > 1:
            places = {key: name for name, shard in shards.items() for key in shard}
            size = sum(value.nbytes for value in tensors.values())
            _write_json(temporary / INDEX, {"metadata": {"total_size": size}, "weight_map": places})
        if config is not None:
            _write_json(temporary / CONFIG, config)
    return folder


@contextmanager
def _replace_folder(folder: Path, replace: Callable[[Path, list[Path]], None]) -> Iterator[Path]:
    """Yield a temporary folder, which becomes `folder` at the end; `replace` moves its files into an existing one."""
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


def _replace_safetensors(folder: Path, written: list[Path]) -> None:
    """Move safetensors in, the files that a reader opens first as the last, and remove files of an earlier save."""
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
        for old_file in (*old_parts, folder / PARAMS):  # they are not read any more
            old_file.unlink(missing_ok=True)


def _remove_safetensors(folder: Path) -> None:
    """Unlink what `save_weights` writes. A config.json without such weights belongs to something else."""
    shards = [file for file in folder.iterdir() if _SHARD.fullmatch(file.name)]
    if shards or (folder / SAFETENSORS).is_file():
        for old_file in (folder / INDEX, folder / SAFETENSORS, folder / CONFIG, *shards):
            old_file.unlink(missing_ok=True)


def save_consolidated(tensors: Mapping[str, Tensor], folder: Path, params: Mapping[str, Any], parts: int = 1) -> Path:
    """Write tensors in Meta's form; return the folder.

    Args:
        tensors: tensors by Meta's names.
        folder: created if need be. Files of an earlier save in it are replaced, those of `save_weights` included.
        params: content of params.json.
        parts: number of parts that the matrices are divided into.

    Raises `ValueError` for meta tensors, and for a folder with weights that would be read instead.
    """
    folder = folder.absolute()
    if empty := [name for name, tensor in tensors.items() if tensor.is_meta]:
        raise ValueError(f"{empty[0]} is on the meta device and has no numbers to save")
    for name in ("pytorch_model.bin", "pytorch_model.bin.index.json"):
        if (folder / name).is_file():
            raise ValueError(f"folder {folder} holds {name}, which would be read instead; choose another folder")
    with _replace_folder(folder, _replace_parts) as temporary:
        for i in range(parts):
            state = {}
            for name, tensor in tensors.items():
                axis = part_axis(name)
                state[name] = (tensor if axis is None else tensor.chunk(parts, axis)[i]).contiguous().clone()
            torch.save(state, temporary / f"consolidated.{i:02d}.pth")
        (temporary / PARAMS).write_text(json.dumps(params), encoding="utf-8")
    return folder


def _replace_parts(folder: Path, written: list[Path]) -> None:
    """Move the files in, the first part as the last: without it the others are refused, and safetensors are read."""
    (folder / PARAMS).unlink(missing_ok=True)
    for old_file in folder.iterdir():
        if PART.fullmatch(old_file.name):
            old_file.unlink()
    for file in sorted(written, key=lambda file: file.name == "consolidated.00.pth"):
        move_into_place(file, folder / file.name)
    _remove_safetensors(folder)


def _make_shards(tensors: Mapping[str, Tensor], most: int) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each file by its name, filled in order."""
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


def _copy_shared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return each tensor in memory of its own, as the format requires; only those that share memory are copied."""
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


def _parse_size(size: int | str) -> int:
    if isinstance(size, str):
        found = re.fullmatch(r"(\d+)\s*([KMGT]?B)", size.upper())
        if found is None:
            raise ValueError(f'max_shard_size must be a number of bytes or like "200MB", got {size!r}')
        size = int(found[1]) * _UNIT_BYTES[found[2]]
    return checks.integer("max_shard_size", size)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
