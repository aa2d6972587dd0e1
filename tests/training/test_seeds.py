"""Seeds and generator states."""

import random

import numpy as np
import pytest
import torch

from groundup.training import random_state, restore_random_state, seed_everything


def draw():
    return random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(1).item()  # noqa: NPY002


def test_one_seed_fixes_every_generator():
    seed_everything(5)
    first = draw()
    assert draw() != first
    seed_everything(5)
    assert draw() == first


def test_a_state_survives_a_file_of_plain_types(tmp_path):
    seed_everything(1)
    draw()  # an odd number of gaussians: each generator holds one back
    torch.save(random_state(), tmp_path / "state.pt")
    expected = [draw() for _ in range(3)]
    seed_everything(2)
    restore_random_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert [draw() for _ in range(3)] == expected


@pytest.mark.parametrize("bad", [-1, 2**32])
def test_a_seed_out_of_range(bad):
    with pytest.raises(ValueError, match="seed must be"):
        seed_everything(bad)
