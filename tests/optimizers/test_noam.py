"""The schedule of the Transformer's paper."""

import pytest
import torch

from groundup.optimizers import SGD, LR_NoamScheduler


def test_it_is_equation_3():
    width, warmup = 512, 40
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=(width * warmup) ** -0.5)
    scheduler = LR_NoamScheduler(optimizer, warmup)
    for step in range(1, 200):
        expected = width**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_it_wants_a_ramp():
    with pytest.raises(ValueError, match="warmup_steps must be at least 1, got 0"):
        LR_NoamScheduler(SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 0)
