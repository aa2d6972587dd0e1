"""Several processes under `torchrun`: who they are, how they agree, and how they share data and model.

See ../README.md. Programs need `on_main` and `is_main` at most: the `Trainer` chooses its strategy by itself.
"""

from groundup.training.distributed.processes import (
    FailedElsewhere,
    is_loss_of_a_process,
    is_main,
    join,
    leave,
    on_main,
    rank,
    set_default_parallel,
    world_size,
)

__all__ = [
    "join",
    "leave",
    "rank",
    "world_size",
    "is_main",
    "on_main",
    "FailedElsewhere",
    "is_loss_of_a_process",
    "set_default_parallel",
]
