"""FSDP2: every process keeps a part of every parameter, its gradient and its optimizer state.

Zhao et al. 2023, arXiv:2304.11277; Rajbhandari et al. 2020 (ZeRO), arXiv:1910.02054. Each block is put together when
it is needed, and taken apart after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from groundup.training.blocks import blocks, recompute
from groundup.training.checkpoint import Checkpoints
from groundup.training.device import compiles
from groundup.training.distributed import shards
from groundup.training.distributed.parallel import Alone, Within
from groundup.training.distributed.ranks import from_main, is_main, world_size
from groundup.training.distributed.shares import counted
from groundup.training.objective import Objective
from groundup.training.writer import Writer


class Sharded(Alone):
    """A copy of the model, sharded by block. The model that was given stays whole, on the CPU, until the end.

    Parameters are float32 where they are kept; where they compute, and on their way there, of the precision's dtype.
    Gradients are summed in float32, after every batch: to keep whole ones until the last would take the memory that
    sharding saves. BatchNorm as in `Replicated`. Evaluations run in all processes.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        compile: bool,
        again: bool,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(model.cpu(), optimizer, device, compile=False, again=False)
        self.group = dist.new_group(backend="gloo")  # for checkpoints, in a thread beside training
        self.model: Any = deepcopy(model)
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            dist.broadcast(tensor.detach(), src=0, group=self.group)
        mesh = init_device_mesh(device.type, (world_size(),))
        # Autocast decides what computes in which dtype, as in one process: inputs are left as they come.
        lower = None if dtype is torch.float32 else dtype
        reduced = None if lower is None else torch.float32
        policy = MixedPrecisionPolicy(lower, reduced, cast_forward_inputs=False)
        if again:
            recompute(self.model)
        compile = compile and compiles(device)
        for block in blocks(self.model):
            if compile:
                block.compile()
            fully_shard(block, mesh=mesh, mp_policy=policy)
        self.root: Any = Within(self.model)
        fully_shard(self.root, mesh=mesh, mp_policy=policy)
        for part in self._parts():
            part.set_gradient_divide_factor(1.0)  # sums: the trainer divides
            part.set_force_sum_reduction_for_comms(True)  # and plain ones, which gloo has too
        self.model.train()
        names = {id(p): name for name, p in model.named_parameters()}
        self.given = [group["params"] for group in optimizer.param_groups]
        cut = dict(self.model.named_parameters())
        for group in optimizer.param_groups:
            group["params"] = [cut[names[id(p)]] for p in group["params"]]

    def _parts(self) -> list[FSDPModule]:
        return [part for part in self.root.modules() if isinstance(part, FSDPModule)]

    def computed(self, objective: Objective, batch: Any) -> tuple[Tensor, int | Tensor]:
        return self.root(counted, objective, batch)

    def evaluated(self, evaluate: Callable[[nn.Module], Mapping[str, float]]) -> dict[str, float]:
        self.model.eval()
        metrics = {name: float(value) for name, value in self.root(evaluate).items()}
        self.model.train()
        for part in self._parts():
            part.reshard()  # without a backward pass the outermost would stay whole
        return from_main(metrics)

    def content(self, state: dict[str, Any]) -> dict[str, Any]:
        tensors, rest = shards.optimizer_tensors(self.optimizer)
        return {
            "tensors": {"model": self.model.state_dict(), "optimizer": tensors},
            "state": state | {"optimizer": rest},
        }

    def warm(self, writer: Writer) -> None:
        writer.warm(lambda: self.content({}))

    def save(
        self, checkpoints: Checkpoints, writer: Writer, step: int, state: dict[str, Any], best: int | None, log: Any
    ) -> None:
        content = writer.copied(self.content(state))

        def write() -> None:
            if is_main():
                log.sync()
            shards.write_shards(checkpoints, step, content["tensors"], content["state"], best, self.group)

        writer.write(write)

    def load(self, path: Path) -> dict[str, Any]:
        return shards.load(path, self.model, self.optimizer, self.group)

    def finish(self) -> None:
        """Put every tensor together, in all processes, one after the other."""
        whole = self.bare.state_dict()
        for name, value in self.model.state_dict().items():
            if isinstance(value, DTensor):
                whole[name].copy_(value.full_tensor())
            else:  # a buffer
                dist.broadcast(value, src=0, group=self.group)
                whole[name].copy_(value)
        for group, params in zip(self.optimizer.param_groups, self.given):
            group["params"] = params
        self.optimizer.state.clear()
        self.bare.to(self.device)
        self.model = self.root = self.bare
        dist.barrier()  # nobody hangs up while another still listens
        dist.destroy_process_group(self.group)
