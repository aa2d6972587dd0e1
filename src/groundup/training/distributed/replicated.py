"""Training in several processes, each with the whole model: DistributedDataParallel (DDP).

Why: the gradient of a batch is the sum of the gradients of its parts, so each process computes one part, and the
processes add up their gradients. Li et al. 2020, PyTorch Distributed, arXiv:2006.15704.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from groundup.training.distributed.many_processes import FunctionOfModel, ManyProcesses, compute_slice_loss
from groundup.training.distributed.processes import (
    choose_parallel,
    is_main,
    on_main,
    world_size,
)
from groundup.training.objectives import Objective
from groundup.training.strategy import SingleProcess


def choose_strategy(
    kind: str | None, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> SingleProcess:
    """Return the strategy for the processes that `torchrun` started.

    Args:
        kind: "ddp", "fsdp", or None for the default: see `choose_parallel`.
    """
    kind = choose_parallel(kind)
    if world_size() == 1:
        return SingleProcess(model, optimizer, device)
    if kind == "fsdp":
        from groundup.training.distributed.sharded import Sharded  # a second of imports

        return Sharded(model, optimizer, device)
    return Replicated(model, optimizer, device)


class Replicated(ManyProcesses):
    """Each process has the whole model, and DDP exchanges the gradients.

    BatchNorm normalises over the slice of its process; the running statistics are those of the main process.
    Evaluations and checkpoints are made by the main process.
    """

    def prepare(self, compile: bool = False, recompute: bool = False, precision: torch.dtype = torch.float32) -> None:
        super().prepare(compile, recompute, precision)
        self.replica: Any = DistributedDataParallel(FunctionOfModel(self.running_model), gradient_as_bucket_view=True)

    def compute_loss(self, objective: Objective, batch: Any) -> tuple[Tensor, int | Tensor]:
        return self.replica(compute_slice_loss, objective, batch)

    def accumulate(self, is_last: bool) -> AbstractContextManager[Any]:
        return nullcontext() if is_last else self.replica.no_sync()

    def divide_gradients(self, units: int | Tensor) -> None:
        super().divide_gradients(units / world_size())  # type: ignore[arg-type]  # DDP gives the mean over processes

    def evaluate(self, evaluate: Callable[[nn.Module], Mapping[str, float]]) -> dict[str, float]:
        return on_main(lambda: super(Replicated, self).evaluate(evaluate))

    @property
    def is_writer(self) -> bool:
        return is_main()

    def on_writers(self, act: Callable[[], object]) -> None:
        on_main(act)

    def finish(self) -> None:
        super().finish()
        self.replica = None  # and with it its hooks on the parameters
        for buffer in self.model.buffers():  # each process has those of its last slice
            dist.broadcast(buffer, src=0)
