"""Batches: what the trainer asks of a loader, windows of them for one optimizer step, and their way to the device."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import sleep
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from groundup.checks import require
from groundup.data.loader import StandIn

T = TypeVar("T")


class DataError(RuntimeError):
    """A batch could not be read in the middle of training; the checkpoints are as they were."""


@runtime_checkable
class Batches(Protocol):
    """A loader that can be positioned: the batch at (epoch, index) depends on nothing but a seed and those two."""

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """The batches of the epoch that remain."""
        ...

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch, both counted from 0."""
        ...


def seekable(name: str, loader: Any) -> Batches:
    """A loader with at least one batch; anything without `seek` is a `TypeError`, for it could not be resumed."""
    missing = [m for m in ("__len__", "__iter__", "seek") if not hasattr(loader, m)]
    if missing:
        raise TypeError(
            f"{name} must have __len__, __iter__ and seek(epoch, batch) so that a run can resume where it stopped; "
            f"{type(loader).__name__} lacks {', '.join(missing)}; wrap the data in groundup.data.Loader"
        )
    require(len(loader) > 0, f"{name} has no batches: the dataset is empty, or smaller than one batch")
    return loader


def windows(loader: Batches, epoch: int, batch: int, size: int) -> Iterator[list[Any]]:
    """The rest of an epoch from `batch` on, `size` batches at a time; the last window may be shorter."""
    loader.seek(epoch, batch)
    source, promised = iter(loader), len(loader)
    while batch < promised:
        window: list[Any] = []
        while len(window) < size and batch < promised:
            try:
                window.append(next(source))
            except StopIteration:
                raise ValueError(
                    f"the loader ended epoch {epoch + 1} after {batch} batches, but its len() is {promised}"
                ) from None
            except Exception as error:
                if isinstance(error, (ConnectionError, EOFError)):
                    sleep(0.2)  # a killed worker's pipe breaks first; the signal of its death tells what happened
                raise DataError(
                    f"batch {batch + 1} of epoch {epoch + 1} could not be read: {_cause(error)}; "
                    "mend the data or what reads it, then go on with --resume, or fit(resume=True)"
                ) from error
            batch += 1
        yield window


def _cause(error: Exception) -> str:
    """An error and the line of code it came from, in one line. A worker's is told by PyTorch as a text of many."""
    lines = str(error).splitlines() or [""]
    if any(line.startswith("Original Traceback") for line in lines):
        last = max(number for number, line in enumerate(lines) if line.startswith("  File "))
        what = next((line for line in lines[last:] if not line.startswith(" ")), lines[-1])
        file, number = lines[last].split('"')[1], lines[last].split(", ")[1].removeprefix("line ")
        return f"{what} ({Path(file).name}:{number}, in a data worker)"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {lines[0].strip()} ({Path(frame.filename).name}:{frame.lineno})"


def death_of_a_worker(error: RuntimeError) -> DataError | None:
    """What to raise in place of PyTorch's error for a data worker that was killed, which comes at any moment."""
    if not str(error).startswith("DataLoader worker (pid"):
        return None
    return DataError(
        f"{str(error).splitlines()[0].strip().rstrip('.')}; if memory ran out, take a smaller num_workers, "
        "then go on with --resume, or fit(resume=True)"
    )


def to_device(batch: T, device: torch.device) -> T:
    """Every tensor of nested tuples, lists and mappings moved; what is no tensor stays as it is."""
    if isinstance(batch, StandIn):
        return StandIn(to_device(batch.batch, device))  # type: ignore[return-value]
    if isinstance(batch, Tensor) or (hasattr(batch, "to") and callable(batch.to)):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: to_device(value, device) for key, value in batch.items()}  # type: ignore[return-value]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a named tuple takes its fields one by one
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
