"""Models against the same network written in `torch.nn`: a training step, and inference."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row
from groundup.functional import cross_entropy
from groundup.models.convolutional_networks.lenet import LeNet5
from rows.units import Apply, Train, Unit

BATCH = 128


def lenet5_of_torch_nn() -> nn.Module:
    """LeNet-5 in the form of `LeNet5.preset("simplified")`."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def digits() -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, 1, 32, 32), torch.randint(0, 10, (BATCH,))


def our_training() -> Unit:
    from groundup.optimizers import Adam

    return Train(LeNet5.preset("simplified"), cross_entropy, lambda p: Adam(p, lr=1e-4), digits)


def their_training() -> Unit:
    return Train(lenet5_of_torch_nn(), F.cross_entropy, lambda p: torch.optim.Adam(p, lr=1e-4), digits)


def our_inference() -> Unit:
    return Apply(LeNet5.preset("simplified").eval(), lambda: digits()[:1], backward=False)


def their_inference() -> Unit:
    return Apply(lenet5_of_torch_nn().eval(), lambda: digits()[:1], backward=False)


SIZE = f"{BATCH} × 1 × 32 × 32"
LENET = ("model", "LeNet5 simplified", SIZE)

CALLS = "both run the same kernels, which are the floor; choosing and checking them takes 1 or 2 µs a call"

# The outcome of a training step holds Adam's moves, g / |g| at first, which magnify the rounding of small gradients.
ROWS = [
    Row(*LENET, "training step, Adam", "torch.nn + optim.Adam", our_training, their_training, 1.0, tolerance=1e-2),
    Row(*LENET, "forward, eval", "torch.nn", our_inference, their_inference, 1.0, why=CALLS),
]
