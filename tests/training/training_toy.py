"""A training run in miniature, on which everything depends: random generators, momentum, a schedule, buffers."""

import numpy as np
import torch
from torch import nn

from groundup.training import Trainer, seed_everything


class Stream:
    """Batches of two classes in four dimensions; each is a pure function of (epoch, index). Sizes are unequal."""

    def __init__(self, length=5):
        self.length, self.position = length, (0, 0)

    def __len__(self):
        return self.length

    def seek(self, epoch, batch=0):
        self.position = (epoch, batch)

    def __iter__(self):
        epoch, first = self.position
        for index in range(first, self.length):
            generator = torch.Generator().manual_seed(1000 * epoch + index)
            x = torch.randn(8 + index, 4, generator=generator)
            yield x, (x.sum(1) > 0).long()


def objective(model, batch):
    """Cross-entropy, jittered by NumPy's generator so that it must be restored.

    Not by Python's: beartype draws from that, as often as it checks a list. Where it does not, kill_sweep.py adds it.
    """
    x, y = batch
    jitter = 1 + 0.01 * np.random.rand()  # noqa: NPY002
    return jitter * nn.functional.cross_entropy(model(x), y, reduction="sum"), len(y)


def evaluate(model):
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(64, 4, generator=generator)
    return {"accuracy": (model(x).argmax(1) == (x.sum(1) > 0)).float().mean().item()}


def make_model():
    seed_everything(3)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


def make_trainer(run_dir, model=None, lr=0.1, length=5, **changes):
    """Three optimizer steps an epoch (2 + 2 + 1 batches), three epochs; logged and saved every second step."""
    model = make_model() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    settings = {
        "evaluate": evaluate,
        "scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 9),
        "accumulate": 2,
        "clip_norm": 1.0,
        "log_every": 2,
        "save_every": 2,
        "keep": 2,
        "config": {"lr": lr},
        "device": "cpu",
        "progress": False,
    }
    settings |= changes
    if "steps" not in settings:
        settings.setdefault("epochs", 3)
    return Trainer(model, optimizer, settings.pop("objective", objective), Stream(length), run_dir=run_dir, **settings)


def weights(model):
    """Every parameter and buffer, as bytes."""
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
