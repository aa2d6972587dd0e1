"""The processes that `torchrun` starts: their group, and how they exchange values.

Rank 0, the main process, writes the run folder and prints. All processes receive its values and its failures, so that
no process waits for one that has given up.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from groundup.checks import choice, require
from groundup.training import logs

T = TypeVar("T")

#: How long a process waits for the others, which may be evaluating or saving. `torchrun` notices a dead process sooner
#: and ends them all.
TIMEOUT = timedelta(hours=2)
KINDS = ("ddp", "fsdp")
_default_parallel = os.environ.get("GROUNDUP_PARALLEL", KINDS[0])


class FailedElsewhere(RuntimeError):
    """The main process failed and has printed its error; this process ends as well."""


def is_loss_of_a_process(error: RuntimeError) -> bool:
    """Return whether an error says that another process closed its connection, or never answered."""
    return world_size() > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error).lower())


def join() -> None:
    """Join the group of processes that `torchrun` started; do nothing in a single process, or if already joined.

    The processes use NCCL between GPUs, one GPU per process, and gloo on the CPU.
    """
    if not dist.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
            return
        if torch.cuda.is_available():
            local_rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
            require(
                local_rank < gpus,
                f"torchrun started more processes here than there are GPUs ({gpus}): --nproc-per-node {gpus}",
            )
            torch.cuda.set_device(local_rank)
        store, own_rank, count = next(dist.rendezvous("env://", timeout=TIMEOUT))
        # A restarted job uses the same store, which still holds the addresses of the previous processes.
        store = dist.PrefixStore(f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=own_rank, world_size=count, timeout=TIMEOUT)
    logs.is_main_process = is_main()


def leave() -> None:
    """Leave the group of processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Return whether this process is the main one."""
    return rank() == 0


def set_default_parallel(kind: str) -> None:
    """Set how a Trainer without `parallel` uses several processes: "ddp" or "fsdp"."""
    global _default_parallel
    _default_parallel = choice("parallel", kind, KINDS)


def choose_parallel(kind: str | None) -> str:
    """Return `kind`; for None the default of `set_default_parallel` or of GROUNDUP_PARALLEL, else "ddp"."""
    kind = choice("parallel", _default_parallel if kind is None else kind, KINDS)
    if kind == "fsdp" and world_size() == 1:
        logs.say("one process: there is nothing to shard among others; training the whole model")
        return "ddp"
    return kind


def exchange_device() -> torch.device:
    """Return the device on which processes exchange small values: the CPU where gloo is there, else the GPU."""
    return torch.device("cpu" if "gloo" in str(dist.get_backend_config()) else "cuda")


def from_main(value: T, group: Any = None) -> T:
    """Return the value of the main process, in all processes."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, group=group, device=exchange_device())
    return box[0]


def on_main(act: Callable[[], T], group: Any = None) -> T:
    """Call `act` in the main process and return its result in all; if it raises, all processes raise.

    Raises `FailedElsewhere` in the other processes.
    """
    if world_size() == 1:
        return act()
    value, failure = None, None
    if is_main():
        try:
            value = act()
        except BaseException as error:
            failure = error
    result, message = from_main((value, None if failure is None else f"{type(failure).__name__}: {failure}"), group)
    if failure is not None:
        raise failure
    if message is not None:
        raise FailedElsewhere(f"rank 0: {message}")
    return result  # type: ignore[return-value]


def gather(value: Any, group: Any = None) -> list[Any] | None:
    """Return the values of all processes, by rank, in the main process; None in the others."""
    values: list[Any] | None = [None] * world_size() if is_main() else None
    dist.gather_object(value, values, group=group)
    return values
