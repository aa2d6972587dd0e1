"""The files of one checkpoint: tensors as safetensors, whole or in shards, hashed while they are written."""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

#: Called with the seconds that a piece took to reach the disk; returns when the next piece may be written.
Pause = Callable[[float], object]
PIECE_BYTES = 2**22


class CheckpointError(RuntimeError):
    """A checkpoint could not be written, or none can be read."""


class HashedFile:
    """A new file, open for `write`, that computes its size and SHA-256.

    Args:
        path: the file to create.
        pause: called after every `PIECE_BYTES`, once they are on the disk. Without it the operating system decides
            when to write; it then writes everything at once, which slows training down more than many small writes.
    """

    def __init__(self, path: Path, pause: Pause | None = None) -> None:
        self.file = path.open("wb", buffering=0 if pause else -1)
        self.pause, self.digest = pause, hashlib.sha256()
        self.size = self.bytes_since_pause = 0
        self.seconds_since_pause = 0.0
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Append bytes and return their number."""
        content = memoryview(data).cast("B")
        try:
            for start in range(0, len(content), PIECE_BYTES):
                self._write_piece(content[start : start + PIECE_BYTES])
        except OSError as failure:
            self.failure = failure
            raise
        return len(content)

    def _write_piece(self, piece: memoryview) -> None:
        start = time.perf_counter()
        self.digest.update(piece)
        done = 0
        while done < len(piece):  # an unbuffered file may take less than it is given
            done += self.file.write(piece[done:])
        self.size, self.bytes_since_pause = self.size + done, self.bytes_since_pause + done
        is_due = self.pause is not None and self.bytes_since_pause >= PIECE_BYTES
        if is_due:
            os.fsync(self.file.fileno())
        self.seconds_since_pause += time.perf_counter() - start
        if is_due:
            seconds, self.bytes_since_pause, self.seconds_since_pause = self.seconds_since_pause, 0, 0.0
            self.pause(seconds)  # type: ignore[misc]

    def flush(self) -> None:
        """Pass everything to the operating system."""
        self.file.flush()

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Size and SHA-256 of everything written."""
        return {"bytes": self.size, "sha256": self.digest.hexdigest()}

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.file.close()
        finally:
            if self.failure is not None and error is not self.failure:
                raise self.failure  # torch.save replaces the error of a failing file by its own


def fingerprint(path: Path) -> dict[str, Any]:
    """Return the size and the SHA-256 of a file."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def save_tensors(tensors: Mapping[str, Tensor], output: HashedFile, metadata: dict[str, str]) -> None:
    """Write contiguous tensors as safetensors, one after the other: the same bytes as the library's `save_file`.

    The library's `save`, called with empty tensors, gives the order of the tensors and the names of their dtypes. The
    metadata keep their order, which is random in the library.
    """
    empty = save({name: value.new_empty(0, device="cpu") for name, value in tensors.items()}, metadata)
    header = json.loads(empty[8 : 8 + int.from_bytes(empty[:8], "little")]) | {"__metadata__": metadata}
    end = 0
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = end, end + tensors[name].nbytes
            entry |= {"shape": list(tensors[name].shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    output.write(len(text).to_bytes(8, "little") + text)
    for name in header:
        if name != "__metadata__":
            output.write(tensors[name].detach().cpu().reshape(-1).view(torch.uint8).numpy())


def write_model(model: nn.Module | Mapping[str, Any], path: Path, pause: Pause | None = None) -> dict[str, Any]:
    """Write a model, or a `state_dict`, as safetensors; return the size and the SHA-256 of the file.

    A tensor with several names (tied weights) is stored once; the other names are in the metadata.
    """
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    first_names: dict[tuple[Any, ...], str] = {}
    storages: set[int] = set()
    for name, value in (model.state_dict() if isinstance(model, nn.Module) else model).items():
        if not isinstance(value, Tensor):
            raise RuntimeError(f"{name} in the state_dict is a {type(value).__name__}; only tensors can be stored")
        storage = value.untyped_storage().data_ptr()
        place = (value.device, value.data_ptr(), value.shape, value.stride(), value.dtype)
        if value.numel() and place in first_names:
            ties[name] = first_names[place]
            continue
        first_names[place] = name
        # The format forbids shared storage: a view of a stored tensor is copied.
        tensors[name] = (value.clone() if storage in storages else value).contiguous()
        storages.add(storage)
    with HashedFile(path, pause) as output:
        save_tensors(tensors, output, {"format": "pt"} | ({"ties": json.dumps(ties)} if ties else {}))
    return output.fingerprint


def read_model(model: nn.Module, path: Path) -> None:
    """Load a file into a model, strictly: the names of its `state_dict`, no others, and equal shapes."""
    model.load_state_dict(read_tensors(path), strict=True)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors that `write_model` wrote, tied ones under each of their names."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        ties = json.loads((file.metadata() or {}).get("ties", "{}"))
    return tensors | {name: tensors[source] for name, source in ties.items()}


def read_shapes(folder: Path) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Return the shape and the dtype of every tensor in a folder of shards."""
    from torch.distributed.checkpoint import HuggingFaceStorageReader  # slow to import: only sharded runs need it

    entries: dict[str, Any] = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {name: (tuple(entry.size), entry.properties.dtype) for name, entry in entries.items()}


def read_shards(folder: Path, tensors: Mapping[str, Tensor], group: Any = None) -> None:
    """Fill tensors, whole or sharded, from a folder of shards; with `group`, together with the processes of the group.

    Raises `CheckpointError` for a tensor that is missing, unexpected, or of another shape.
    """
    import torch.distributed.checkpoint as dcp

    saved = {name: shape for name, (shape, _) in read_shapes(folder).items()}
    wanted = {name: tuple(value.shape) for name, value in tensors.items()}
    if saved != wanted:
        name = next(name for name in {**wanted, **saved} if saved.get(name) != wanted.get(name))
        raise CheckpointError(f"{folder} holds {name!r} as {saved.get(name)}, the model as {wanted.get(name)}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is")  # that a single process reads the shards
        reader = dcp.HuggingFaceStorageReader(str(folder))
        dcp.load(dict(tensors), storage_reader=reader, process_group=group, no_dist=group is None)
