"""Clipping by the global norm, against PyTorch's."""

import pytest
import torch
from torch import nn

from groundup.training import clip_by_global_norm


def with_gradients(*gradients):
    parameters = [nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient.clone()
    return parameters


@pytest.mark.parametrize("max_norm", [0.1, 3.0, 1e6])
def test_equals_torch(max_norm):
    gradients = [torch.randn(shape, dtype=torch.float64) for shape in [(3, 4), (5,), (), (2, 0), (1, 2, 3)]]
    ours, theirs = with_gradients(*gradients), with_gradients(*gradients)
    ours.append(nn.Parameter(torch.zeros(2)))  # without a gradient
    norm = clip_by_global_norm(ours, max_norm)
    torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(theirs, max_norm), rtol=1e-12, atol=0)
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-12, atol=0)


def test_only_measures_without_a_limit():
    parameters = with_gradients(torch.tensor([3.0]), torch.tensor([[4.0]]))
    assert clip_by_global_norm(parameters).item() == 5.0
    assert [p.grad.item() for p in parameters] == [3.0, 4.0]


def test_half_precision_is_measured_in_float32():
    norm = clip_by_global_norm(with_gradients(torch.full((10_000,), 3.0, dtype=torch.bfloat16), torch.zeros(1)), 1.0)
    assert norm.dtype == torch.float32
    assert norm.item() == pytest.approx(300.0, rel=1e-6)
    assert (
        clip_by_global_norm(with_gradients(torch.full((4,), 6e4, dtype=torch.float16))).item() == 120_000.0
    )  # above float16's largest


def test_no_gradients_and_bad_limits():
    assert clip_by_global_norm([nn.Parameter(torch.zeros(2))], 1.0).item() == 0.0
    assert torch.isnan(clip_by_global_norm(with_gradients(torch.tensor([float("nan")])), 1.0))
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="max_norm must be positive"):
            clip_by_global_norm([], bad)
