"""Base of the strategies for several processes: slices of batches, sums, random numbers and agreement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from groundup.data.loader import StandIn
from groundup.training.batches import Batches
from groundup.training.checkpoint_writer import CheckpointWriter
from groundup.training.distributed.loader_slices import slice_loader
from groundup.training.distributed.processes import (
    exchange_device,
    from_main,
    gather,
    on_main,
    rank,
    world_size,
)
from groundup.training.objectives import Objective
from groundup.training.seeds import derive_seed, random_state, restore_random_state, seed_everything
from groundup.training.strategy import SingleProcess

T = TypeVar("T")


class FunctionOfModel(nn.Module):
    """Calls a function of the model within `forward`, where DDP and FSDP prepare the parameters.

    So an objective may use the model in any way: call it twice, call another method, or read a weight.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(self.model, *arguments)


def compute_slice_loss(model: nn.Module, objective: Objective, batch: Any) -> tuple[Tensor, int | Tensor]:
    """Return the objective's loss and units; both are 0 for a process that has no sample of the batch."""
    if not isinstance(batch, StandIn):
        return objective(model, batch)
    loss, _ = objective(model, batch.batch)  # it takes part in the exchange of gradients
    return 0 * loss, 0


class ManyProcesses(SingleProcess):
    """Base of the strategies for several processes: data, random numbers and agreement."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        super().__init__(model, optimizer, device)
        self.processes = world_size()

    def shard_loader(self, loader: Batches) -> Batches:
        return slice_loader(loader, rank(), world_size())

    def sum(self, loss: Tensor, units: int | Tensor) -> tuple[Tensor, int | Tensor]:
        both = torch.stack([loss.double(), torch.as_tensor(units, device=loss.device).double()])
        dist.all_reduce(both)
        return both[0], both[1]

    def wait_for_checkpoint(self, writer: CheckpointWriter) -> None:
        on_main(writer.wait)
        writer.wait()

    def seed(self, seed: int) -> None:
        seed_everything(derive_seed(seed, rank(), 0))  # of its own: equal ones would drop out equal features

    def random_state(self) -> dict[str, Any]:
        state = random_state()
        if torch.cuda.is_available():
            state["cuda"] = [torch.cuda.get_rng_state()]  # of this process's GPU alone
        return {"ranks": gather(state)}

    def restore_random_state(self, state: dict[str, Any], seed: int, step: int) -> None:
        states = state.get("ranks", [state])
        if from_main(len(states)) != world_size():
            seed_everything(derive_seed(seed, rank(), step))
            return
        own = states[rank()]
        if torch.cuda.is_available():
            torch.cuda.set_rng_state(own["cuda"][0])
            own = own | {"cuda": []}
        restore_random_state(own)

    def on_main(self, act: Callable[[], T]) -> T:
        return on_main(act)

    def largest(self, number: int) -> int:
        numbers = torch.tensor(number, device=exchange_device())
        dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return int(numbers)
