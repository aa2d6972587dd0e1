"""Seeds, and the state of every random generator a training step may draw from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from groundup.checks import integer, require

# NumPy's global generator is the one that libraries and users' transforms draw from: it is seeded and kept as well.


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices) with one number in [0, 2³²).

    On a GPU, equal seeds give equal bits only with `torch.use_deterministic_algorithms(True)` as well.
    """
    require(integer("seed", seed, 0) < 2**32, f"seed must be below 2**32, got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """All generator states in plain types and tensors, so that `torch.load(weights_only=True)` reads them."""
    version, words, next_gauss = random.getstate()
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": (version, torch.tensor(words), next_gauss),
        "numpy": (str(name), torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put back what `random_state` returned; GPUs that this machine does not have are passed over."""
    version, words, next_gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), next_gauss))
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    for device, generator in zip(range(torch.cuda.device_count()), state["cuda"]):
        torch.cuda.set_rng_state(generator, device)
