"""predict and classification: every sample once, in order, and the model as it was."""

import pytest
import torch
from torch import nn

from groundup.data import ImageData, Loader, ToFloat
from groundup.training import classification, predict


@pytest.fixture
def batches():
    images = torch.randint(0, 256, (23, 1, 4, 4), dtype=torch.uint8)
    labels = torch.arange(23) % 3
    return Loader(ImageData(images, labels, ("a", "b", "c"), "toy"), 5, transform=ToFloat())


@pytest.fixture
def model():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Dropout(0.9))


def test_predict(batches, model):
    scores, labels = predict(model.train(), batches)
    assert model.training
    assert torch.equal(labels, batches.dataset.labels)
    expected = model.eval()(batches.dataset.images / 255)
    torch.testing.assert_close(scores, expected)
    assert not scores.requires_grad
    assert torch.equal(predict(model, batches)[0], scores)  # from the start again
    assert not model.training


def test_the_mode_comes_back_after_an_error(batches):
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("broken")

    model = Broken().train()
    with pytest.raises(RuntimeError, match="broken"):
        predict(model, batches)
    assert model.training


def test_classification(batches, model):
    scores, labels = predict(model, batches)
    metrics = classification(batches)(model)
    assert metrics["accuracy"] == pytest.approx((scores.argmax(1) == labels).double().mean().item())
    assert metrics["loss"] == pytest.approx(nn.functional.cross_entropy(scores, labels).item())
    assert classification(batches, lambda s, y: s.sum())(model)["loss"] == pytest.approx(scores.sum().item(), rel=1e-5)
