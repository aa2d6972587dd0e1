"""The slice of each batch that a process trains on: the slices together are the batch of a single process.

A loader with a method `share(part, parts)`, such as `groundup.data.Loader`, reads only its slice. Batches of other
loaders are read whole and sliced: every tensor along its first axis, whose size must be equal for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from groundup.data.loader import StandIn
from groundup.training.batches import Batches, map_leaves


def slice_loader(loader: Batches, part: int, parts: int) -> Batches:
    """Return a loader of slice `part` of `parts` of every batch."""
    return loader.share(part, parts) if hasattr(loader, "share") else SlicedLoader(loader, part, parts)


class SlicedLoader:
    """Slice `part` of `parts` of every batch of a loader. Sizes differ by at most one; the first are the largest."""

    def __init__(self, loader: Batches, part: int, parts: int) -> None:
        self.loader, self.part, self.parts = loader, part, parts

    def __len__(self) -> int:
        return len(self.loader)

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        self.loader.seek(epoch, batch)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            sizes = set(_first_axes(batch))
            if len(sizes) != 1 or sizes == {0}:
                raise TypeError(
                    f"a batch ({type(batch).__name__}) cannot be shared out among {self.parts} processes: its tensors "
                    f"have first axes of {sorted(sizes)}, not one size; give the loader a method share(part, parts), "
                    "or use groundup.data.Loader"
                )
            (size,) = sizes
            indices = torch.arange(size).tensor_split(self.parts)[self.part]
            if len(indices) > 0:
                yield _slice(batch, slice(int(indices[0]), int(indices[-1]) + 1))
            else:  # a sample that does not count
                yield StandIn(_slice(batch, slice(0, 1)))


def _first_axes(batch: Any) -> Iterator[int]:
    if isinstance(batch, Tensor):
        yield len(batch) if batch.dim() else 0
    elif isinstance(batch, (tuple, list, Mapping)):
        for value in batch.values() if isinstance(batch, Mapping) else batch:
            yield from _first_axes(value)


def _slice(batch: Any, rows: slice) -> Any:
    return map_leaves(lambda value: value[rows] if isinstance(value, Tensor) else value, batch)
