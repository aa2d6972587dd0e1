"""Readers of weight files: safetensors, state_dicts written by torch.save, shards with an index, Meta's parts.

Names and shapes are read first, numbers when they are asked for. Nothing in a file is ever executed.

Meta divides a LLaMA into consolidated.00.pth, consolidated.01.pth, … for model parallelism: matrices that compute
features are divided by rows, matrices that sum features by columns, and norms are in every file.
"""

from __future__ import annotations

import json
import pickle
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from groundup.weights.weight_map import WeightError

SAFETENSORS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
_IN_A_FOLDER = (SAFETENSORS, INDEX, "pytorch_model.bin", "pytorch_model.bin.index.json")
PART, PARAMS = re.compile(r"consolidated\.\d{2}\.pth"), "params.json"  # Meta's form
ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")

# Keys under which training scripts store a state_dict, and prefixes that wrappers of a model add to its names.
_WRAPPINGS = ("state_dict", "model", "model_state_dict")
_PREFIXES = ("module.", "_orig_mod.")

_ROWS, _COLUMNS = ("wq", "wk", "wv", "w1", "w3", "output"), ("wo", "w2", "tok_embeddings")  # of Meta's parts

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "BOOL": torch.bool,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
}


@dataclass(frozen=True)
class Weights(Mapping[str, Tensor]):
    """The tensors of a file or folder by name, as a read-only mapping.

    Args:
        path: file or folder that they come from.
        meta: the same names, with meta tensors that have the shapes and types only.
        read: returns the tensor of a name; files are mapped into memory where their format allows it.

    Example:
        >>> path = getfixture("tmp_path") / "small.pth"
        >>> torch.save({"scale": torch.ones(2)}, path)
        >>> weights = open_weights(path)
        >>> weights.meta["scale"].shape, weights["scale"]
        (torch.Size([2]), tensor([1., 1.]))
    """

    path: Path
    meta: Mapping[str, Tensor]
    read: Callable[[str], Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.meta)

    def __len__(self) -> int:
        return len(self.meta)


def open_weights(path: str | Path, meta_parts: Sequence[Path] | None = None) -> Weights:
    """Open a file of weights, or a folder that holds one.

    Args:
        path: a file, whose format is recognised by its first bytes; or a folder, of which the first of
            model.safetensors, its shards, pytorch_model.bin and Meta's parts is read. The path of one of Meta's parts
            means all of them.
        meta_parts: result of `list_meta_parts(path)`, if the caller has it.

    A state_dict inside {"state_dict": …}, {"model": …} or {"model_state_dict": …} is unwrapped, and the prefix
    "module." that data-parallel training puts before all names is removed.

    Raises `WeightError`, naming the file, if it is damaged, truncated, not weights, or holds pickled code, and
    `FileNotFoundError` if there is no such file.
    """
    path = Path(path).expanduser()
    if parts := list_meta_parts(path) if meta_parts is None else list(meta_parts):
        return _open_parts(parts[0].parent, parts)
    if path.is_dir():
        path = _find_in_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    weights = _read_shards(path) if path.name.endswith(".index.json") else _read_file(path)
    for prefix in _PREFIXES:
        if weights.meta and all(name.startswith(prefix) for name in weights.meta):
            weights = _remove_prefix(prefix, weights)
    return weights


def list_meta_parts(path: Path) -> list[Path]:
    """Return the files of Meta's form that a path means; [] for anything else.

    A path means Meta's parts if it is one of them, or a folder that holds no other form. Everything that depends on
    the form calls this function, so that the configuration always belongs to the weights that are read.
    """
    if path.is_dir():
        folder, other = path, any((path / name).is_file() for name in _IN_A_FOLDER)
    else:
        folder, other = path.parent, not (PART.fullmatch(path.name) and path.is_file())
    return [] if other else sorted(file for file in folder.iterdir() if PART.fullmatch(file.name))


def part_axis(name: str) -> int | None:
    """Return the axis along which Meta divides a tensor among the parts; None for a tensor that is in each part."""
    kind = name.removesuffix(".weight").rpartition(".")[2]
    return 0 if kind in _ROWS else 1 if kind in _COLUMNS else None


def _count_parts(meta: Mapping[str, Tensor]) -> int:
    """Return the number of parts of the model: a part of W_Q has all columns, and its share of as many rows."""
    shapes = (tensor.shape for name, tensor in meta.items() if name.endswith("attention.wq.weight"))
    rows, columns = next((shape for shape in shapes if len(shape) == 2), (1, 1))
    return columns // rows if rows and columns % rows == 0 else 1


def _open_parts(folder: Path, files: list[Path]) -> Weights:
    """Open Meta's parts as whole tensors. Raises `WeightError` if a part is missing or its tensors differ."""
    parts = [_read_file(file) for file in files]
    count = _count_parts(parts[0].meta)
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

    def join(name: str, tensors: list[Tensor]) -> Tensor:
        axis = part_axis(name)
        return tensors[0] if axis is None or len(tensors) == 1 else torch.cat(tensors, axis)

    meta = {name: join(name, [part.meta[name] for part in parts]) for name in parts[0].meta}
    return Weights(folder, meta, lambda name: join(name, [part[name] for part in parts]))


def _remove_prefix(prefix: str, weights: Weights) -> Weights:
    meta = {name.removeprefix(prefix): tensor for name, tensor in weights.meta.items()}
    return Weights(weights.path, meta, lambda name: weights[prefix + name])


def _find_in_folder(folder: Path) -> Path:
    for name in _IN_A_FOLDER:
        if (folder / name).is_file():
            return folder / name
    others = sorted(file for file in folder.iterdir() if file.suffix in ENDINGS)
    if len(others) == 1:
        return others[0]
    found = f"it holds {', '.join(file.name for file in others)}: name one" if others else "it holds no weights"
    raise WeightError(f"{folder} must hold {SAFETENSORS}, its shards with {INDEX}, or one file of weights; {found}")


def _read_file(path: Path) -> Weights:
    """Read a file by the format of its first bytes, whatever its name."""
    with path.open("rb") as stream:
        start = stream.read(64)
    if start[8:9] == b"{":  # tested first: the length before it may be any eight bytes
        return _read_safetensors(path)
    if start[:2] == b"PK" or start[:1] == b"\x80":
        if path.suffix == ".safetensors":  # torch.load goes by that ending
            raise WeightError(f"{path} is not safetensors, but begins as a file of torch.save: call it .pth")
        return _read_torch_file(path, mmap=start[:2] == b"PK")  # the form before 2020 cannot be mapped into memory
    if start.startswith(b"version https://git-lfs"):
        raise WeightError(f"{path} is a Git LFS pointer, not the weights it points to: run `git lfs pull`")
    raise WeightError(f"{path} is neither safetensors nor a state_dict of torch.save: it begins with {start[:12]!r}")


def _read_safetensors(path: Path) -> Weights:
    try:
        file = safe_open(path, framework="pt")
        meta = {}
        for name in file.keys():  # noqa: SIM118
            part = file.get_slice(name)
            if part.get_dtype() not in _TYPES:
                raise WeightError(f"{path}: {name} has the type {part.get_dtype()}, which is not read")
            meta[name] = torch.empty(part.get_shape(), dtype=_TYPES[part.get_dtype()], device="meta")
    except SafetensorError as failure:
        raise _damage_error(path, failure) from failure
    return Weights(path, meta, file.get_tensor)


def _damage_error(path: Path, failure: Exception) -> WeightError:
    reason = textwrap.shorten(str(failure), 160, placeholder=" …") or type(failure).__name__
    return WeightError(f"{path} is damaged or cut off: {reason}; fetch it again")


def _read_torch_file(path: Path, mmap: bool) -> Weights:
    try:
        content: Any = torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)  # no pickled code is run
    except pickle.UnpicklingError as failure:
        what = re.search(r"(?:GLOBAL|global) (\S+)", str(failure))
        if what is None and "Weights only" not in str(failure):
            raise _damage_error(path, failure) from failure
        raise WeightError(
            f"{path} holds pickled code{f' ({what[1]})' if what else ''}, which is never run; "
            "save the model's state_dict(), better still as safetensors"
        ) from failure
    except Exception as failure:  # a damaged file makes torch raise RuntimeError, EOFError, KeyError and others
        raise _damage_error(path, failure) from failure
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


def _read_shards(index: Path) -> Weights:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = {file: Path(file).name == file for file in places.values()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as failure:
        raise WeightError(f"{index} is no index of shards: {failure!r}") from failure
    if outside := [file for file, inside in files.items() if not inside]:
        raise WeightError(f"{index} points outside of its folder, to {outside[0]!r}")
    if missing := [file for file in files if not (index.parent / file).is_file()]:
        raise WeightError(f"{index} names shards that are not in its folder: {', '.join(missing)}")
    shards = {file: _read_file(index.parent / file) for file in files}
    for name, file in places.items():
        if name not in shards[file].meta:
            raise WeightError(f"{index} says that {name} is in {file}, which does not hold it")
    for file, shard in shards.items():
        if stray := [name for name in shard.meta if places.get(name) != file]:
            raise WeightError(f"{file} holds {stray[0]}, which {index} does not find there")
    meta = {name: shards[file].meta[name] for name, file in places.items()}
    return Weights(index, meta, lambda name: shards[places[name]][name])
