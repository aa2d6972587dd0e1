"""A checkpoint's file on its way to the disk: summed up as it is written, and beside training in no hurry."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

#: Called with the seconds that a piece took to reach the disk; returns when the next may follow.
Rest = Callable[[float], object]
PIECE = 2**22


class Output:
    """A new file, open for `write`. With `rest`, each `PIECE` goes to the disk by itself, and a rest follows.

    What a system keeps back it writes at once, when it likes, and training feels that more than the writing itself.
    """

    def __init__(self, path: Path, rest: Rest | None = None) -> None:
        self.file = path.open("wb", buffering=0 if rest else -1)
        self.rest, self.digest = rest, hashlib.sha256()
        self.size = self.since_rest = 0
        self.seconds = 0.0
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Append bytes."""
        whole = memoryview(data).cast("B")
        try:
            for start in range(0, len(whole), PIECE):
                self._append(whole[start : start + PIECE])
        except OSError as failure:
            self.failure = failure
            raise
        return len(whole)

    def _append(self, piece: memoryview) -> None:
        began = time.perf_counter()
        self.digest.update(piece)
        done = 0
        while done < len(piece):  # an unbuffered file may take less than it is given
            done += self.file.write(piece[done:])
        self.size, self.since_rest = self.size + done, self.since_rest + done
        if self.rest is not None and self.since_rest >= PIECE:
            os.fsync(self.file.fileno())
        self.seconds += time.perf_counter() - began
        if self.rest is not None and self.since_rest >= PIECE:
            seconds, self.since_rest, self.seconds = self.seconds, 0, 0.0
            self.rest(seconds)

    def flush(self) -> None:
        """Hand everything to the system."""
        self.file.flush()

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Size and SHA-256 of what was written."""
        return {"bytes": self.size, "sha256": self.digest.hexdigest()}

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.file.close()
        finally:
            if self.failure is not None and error is not self.failure:
                raise self.failure  # torch.save tells of its own trouble with a file that fails


def save_tensors(tensors: Mapping[str, Tensor], output: Output, metadata: dict[str, str]) -> None:
    """Write contiguous tensors as safetensors, piece after piece: the bytes of the library's `save_file`.

    The order of the tensors and the names of their dtypes are the library's, asked with empty ones. The metadata keep
    their order, which the library leaves to chance.
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
