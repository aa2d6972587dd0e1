"""Our models and optimizers in the hands of others: GradScaler, Hugging Face accelerate, Lightning Fabric.

The recipes of src/groundup/training/README.md, run against a bare loop.
"""

import pytest
import torch

from groundup.functional import cross_entropy
from groundup.models.convolutional_networks import LeNet5
from groundup.optimizers import SGD, Adam, AdamW, LR_CosineDecayScheduler, RMSProp

X = torch.randn(3, 8, 1, 32, 32, generator=torch.Generator().manual_seed(0))
Y = torch.arange(24).reshape(3, 8) % 10


def parts(rule=AdamW):
    torch.manual_seed(1)
    model = LeNet5(output="linear")
    optimizer = rule(model.parameters(), lr=0.01)
    return model, optimizer, LR_CosineDecayScheduler(optimizer, 1, 10)


@pytest.fixture
def expected():
    model, optimizer, scheduler = parts()
    for x, y in zip(X, Y):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
        scheduler.step()
    return list(model.parameters())


def assert_equal(model, expected):
    for ours, theirs in zip(model.parameters(), expected):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_accelerate(expected):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    model, optimizer, scheduler = accelerator.prepare(*parts())
    for x, y in zip(X, Y):
        optimizer.zero_grad()
        accelerator.backward(cross_entropy(model(x), y))
        optimizer.step()
        scheduler.step()
    assert_equal(accelerator.unwrap_model(model), expected)


def test_fabric(expected):
    fabric = pytest.importorskip("lightning_fabric").Fabric(accelerator="cpu", devices=1)
    bare, rule, scheduler = parts()
    model, optimizer = fabric.setup(bare, rule)
    for x, y in zip(X, Y):
        optimizer.zero_grad()
        fabric.backward(cross_entropy(model(x), y))
        optimizer.step()
        scheduler.step()
    assert_equal(bare, expected)


@pytest.mark.parametrize("rule", [SGD, Adam, AdamW, RMSProp])
def test_grad_scaler_leaves_out_an_overflow_and_goes_on(rule):
    """As torch.optim's: an infinite gradient moves nothing and halves the scale; the next step is unscaled first."""
    (model, optimizer, _), (other, bare, _) = parts(rule), parts(rule)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    start = [p.detach().clone() for p in model.parameters()]
    (scaler.scale(cross_entropy(model(X[0]), Y[0])) * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**7
    assert all(torch.equal(p, before) for p, before in zip(model.parameters(), start))
    optimizer.zero_grad()
    scaler.scale(cross_entropy(model(X[0]), Y[0])).backward()
    scaler.step(optimizer)
    cross_entropy(other(X[0]), Y[0]).backward()
    bare.step()
    assert_equal(model, list(other.parameters()))
