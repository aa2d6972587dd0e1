"""Batches in an order that depends on nothing but the seed and the epoch, from any position.

A run that stops after batch 17 of epoch 3 goes on with `loader.seek(3, 17)` and sees what it would have seen.
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
from groundup.data.vision.per_sample import for_batches
from groundup.data.vision.transforms import Transform

_Job = tuple[int, int, Tensor]  # epoch, batch, indices


@dataclass(frozen=True)
class StandIn:
    """In place of an empty share: a sample that counts for nothing, on which a process keeps in step with others."""

    batch: Any


class Loader:
    """Iterate over `dataset` in batches; one `iter` is the rest of one epoch.

        for epoch in range(10):
            for x, y in loader: ...

    The order is a function of (seed, epoch), and what `transform(x, generator)` draws one of (seed, epoch, batch):
    neither the number of workers nor an interruption changes a bit. PyTorch's global generator is not touched.

        dataset       map-style: one with a method `batch(indices)`, as ImageData has, is asked once a batch; samples of
                      others are gathered and collated by PyTorch
        transform     (x, generator) -> x for the first entry of the batch, as groundup.data's are; or x -> x for one
                      sample, as torchvision's are: it is applied to each sample by itself, with the global generators
                      of PyTorch, NumPy and Python seeded for the batch and then put back; or {first epoch: transform},
                      each until the next one, as `{0: small, 6: large}`
        drop_last     leave out the last batch when it is smaller than the others
        num_workers   processes that prepare batches ahead; 0 prepares them here. They stay for the next epoch, and
                      a new `iter` ends the one before it.
        pin_memory    page-locked batches, for `x.to("cuda", non_blocking=True)`; without CUDA it does nothing

    Raises `ValueError` for an empty dataset, a batch_size below 1, and a drop_last that leaves no batch.
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
            batch_size=None,  # an item is a batch already
            sampler=self._jobs,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.pin_memory and torch.cuda.is_available(),
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # else every epoch would draw a number from the global one
        )

    def share(self, part: int, parts: int) -> Loader:
        """A loader like this one that reads only part `part`, from 0, of `parts` of every batch.

        Put together in order, the parts of a batch are the batch; the first are the larger where it does not divide. A
        part with no sample is a `StandIn`. What a transform draws, every part draws by itself.
        """
        checks.require(0 <= checks.integer("part", part, 0) < parts, f"part must be below parts={parts}, got {part}")
        twin = copy(self)
        twin._part, twin._parts = part, checks.integer("parts", parts)
        twin._epoch, twin._batch, twin._iteration = 0, 0, 0
        twin._prepare()
        return twin

    def __len__(self) -> int:
        """The number of batches in a whole epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Let the next `iter` begin at `batch` of `epoch`; `batch == len(self)` is the end of that epoch."""
        epoch, batch = checks.integer("epoch", epoch, minimum=0), checks.integer("batch", batch, minimum=0)
        if batch > len(self):
            raise ValueError(f"batch must be at most {len(self)}, the length of an epoch, got {batch}")
        self._epoch, self._batch = epoch, batch

    def order(self, epoch: int) -> Int64[Tensor, " samples"]:
        """The indices of the samples in the order in which `epoch` visits them."""
        count = len(self.dataset)
        if not self.shuffle:
            return torch.arange(count)
        return torch.randperm(count, generator=_generator(self.seed, epoch))

    def __iter__(self) -> Iterator[Any]:
        """The batches from the position on. With the last of them handed out, the position is the start of the next
        epoch; before that it stays, so that `next(iter(loader))` takes nothing away."""
        return self._rest_of(self._epoch, self._batch)

    def _rest_of(self, epoch: int, start: int) -> Iterator[Any]:
        self._iteration += 1
        iteration = self._iteration
        chunks = self.order(epoch).split(self.batch_size)
        jobs = [(epoch, batch, chunks[batch]) for batch in range(start, len(self))]
        empty: set[int] = set()  # batches of which this part has nothing
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
    """The sampler of the DataLoader: what the next iteration shall prepare."""

    pending: list[_Job]

    def __iter__(self) -> Iterator[_Job]:
        return iter(self.pending)


class _Batches(Dataset[Any]):
    """A job to its batch, transformed. It keeps no state, so that every process gives the same answer."""

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
        return (transform(data[0], _generator(self.seed, epoch, batch + 1, self.part)), *data[1:])

    def _gather(self, indices: Tensor) -> Any:
        if hasattr(self.dataset, "batch"):
            return self.dataset.batch(indices)
        if hasattr(self.dataset, "__getitems__"):
            return default_collate(self.dataset.__getitems__(indices.tolist()))
        return default_collate([self.dataset[index] for index in indices.tolist()])


def _stages(transform: Transform | Mapping[int, Transform] | None) -> dict[int, Transform | None]:
    """The transform of every epoch, by the epoch it begins with."""
    if not isinstance(transform, Mapping):
        stages: dict[int, Transform | None] = {0: transform}
    else:
        stages = {checks.integer("transform's epochs", epoch, minimum=0): one for epoch, one in transform.items()}
        checks.require(0 in stages, f"transform must say what epoch 0 does, got epochs {sorted(stages)}")
    for one in stages.values():
        if one is not None and not callable(one):
            raise TypeError(f"transform must be callable as (x, generator), or as (sample), got {one!r}")
    return {epoch: None if one is None else for_batches(one) for epoch, one in stages.items()}


def _generator(seed: int, epoch: int, stream: int = 0, part: int = 0) -> torch.Generator:
    """A generator of its own for (seed, epoch, stream): stream 0 is the order, b + 1 the transform of batch b."""
    entropy = (seed, epoch, stream, part) if part else (seed, epoch, stream)
    mixed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed[0]))


def _as_it_is(batch: Any) -> Any:
    return batch
