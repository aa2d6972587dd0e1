"""Reading files of weights: safetensors, and state_dicts that torch.save wrote; whole, or in shards with an index.

Names and shapes come first, the numbers when they are asked for. Nothing in a file is ever executed.
"""

from __future__ import annotations

import json
import pickle
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from groundup.weights.table import WeightError

SAFETENSORS, INDEX = "model.safetensors", "model.safetensors.index.json"
_IN_A_FOLDER = (SAFETENSORS, INDEX, "pytorch_model.bin", "pytorch_model.bin.index.json")
PART, PARAMS = re.compile(r"consolidated\.\d{2}\.pth"), "params.json"  # Meta's form
ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")

# Where training scripts put a state_dict, and what wrappers of a model put before its names.
_WRAPPINGS = ("state_dict", "model", "model_state_dict")
_PREFIXES = ("module.", "_orig_mod.")

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class Weights(Mapping[str, Tensor]):
    """Tensors by name: `meta` has their shapes and types, `weights[name]` the numbers, mapped into memory."""

    path: Path
    meta: Mapping[str, Tensor]
    read: Callable[[str], Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.meta)

    def __len__(self) -> int:
        return len(self.meta)


def open_weights(path: str | Path) -> Weights:
    """The weights of a file, or of a folder: of what it holds the first of model.safetensors, its shards,
    pytorch_model.bin and Meta's parts. The path of one of Meta's parts means all of them.

    A state_dict inside of {"state_dict": …}, {"model": …} or {"model_state_dict": …} is unwrapped, and the "module."
    that data-parallel training puts before all names is taken off.
    Raises `WeightError`, naming the file, for what is damaged, cut off, not weights, or holds pickled code.
    """
    path = Path(path).expanduser()
    if parts := metas_parts(path):
        from groundup.weights.consolidated import open_consolidated

        return open_consolidated(parts[0].parent, parts)
    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    weights = _sharded(path) if path.name.endswith(".index.json") else read_file(path)
    for prefix in _PREFIXES:
        if weights.meta and all(name.startswith(prefix) for name in weights.meta):
            weights = _without(prefix, weights)
    return weights


def metas_parts(path: Path) -> list[Path]:
    """The parts of Meta's form that a path means: a folder without another form, or one of them; [] for anything else.

    All that asks whose form a path is of asks here, so that the configuration belongs to the weights that are read.
    """
    if path.is_dir():
        folder, other = path, any((path / name).is_file() for name in _IN_A_FOLDER)
    else:
        folder, other = path.parent, not (PART.fullmatch(path.name) and path.is_file())
    return [] if other else sorted(file for file in folder.iterdir() if PART.fullmatch(file.name))


def _without(prefix: str, weights: Weights) -> Weights:
    meta = {name.removeprefix(prefix): tensor for name, tensor in weights.meta.items()}
    return Weights(weights.path, meta, lambda name: weights[prefix + name])


def _in_folder(folder: Path) -> Path:
    for name in _IN_A_FOLDER:
        if (folder / name).is_file():
            return folder / name
    others = sorted(file for file in folder.iterdir() if file.suffix in ENDINGS)
    if len(others) == 1:
        return others[0]
    found = f"it holds {', '.join(file.name for file in others)}: name one" if others else "it holds no weights"
    raise WeightError(f"{folder} must hold {SAFETENSORS}, its shards with {INDEX}, or one file of weights; {found}")


def read_file(path: Path) -> Weights:
    """By what the file begins with, whatever it is called."""
    with path.open("rb") as stream:
        start = stream.read(64)
    if start[8:9] == b"{":  # asked first: the length before it may be any eight bytes
        return _from_safetensors(path)
    if start[:2] == b"PK" or start[:1] == b"\x80":
        if path.suffix == ".safetensors":  # torch.load goes by that ending
            raise WeightError(f"{path} is not safetensors, but begins as a file of torch.save: call it .pth")
        return _from_torch(path, mapped=start[:2] == b"PK")  # the form before 2020 cannot be mapped into memory
    if start.startswith(b"version https://git-lfs"):
        raise WeightError(f"{path} is a Git LFS pointer, not the weights it points to: run `git lfs pull`")
    raise WeightError(f"{path} is neither safetensors nor a state_dict of torch.save: it begins with {start[:12]!r}")


def _from_safetensors(path: Path) -> Weights:
    try:
        file = safe_open(path, framework="pt")
        meta = {}
        for name in file.keys():  # noqa: SIM118
            part = file.get_slice(name)
            if part.get_dtype() not in _TYPES:
                raise WeightError(f"{path}: {name} has the type {part.get_dtype()}, which is not read")
            meta[name] = torch.empty(part.get_shape(), dtype=_TYPES[part.get_dtype()], device="meta")
    except SafetensorError as failure:
        raise _damaged(path, failure) from failure
    return Weights(path, meta, file.get_tensor)


def _damaged(path: Path, failure: Exception) -> WeightError:
    said = textwrap.shorten(str(failure), 160, placeholder=" …") or type(failure).__name__
    return WeightError(f"{path} is damaged or cut off: {said}; fetch it again")


def _from_torch(path: Path, mapped: bool) -> Weights:
    try:
        content: Any = torch.load(path, map_location="cpu", mmap=mapped, weights_only=True)  # no pickled code is run
    except pickle.UnpicklingError as failure:
        what = re.search(r"(?:GLOBAL|global) (\S+)", str(failure))
        if what is None and "Weights only" not in str(failure):
            raise _damaged(path, failure) from failure
        raise WeightError(
            f"{path} holds pickled code{f' ({what[1]})' if what else ''}, which is never run; "
            "save the model's state_dict(), better still as safetensors"
        ) from failure
    except Exception as failure:  # a damaged file makes torch raise RuntimeError, EOFError, KeyError and others
        raise _damaged(path, failure) from failure
    for key in _WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise WeightError(f"{path} must hold a state_dict, tensors by name; it holds {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightError(f"{path} must hold tensors by name; under {name!r} it holds {type(value).__name__}")
        if value.is_quantized or value.is_nested:
            kind = value.dtype if value.is_quantized else "nested"
            raise WeightError(f"{path}: {name} has the type {kind}, which is not read: save it as plain numbers")
    tensors: Mapping[str, Tensor] = content
    return Weights(path, {name: tensor.detach().to("meta") for name, tensor in tensors.items()}, tensors.__getitem__)


def _sharded(index: Path) -> Weights:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = {file: Path(file).name == file for file in places.values()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as failure:
        raise WeightError(f"{index} is no index of shards: {failure!r}") from failure
    if outside := [file for file, inside in files.items() if not inside]:
        raise WeightError(f"{index} points outside of its folder, to {outside[0]!r}")
    if missing := [file for file in files if not (index.parent / file).is_file()]:
        raise WeightError(f"{index} names shards that are not beside it: {', '.join(missing)}")
    shards = {file: read_file(index.parent / file) for file in files}
    for name, file in places.items():
        if name not in shards[file].meta:
            raise WeightError(f"{index} says that {name} is in {file}, which does not hold it")
    for file, shard in shards.items():
        if stray := [name for name in shard.meta if places.get(name) != file]:
            raise WeightError(f"{file} holds {stray[0]}, which {index} does not find there")
    meta = {name: shards[file].meta[name] for name, file in places.items()}
    return Weights(index, meta, lambda name: shards[places[name]][name])
