"""Many processes under `torchrun`: this folder alone knows that there are ranks. See ../README.md."""

from groundup.training.distributed.job import begun_by_this_job, mark, run_dir_of_this_job
from groundup.training.distributed.parallel import choose_parallel, parallelized, use_parallel
from groundup.training.distributed.ranks import (
    FailedElsewhere,
    any_rank,
    compare,
    from_main,
    is_loss_of_a_process,
    is_main,
    join,
    leave,
    local_device,
    machine,
    on_main,
    rank,
    sum_over_ranks,
    world_size,
    written,
)
from groundup.training.distributed.shares import shared
from groundup.training.distributed.streams import gathered_states, restore_states, seed_ranks

__all__ = [
    "join",
    "leave",
    "rank",
    "world_size",
    "is_main",
    "on_main",
    "from_main",
    "any_rank",
    "sum_over_ranks",
    "local_device",
    "FailedElsewhere",
    "machine",
    "compare",
    "written",
    "is_loss_of_a_process",
    "begun_by_this_job",
    "mark",
    "run_dir_of_this_job",
    "shared",
    "seed_ranks",
    "gathered_states",
    "restore_states",
    "parallelized",
    "choose_parallel",
    "use_parallel",
]
