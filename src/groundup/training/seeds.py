"""Seeds, and the states of all random generators that a training step may use."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from groundup.checks import integer, require

# NumPy's global generator is seeded and saved too: libraries and users' transforms draw from it.


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices) with one number in [0, 2³²).

    On a GPU, equal seeds give equal bits only together with `torch.use_deterministic_algorithms(True)`.

    Example:
        >>> seed_everything(0)
        >>> first = torch.rand(1)
        >>> seed_everything(0)
        >>> torch.equal(torch.rand(1), first)
        True
    """
    require(integer("seed", seed, 0) < 2**32, f"seed must be below 2**32, got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """Return the states of all generators, in types that `torch.load(weights_only=True)` reads."""
    version, words, next_gauss = random.getstate()
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": (version, torch.tensor(words), next_gauss),
        "numpy": (str(name), torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore the states that `random_state` returned; states of GPUs that this machine lacks are ignored."""
    version, words, next_gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), next_gauss))
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    for device, generator in zip(range(torch.cuda.device_count()), state["cuda"]):
        torch.cuda.set_rng_state(generator, device)


def derive_seed(seed: int, rank: int, step: int) -> int:
    """Return another seed for the process `rank` that starts at `step`; the main process at step 0 keeps `seed`."""
    if rank == 0 and step == 0:
        return seed
    return int(np.random.SeedSequence((seed, rank, step)).generate_state(1)[0])
