"""Batches: the interface of a loader, groups of batches for one optimizer step, and the move to a device."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from groundup.checks import require
from groundup.data.loader import StandIn

T = TypeVar("T")


class DataError(RuntimeError):
    """A batch could not be read during training; the checkpoints are unchanged."""


@runtime_checkable
class Batches(Protocol):
    """A loader with a position: the batch at (epoch, index) depends only on a seed and these two numbers.

    Why: a resumed run must see the batches that an undisturbed run would see, without reading those before them.
    """

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the remaining batches of the epoch."""
        ...

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch, both counted from 0."""
        ...


def check_loader(name: str, loader: Any) -> None:
    """Raise `TypeError` for a loader that is not `Batches`, and `ValueError` for one without batches."""
    missing = [m for m in ("__len__", "__iter__", "seek") if not hasattr(loader, m)]
    if missing:
        raise TypeError(
            f"{name} must have __len__, __iter__ and seek(epoch, batch) so that a run can resume where it stopped; "
            f"{type(loader).__name__} lacks {', '.join(missing)}; wrap the data in groundup.data.Loader"
        )
    require(len(loader) > 0, f"{name} has no batches: the dataset is empty, or smaller than one batch")


def group_batches(loader: Batches, epoch: int, batch: int, size: int) -> Iterator[list[Any]]:
    """Iterate over an epoch from `batch` on, `size` batches at a time; the last group may be smaller.

    Raises `DataError` if a batch cannot be read and `ValueError` if the loader ends too early.
    """
    loader.seek(epoch, batch)
    source, promised = iter(loader), len(loader)
    while batch < promised:
        group: list[Any] = []
        while len(group) < size and batch < promised:
            try:
                group.append(next(source))
            except StopIteration:
                raise ValueError(
                    f"the loader ended epoch {epoch + 1} after {batch} batches, but its len() is {promised}"
                ) from None
            except Exception as error:
                if isinstance(error, (ConnectionError, EOFError)):
                    sleep(0.2)  # a killed worker's pipe breaks first; then its signal arrives and is the better error
                raise DataError(
                    f"batch {batch + 1} of epoch {epoch + 1} could not be read: {_format_cause(error)}; "
                    "correct the data or the code that reads it, then go on with --resume, or fit(resume=True)"
                ) from error
            batch += 1
        yield group


def _format_cause(error: Exception) -> str:
    """Return an error and its line of code, in one line. PyTorch gives a worker's error as a text of many lines."""
    lines = str(error).splitlines() or [""]
    if any(line.startswith("Original Traceback") for line in lines):
        last = max(number for number, line in enumerate(lines) if line.startswith("  File "))
        message = next((line for line in lines[last:] if not line.startswith(" ")), lines[-1])
        file, number = lines[last].split('"')[1], lines[last].split(", ")[1].removeprefix("line ")
        return f"{message} ({Path(file).name}:{number}, in a data worker)"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {lines[0].strip()} ({Path(frame.filename).name}:{frame.lineno})"


def explain_dead_worker(error: RuntimeError) -> DataError | None:
    """Return the error to raise instead of PyTorch's for a killed data worker; None for another error."""
    if not str(error).startswith("DataLoader worker (pid"):
        return None
    return DataError(
        f"{str(error).splitlines()[0].strip().rstrip('.')}; if memory ran out, take a smaller num_workers, "
        "then go on with --resume, or fit(resume=True)"
    )


def to_device(batch: T, device: torch.device) -> T:
    """Return the batch with every tensor, in nested tuples, lists and mappings, on `device`.

    Example:
        >>> to_device({"x": torch.ones(1), "name": "a"}, torch.device("meta"))
        {'x': tensor(..., device='meta', size=(1,)), 'name': 'a'}
    """
    return map_leaves(lambda x: x.to(device, non_blocking=True) if _is_movable(x) else x, batch, _is_movable)


def _is_movable(value: Any) -> bool:
    return not isinstance(value, StandIn) and hasattr(value, "to")


def map_leaves(
    function: Callable[[Any], Any], batch: Any, is_leaf: Callable[[Any], bool] = lambda value: isinstance(value, Tensor)
) -> Any:
    """Return the batch with `function` applied to every leaf.

    Args:
        function: function of one leaf.
        batch: nested tuples, lists and mappings. Anything else is a leaf.
        is_leaf: tells which tuples, lists and mappings are leaves too.
    """
    recurse = partial(map_leaves, function, is_leaf=is_leaf)
    if is_leaf(batch):
        return function(batch)
    if isinstance(batch, StandIn):
        return StandIn(recurse(batch.batch))
    if isinstance(batch, Mapping):
        return {key: recurse(value) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a named tuple takes its fields one by one
        return type(batch)(*map(recurse, batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(map(recurse, batch))
    return function(batch)
