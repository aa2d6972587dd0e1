"""Training in several processes, each with a part of every parameter, gradient and optimizer state: FSDP2.

Why: DDP stores everything in each process; here the memory per process falls with their number. Each block of the
model is put together when it is needed and freed afterwards. Zhao et al. 2023, PyTorch FSDP, arXiv:2304.11277;
Rajbhandari et al. 2020, ZeRO, arXiv:1910.02054.
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

from groundup.training.checkpoint import Checkpoints
from groundup.training.checkpoint_files import Pause
from groundup.training.device import can_compile
from groundup.training.distributed import sharded_checkpoint
from groundup.training.distributed.many_processes import FunctionOfModel, ManyProcesses, compute_slice_loss
from groundup.training.distributed.processes import from_main, world_size
from groundup.training.objectives import Objective
from groundup.training.recompute import find_blocks, recompute_blocks


class Sharded(ManyProcesses):
    """Each process has a shard of a copy of the model; the given model stays whole, on the CPU, until `finish`.

    Parameters are stored in float32, and computed and sent in the dtype of autocast. Gradients are summed in float32
    after every batch: to keep whole gradients until the last batch of a step would need the memory that sharding saves.
    BatchNorm is as in `Replicated`. All processes evaluate; the metrics are those of the main process.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        super().__init__(model, optimizer, torch.device("cpu"))
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        self.device = device

    def prepare(self, compile: bool = False, recompute: bool = False, precision: torch.dtype = torch.float32) -> None:
        self.group = dist.new_group(backend="gloo")  # for checkpoints that are written in the background
        self.copy: Any = deepcopy(self.model)
        for tensor in (*self.copy.parameters(), *self.copy.buffers()):
            dist.broadcast(tensor.detach(), src=0, group=self.group)
        mesh = init_device_mesh(self.device.type, (world_size(),))
        # Autocast decides which operation uses which dtype, as in one process: inputs are not cast.
        is_full = precision is torch.float32
        policy = MixedPrecisionPolicy(
            None if is_full else precision, None if is_full else torch.float32, cast_forward_inputs=False
        )
        if recompute:
            recompute_blocks(self.copy)
        compile = compile and can_compile(self.device)
        for block in find_blocks(self.copy):
            if compile:
                block.compile()
            fully_shard(block, mesh=mesh, mp_policy=policy)
        self.root: Any = FunctionOfModel(self.copy)
        fully_shard(self.root, mesh=mesh, mp_policy=policy)
        for part in self._parts():
            part.set_gradient_divide_factor(1.0)  # sums: the step divides by the units
            part.set_force_sum_reduction_for_comms(True)  # plain sums, which gloo has too
        self.copy.train()
        names = {id(p): name for name, p in self.model.named_parameters()}
        self.whole_parameters = [group["params"] for group in self.optimizer.param_groups]
        shards = dict(self.copy.named_parameters())
        for group in self.optimizer.param_groups:
            group["params"] = [shards[names[id(p)]] for p in group["params"]]

    def _parts(self) -> list[FSDPModule]:
        return [part for part in self.root.modules() if isinstance(part, FSDPModule)]

    def compute_loss(self, objective: Objective, batch: Any) -> tuple[Tensor, int | Tensor]:
        return self.root(compute_slice_loss, objective, batch)

    def evaluate(self, evaluate: Callable[[nn.Module], Mapping[str, float]]) -> dict[str, float]:
        self.copy.eval()
        metrics = {name: float(value) for name, value in self.root(evaluate).items()}
        self.copy.train()
        for part in self._parts():
            part.reshard()  # without a backward pass the outermost part would stay whole
        return from_main(metrics)

    def checkpoint_content(self, state: dict[str, Any]) -> dict[str, Any]:
        tensors, rest = sharded_checkpoint.split_optimizer_state(self.optimizer)
        return {
            "tensors": {"model": self.copy.state_dict(), "optimizer": tensors},
            "state": state | {"optimizer": rest},
        }

    def write_checkpoint(
        self, checkpoints: Checkpoints, step: int, content: dict[str, Any], best: int | None, pause: Pause | None
    ) -> None:
        sharded_checkpoint.save_checkpoint(checkpoints, step, content["tensors"], content["state"], best, self.group)

    def load(self, checkpoint: Path) -> dict[str, Any]:
        return sharded_checkpoint.load_checkpoint(checkpoint, self.copy, self.optimizer, self.group)

    def finish(self) -> None:
        """Put the whole weights into the given model, in all processes, one tensor after the other."""
        whole = self.model.state_dict()
        for name, value in self.copy.state_dict().items():
            if isinstance(value, DTensor):
                whole[name].copy_(value.full_tensor())
            else:  # a buffer
                dist.broadcast(value, src=0, group=self.group)
                whole[name].copy_(value)
        for group, params in zip(self.optimizer.param_groups, self.whole_parameters):
            group["params"] = params
        self.optimizer.state.clear()
        self.model.to(self.device)
        self.copy = self.root = self.model
        dist.barrier()  # no process closes the group while another uses it
        dist.destroy_process_group(self.group)
