"""The processes of a run: which one this is, and what they tell each other. `torchrun` starts them.

Rank 0, the main one, writes the run folder and talks to the person. What it alone does or decides, the others hear of,
failures included: no process waits for one that has given up.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from groundup.checks import require
from groundup.training import logs
from groundup.training.writer import Writer

Number = int | Tensor
T = TypeVar("T")

#: How long a process waits for the others: an evaluation or a checkpoint of the main one may take its time. A process
#: that died is found sooner, by torchrun, which ends them all.
TIMEOUT = timedelta(hours=2)


class FailedElsewhere(RuntimeError):
    """The main process failed, and has said why; this one goes with it."""


def is_loss_of_a_process(error: RuntimeError) -> bool:
    """Whether an error says that another process closed its connection, or never answered."""
    return world_size() > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error).lower())


def join() -> None:
    """Meet the other processes that `torchrun` started. Alone, or when they have met already, nothing happens.

    They talk by NCCL where there are GPUs, one each, and by gloo on the CPU.
    """
    if dist.is_initialized():
        _settle()
    elif int(os.environ.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" in os.environ:
        if torch.cuda.is_available():
            number, here = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
            require(
                number < here,
                f"torchrun started more processes here than there are GPUs ({here}): --nproc-per-node {here}",
            )
            torch.cuda.set_device(number)
        store, number, count = next(dist.rendezvous("env://", timeout=TIMEOUT))
        # A restarted job meets at the same place, where the addresses of the processes before still lie.
        store = dist.PrefixStore(f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=TIMEOUT)
        _settle()


def _settle() -> None:
    logs.speaks = is_main()


def leave() -> None:
    """Part from the others, in good order."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process writes the run folder and talks to the person."""
    return rank() == 0


def local_device(device: torch.device) -> torch.device:
    """The GPU of this process, for "cuda" without a number."""
    if device.type == "cuda" and device.index is None and world_size() > 1:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def _table() -> torch.device:
    """Where words are exchanged: the CPU, unless whoever made the group left it out."""
    return torch.device("cpu" if "gloo" in str(dist.get_backend_config()) else "cuda")


def from_main(value: T, group: Any = None) -> T:
    """What the main process has, in all of them."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, group=group, device=_table())
    return box[0]


def on_main(act: Callable[[], T], group: Any = None) -> T:
    """What `act` returns in the main process, which alone calls it. Where it raises, the others raise as well."""
    if world_size() == 1:
        return act()
    value, failure = None, None
    if is_main():
        try:
            value = act()
        except BaseException as error:
            failure = error
    told = from_main((value, None if failure is None else f"{type(failure).__name__}: {failure}"), group)
    if failure is not None:
        raise failure
    if told[1] is not None:
        raise FailedElsewhere(f"rank 0: {told[1]}")
    return told[0]  # type: ignore[return-value]


def any_rank(number: int | None) -> int:
    """The largest of what the processes give, None being 0: a signal that one of them got, all of them heed."""
    if world_size() == 1:
        return number or 0
    largest = torch.tensor(number or 0, device=_table())
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def sum_over_ranks(total: Tensor, count: Number) -> tuple[Tensor, Number]:
    """A loss and its number of units, each summed over all processes: of one process, themselves."""
    if world_size() == 1:
        return total, count
    both = torch.stack([total.double(), torch.as_tensor(count, device=total.device).double()])
    dist.all_reduce(both)
    return both[0], both[1]


def gathered(value: Any, group: Any = None) -> list[Any] | None:
    """What every process gives, by rank, in the main one; None in the others."""
    if world_size() == 1:
        return [value]
    found: list[Any] | None = [None] * world_size() if is_main() else None
    dist.gather_object(value, found, group=group)
    return found


def written(writer: Writer) -> None:
    """Until the latest checkpoint is written, by all; raises everywhere when it could not be."""
    on_main(writer.wait)
    writer.wait()


def machine(device: torch.device) -> dict[str, Any]:
    """What the last bits of a sum depend on."""
    here = {"torch": str(torch.__version__), "device": device.type, "threads": torch.get_num_threads()}
    return here if world_size() == 1 else here | {"processes": world_size()}


def compare(was: dict[str, Any], device: torch.device) -> None:
    """Say what has changed since a checkpoint was saved."""
    was, here = {"processes": 1} | was, {"processes": 1} | machine(device)
    if changed := [f"{name} ({was[name]}, now {here[name]})" for name in was if was[name] != here[name]]:
        logs.say(f"resuming with another {', '.join(changed)}: the numbers may differ in their last bits")
