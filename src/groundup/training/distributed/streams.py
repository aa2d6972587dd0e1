"""Random generators of many processes: each has a stream of its own, or all would drop out the same features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from groundup.training.distributed.ranks import from_main, gathered, rank, world_size
from groundup.training.seeds import random_state, restore_random_state, seed_everything


def seed_ranks(seed: int, step: int = 0) -> None:
    """Seed the generators of this process: the main one's with `seed`, as a process alone does at step 0."""
    if rank() > 0 or step > 0:
        seed = int(np.random.SeedSequence((seed, rank(), step)).generate_state(1)[0])
    seed_everything(seed)


def gathered_states() -> dict[str, Any]:
    """The generators' states: of one process its own, of several {"ranks": all of them} in the main one."""
    if world_size() == 1:
        return random_state()
    mine = random_state()
    if torch.cuda.is_available():
        mine["cuda"] = [torch.cuda.get_rng_state()]  # of this process's GPU alone
    return {"ranks": gathered(mine)}


def restore_states(state: dict[str, Any], seed: int, step: int) -> None:
    """Put back what `gathered_states` gave. Another number of processes begins new streams."""
    states = state.get("ranks", [state])
    if from_main(len(states)) != world_size():
        seed_ranks(seed, step)
        return
    mine = states[rank()]
    if world_size() > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(mine["cuda"][0])
        mine = mine | {"cuda": []}
    restore_random_state(mine)
