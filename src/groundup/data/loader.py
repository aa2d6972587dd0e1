"""Loader of batches in an order that depends only on the seed and the epoch, from any position.

A run that stops after batch 17 of epoch 3 continues with `loader.seek(3, 17)` and gets the same batches as without the
stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from groundup import checks
from groundup.data.vision.sample_transforms import for_batches
from groundup.data.vision.transforms import Transform

_Job = tuple[int, int, Tensor]  # epoch, batch, indices


@dataclass(frozen=True)
class StandIn:
    """A batch in the place of an empty one, so that a process keeps in step with others; it must not count."""

    batch: Any


class Loader:
    """Iterate over `dataset` in batches; one `iter` is the rest of one epoch.

        for epoch in range(10):
            for x, y in loader: ...

    The order is a function of (seed, epoch), and the random numbers of a transform are one of (seed, epoch, batch):
    neither the number of workers nor an interruption changes a bit. PyTorch's global generator is not used.

    Args:
        dataset: map-style dataset. If it has a method `batch(indices)`, as `ImageData`, this is called once per batch;
            samples of others are collated by PyTorch.
        batch_size: samples per batch.
        shuffle: visit the samples in a random order that differs in every epoch.
        seed: determines the order and the random numbers of the transform.
        transform: (x, generator) → x of the first entry of a batch, as groundup.data's; or x → x of one sample, as
            torchvision's, for which the global generators of PyTorch, NumPy and Python are seeded per batch and then
            restored; or {first epoch: transform}, as `{0: small, 6: large}`.
        drop_last: leave out the last batch if it is smaller than the others.
        num_workers: processes that prepare batches ahead; 0 prepares them in this process. They stay for the next
            epoch, and a new `iter` ends the previous one.
        pin_memory: page-locked batches for `x.to("cuda", non_blocking=True)`; without CUDA it has no effect.

    Raises `ValueError` for an empty dataset, a batch_size below 1, and a drop_last that leaves no batch.

    Example:
        >>> from groundup.data import digits
        >>> train, _ = digits()
        >>> batches = Loader(train, 64, shuffle=True)
        >>> x, y = next(iter(batches))
        >>> len(batches), x.shape
        (23, torch.Size([64, 1, 8, 8]))
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        transform: Transform | Mapping[int, Transform] | None = None,
        drop_last: bool = False,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if isinstance(dataset, IterableDataset) or not isinstance(dataset, Sized):
            raise TypeError(f"dataset must be map-style (have a length and indices), got {type(dataset).__name__}")
        self.dataset = dataset
        self.batch_size = checks.integer("batch_size", batch_size)
        self.shuffle = shuffle
        self.seed = checks.integer("seed", seed, minimum=0)
        self.transform = transform
        self.drop_last = drop_last
        self.num_workers = checks.integer("num_workers", num_workers, minimum=0)
        self.pin_memory = pin_memory
        self._part, self._parts = 0, 1
        if len(dataset) == 0:
            raise ValueError("dataset is empty; give at least one sample")
        if len(self) == 0:
            raise ValueError(
                f"drop_last leaves no batch: {len(dataset)} samples are fewer than batch_size {batch_size}; "
                "lower batch_size or set drop_last=False"
            )
        self._epoch, self._batch, self._iteration = 0, 0, 0
        self._prepare()

    def _prepare(self) -> None:
        self._jobs = _Jobs()
        self._batches = DataLoader(
            _Batches(self.dataset, _stages(self.transform), self.seed, self._part),
            batch_size=None,  # an item is a batch
            sampler=self._jobs,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.pin_memory and torch.cuda.is_available(),
            collate_fn=_identity,
            generator=torch.Generator(),  # otherwise every epoch draws a number from the global one
        )

    def share(self, part: int, parts: int) -> Loader:
        """Return a loader like this one that reads only part `part`, from 0, of `parts` of every batch.

        The parts in order are the batch; the first ones are larger if it is not divisible. A part without a sample is a
        `StandIn`. Each part has its own random numbers for the transform.
        """
        checks.require(0 <= checks.integer("part", part, 0) < parts, f"part must be below parts={parts}, got {part}")
        twin = copy(self)
        twin._part, twin._parts = part, checks.integer("parts", parts)
        twin._epoch, twin._batch, twin._iteration = 0, 0, 0
        twin._prepare()
        return twin

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Set the position of the next `iter` to `batch` of `epoch`; `batch == len(self)` is the end of that epoch."""
        epoch, batch = checks.integer("epoch", epoch, minimum=0), checks.integer("batch", batch, minimum=0)
        if batch > len(self):
            raise ValueError(f"batch must be at most {len(self)}, the length of an epoch, got {batch}")
        self._epoch, self._batch = epoch, batch

    def order(self, epoch: int) -> Int64[Tensor, " samples"]:
        """Return the indices of the samples in the order of `epoch`."""
        count = len(self.dataset)
        if not self.shuffle:
            return torch.arange(count)
        return torch.randperm(count, generator=make_generator(self.seed, epoch))

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the batches from the position on.

        After the last batch the position is the start of the next epoch; until then it does not change, so that
        `next(iter(loader))` has no effect.
        """
        return self._rest_of(self._epoch, self._batch)

    def _rest_of(self, epoch: int, start: int) -> Iterator[Any]:
        self._iteration += 1
        iteration = self._iteration
        chunks = self.order(epoch).split(self.batch_size)
        jobs = [(epoch, batch, chunks[batch]) for batch in range(start, len(self))]
        empty: set[int] = set()  # batches without a sample in this part
        if self._parts > 1:
            mine = [chunk.tensor_split(self._parts)[self._part] for _, _, chunk in jobs]
            empty = {batch for (_, batch, _), part in zip(jobs, mine) if len(part) == 0}
            jobs = [(epoch, batch, part if len(part) else chunk[:1]) for (_, batch, chunk), part in zip(jobs, mine)]
        self._jobs.pending = jobs
        if start == len(self):
            self.seek(epoch + 1)
        for batch, data in enumerate(self._batches, start + 1):
            if batch == len(self):
                self.seek(epoch + 1)
            yield StandIn(data) if batch - 1 in empty else data
            if self.num_workers and iteration != self._iteration:
                raise RuntimeError("this iteration ended when a newer one began; use a Loader for each")


class _Jobs:
    """The sampler of the DataLoader: the batches that the next iteration prepares."""

    pending: list[_Job]

    def __iter__(self) -> Iterator[_Job]:
        return iter(self.pending)


class _Batches(Dataset[Any]):
    """Map a job to its batch, transformed. It has no state, so that every process returns the same."""

    def __init__(self, dataset: Any, stages: dict[int, Transform | None], seed: int, part: int) -> None:
        self.dataset, self.stages, self.seed, self.part = dataset, stages, seed, part

    def __getitem__(self, job: _Job) -> Any:
        epoch, batch, indices = job
        data = self._gather(indices)
        transform = self.stages[max(start for start in self.stages if start <= epoch)]
        if transform is None:
            return data
        if not isinstance(data, (tuple, list)):
            raise TypeError(f"a transform needs batches (x, ...), got {type(data).__name__}; transform in the dataset")
        return (transform(data[0], make_generator(self.seed, epoch, batch + 1, self.part)), *data[1:])

    def _gather(self, indices: Tensor) -> Any:
        if hasattr(self.dataset, "batch"):
            return self.dataset.batch(indices)
        if hasattr(self.dataset, "__getitems__"):
            return default_collate(self.dataset.__getitems__(indices.tolist()))
        return default_collate([self.dataset[index] for index in indices.tolist()])


def _stages(transform: Transform | Mapping[int, Transform] | None) -> dict[int, Transform | None]:
    """Return the transforms by the first epoch that each is used in."""
    if not isinstance(transform, Mapping):
        stages: dict[int, Transform | None] = {0: transform}
    else:
        stages = {checks.integer("transform's epochs", epoch, minimum=0): one for epoch, one in transform.items()}
        checks.require(0 in stages, f"transform must say what epoch 0 does, got epochs {sorted(stages)}")
    for one in stages.values():
        if one is not None and not callable(one):
            raise TypeError(f"transform must be callable as (x, generator), or as (sample), got {one!r}")
    return {epoch: None if one is None else for_batches(one) for epoch, one in stages.items()}


def make_generator(seed: int, epoch: int, stream: int = 0, part: int = 0) -> torch.Generator:
    """Return the generator of (seed, epoch, stream): stream 0 is the order, b + 1 the transform of batch b."""
    entropy = (seed, epoch, stream, part) if part else (seed, epoch, stream)
    mixed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed[0]))


def _identity(batch: Any) -> Any:
    return batch
