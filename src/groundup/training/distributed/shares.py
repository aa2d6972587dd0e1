"""Each process's share of each batch: the shares of one batch are its parts, so the batch stays what the script says.

A loader with `share(part, parts)`, as `groundup.data.Loader`, reads nothing but its share. Batches of other loaders
are read whole and cut: every tensor along its first axis, which must be one size in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from groundup.data.loader import StandIn
from groundup.training.batches import Batches
from groundup.training.distributed.ranks import rank, world_size
from groundup.training.objective import Objective


def shared(loader: Batches) -> Batches:
    """This process's share of a loader; of one process, the loader."""
    if world_size() == 1:
        return loader
    if hasattr(loader, "share"):
        return loader.share(rank(), world_size())
    return Cut(loader, rank(), world_size())


class Cut:
    """Part `part` of `parts` of every batch of a loader; sizes differ by one at most, the first are the largest."""

    def __init__(self, loader: Batches, part: int, parts: int) -> None:
        self.loader, self.part, self.parts = loader, part, parts

    def __len__(self) -> int:
        return len(self.loader)

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        self.loader.seek(epoch, batch)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            sizes = set(_sizes(batch))
            if len(sizes) != 1 or sizes == {0}:
                raise TypeError(
                    f"a batch ({type(batch).__name__}) cannot be shared out among {self.parts} processes: its tensors "
                    f"have first axes of {sorted(sizes)}, not one size; give the loader a method share(part, parts), "
                    "or use groundup.data.Loader"
                )
            (size,) = sizes
            indices = torch.arange(size).tensor_split(self.parts)[self.part]
            if len(indices) > 0:
                yield _cut(batch, int(indices[0]), int(indices[-1]) + 1)
            else:
                yield StandIn(_cut(batch, 0, 1))


def _sizes(batch: Any) -> Iterator[int]:
    if isinstance(batch, Tensor):
        yield len(batch) if batch.dim() else 0
    elif isinstance(batch, (tuple, list, Mapping)):
        for value in batch.values() if isinstance(batch, Mapping) else batch:
            yield from _sizes(value)


def _cut(batch: Any, start: int, stop: int) -> Any:
    if isinstance(batch, Tensor):
        return batch[start:stop]
    if isinstance(batch, Mapping):
        return {key: _cut(value, start, stop) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_cut(value, start, stop) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(_cut(value, start, stop) for value in batch)
    return batch


def counted(model: nn.Module, objective: Objective, batch: Any) -> tuple[Tensor, int | Tensor]:
    """The objective's loss and count; of a stand-in both are nothing, and so is the gradient."""
    if not isinstance(batch, StandIn):
        return objective(model, batch)
    loss, _ = objective(model, batch.batch)
    return 0 * loss, 0
