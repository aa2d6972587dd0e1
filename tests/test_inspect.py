"""summary: counts that can be done by hand, and no trace left on the model."""

import pytest
import torch
from torch import nn

from groundup.inspect import summary


def small():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Sequential(nn.ReLU(), nn.Flatten()), nn.Linear(8 * 16, 5))


def test_counts_by_hand():
    report = summary(small(), (3, 4, 4))
    assert [(p.name, p.output, p.parameters, p.multiply_adds) for p in report.parts] == [
        ("0", (8, 4, 4), 8 * 3 * 9 + 8, 8 * 3 * 9 * 16),
        ("1", (128,), 0, 0),
        ("2", (5,), 128 * 5 + 5, 128 * 5),
    ]
    assert report.parameters == 224 + 645
    assert report.multiply_adds == 8 * 3 * 9 * 16 + 640


def test_depth_opens_the_tree():
    assert [p.name for p in summary(small(), (3, 4, 4), depth=2).parts] == ["0", "1.0", "1.1", "1", "2"]


def test_the_batch_of_a_tensor_does_not_change_the_count():
    assert summary(small(), torch.zeros(7, 3, 4, 4)).multiply_adds == summary(small(), (3, 4, 4)).multiply_adds


def test_the_model_is_left_alone():
    model = small().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    summary(model, (3, 4, 4))
    assert model.training
    assert all(not m._forward_hooks for m in model.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_shared_and_frozen_parameters():
    shared = nn.Linear(4, 4)
    shared.bias.requires_grad_(False)
    report = summary(nn.Sequential(shared, nn.ReLU(), shared), (4,))
    assert report.parameters == 20
    assert report.trainable == 16
    assert report.multiply_adds == 32


def test_it_takes_no_memory():
    """A model that would need 40 GB is summarised on the meta device."""
    with torch.device("meta"):
        model = nn.Linear(100_000, 100_000)
    assert summary(nn.Sequential(model), (100_000,)).parameters == 100_000 * 100_001


def test_the_table():
    text = str(summary(small(), (3, 4, 4)))
    assert "input 3 × 4 × 4" in text
    assert "8 × 4 × 4" in text
    assert text.splitlines()[-1].split() == ["total", "Sequential", "869", "4,096"]
    assert len({len(line) for line in text.splitlines() if line.startswith("─")}) == 1


@pytest.mark.usefixtures("untyped")
def test_errors():
    with pytest.raises(ValueError, match="inputs: give the shape of one sample"):
        summary(small())
