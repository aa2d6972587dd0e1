"""How a model trains on many processes: alone, replicated (DDP), or sharded (FSDP2, in fsdp.py).

What the trainer asks of each: the objective `computed`, `micro_batch` around forward and backward, `mean_` of summed
gradients, `evaluated`, and `save` and `load`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from groundup.checks import choice
from groundup.training.blocks import recompute
from groundup.training.checkpoint import MODEL, SHARDS, STATE, Checkpoints, read_model
from groundup.training.device import compiled
from groundup.training.distributed.ranks import is_main, on_main, world_size
from groundup.training.distributed.shares import counted
from groundup.training.logs import say
from groundup.training.objective import Objective
from groundup.training.writer import Writer

KINDS = ("ddp", "fsdp")
_default = os.environ.get("GROUNDUP_PARALLEL", KINDS[0])


def use_parallel(kind: str) -> None:
    """What a Trainer does that is not told: the command line's choice."""
    global _default
    _default = choice("parallel", kind, KINDS)


def choose_parallel(kind: str | None) -> str:
    """The kind asked for; None is the command line's choice, or the environment's GROUNDUP_PARALLEL, or "ddp"."""
    kind = choice("parallel", _default if kind is None else kind, KINDS)
    if kind == "fsdp" and world_size() == 1:
        say("one process: there is nothing to shard among others; training it whole")
        return "ddp"
    return kind


class Alone:
    """One process: the model as it is; with `again`, its blocks recomputed."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device, compile: bool, again: bool
    ) -> None:
        self.bare, self.optimizer, self.device = model, optimizer, device
        self.undo = recompute(model) if again else lambda: None
        self.model = compiled(model, device) if compile else model

    @property
    def parameters(self) -> list[Tensor]:
        """What the optimizer moves."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def computed(self, objective: Objective, batch: Any) -> tuple[Tensor, int | Tensor]:
        """The objective's loss and count."""
        return objective(self.model, batch)

    def micro_batch(self, last: bool) -> AbstractContextManager[Any]:
        """Around forward and backward of a batch; `last` of those that make one optimizer step."""
        return nullcontext()

    def mean_(self, count: int | float | Tensor) -> None:
        """Divide the gradients, summed over the units of all processes, by the number of units."""
        torch._foreach_div_([p.grad for p in self.parameters if p.grad is not None], count)

    def evaluated(self, evaluate: Callable[[nn.Module], Mapping[str, float]]) -> dict[str, float]:
        """The metrics, the same in all processes."""
        return {name: float(value) for name, value in evaluate(self.bare).items()}

    def content(self, state: dict[str, Any]) -> dict[str, Any]:
        """What a checkpoint holds: model, optimizer and `state`."""
        return {"model": self.bare.state_dict(), "state": state | {"optimizer": self.optimizer.state_dict()}}

    def warm(self, writer: Writer) -> None:
        """After the first step, which makes the optimizer's state: let the writer make room for it."""
        if is_main():
            writer.warm(lambda: self.content({}))

    def save(
        self, checkpoints: Checkpoints, writer: Writer, step: int, state: dict[str, Any], best: int | None, log: Any
    ) -> None:
        """Write the checkpoint of `step`: model, optimizer and `state`; before it, sync the `log`."""
        if not is_main():
            return
        content = writer.copied(self.content(state))

        def write() -> None:
            log.sync()
            checkpoints.save(step, content["model"], content["state"], best, writer.rest)

        writer.write(write)

    def load(self, path: Path) -> dict[str, Any]:
        """Fill model and optimizer from a checkpoint; what else it holds."""
        if (path / SHARDS).exists():
            from groundup.training.distributed.shards import load

            return load(path, self.bare, self.optimizer)
        read_model(self.bare, path / MODEL)
        state = torch.load(path / STATE, weights_only=True, map_location="cpu")
        self.optimizer.load_state_dict(state["optimizer"])
        return state

    def finish(self) -> None:
        """Leave the trained weights in the model that the trainer was given, and the model as it was."""
        self.undo()


class Within(nn.Module):
    """A function of the model as a module, for wrappers that watch over `forward`.

    So an objective may call the model as it likes: more than once, by another method, or for a weight alone.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(self.model, *arguments)


class Replicated(Alone):
    """The whole model in every process; gradients are summed: Li et al. 2020, arXiv:2006.15704.

    BatchNorm sees the share of its process; the running statistics are those of the main one. Evaluations are the main
    process's.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device, compile: bool, again: bool
    ) -> None:
        super().__init__(model, optimizer, device, compile, again)
        self.replica: Any = DistributedDataParallel(Within(self.model), gradient_as_bucket_view=True)

    def computed(self, objective: Objective, batch: Any) -> tuple[Tensor, int | Tensor]:
        return self.replica(counted, objective, batch)

    def micro_batch(self, last: bool) -> AbstractContextManager[Any]:
        return nullcontext() if last else self.replica.no_sync()

    def mean_(self, count: int | float | Tensor) -> None:
        super().mean_(count / world_size())  # DDP gives the processes' mean, not their sum

    def evaluated(self, evaluate: Callable[[nn.Module], Mapping[str, float]]) -> dict[str, float]:
        return on_main(lambda: super(Replicated, self).evaluated(evaluate))

    def save(
        self, checkpoints: Checkpoints, writer: Writer, step: int, state: dict[str, Any], best: int | None, log: Any
    ) -> None:
        on_main(lambda: super(Replicated, self).save(checkpoints, writer, step, state, best, log))

    def finish(self) -> None:
        super().finish()
        self.replica = None  # its hooks on the parameters go with it
        for buffer in self.bare.buffers():  # the last batch left each process its own
            dist.broadcast(buffer, src=0)


def parallelized(
    kind: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    compile: bool,
    again: bool,
    dtype: torch.dtype,
) -> Alone:
    """The model as `kind` has it on the processes that there are."""
    if kind == "fsdp" and world_size() > 1:
        from groundup.training.distributed.fsdp import Sharded  # a second of imports

        return Sharded(model, optimizer, device, compile, again, dtype)
    team = Alone if world_size() == 1 else Replicated
    return team(model, optimizer, device, compile, again)
