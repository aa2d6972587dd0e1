"""Convolutional networks against torchvision's: a training step, and inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row
from benchmarks.peers import ready_torchvision
from benchmarks.units import Apply, Train, Unit
from groundup.functional import auxiliary_cross_entropy
from groundup.models.convolutional_networks import VGG16, GoogLeNet
from groundup.optimizers import SGD_Momentum

Build = Callable[[], nn.Module]
SHAPE = (8, 3, 224, 224)


def torchvisions(name: str, **options: Any) -> Build:
    def build() -> nn.Module:
        ready_torchvision()
        import torchvision

        return getattr(torchvision.models, name)(init_weights=False, dropout=0.0, **options)

    return build


def their_loss(outputs: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
    """The cross-entropy, and 0.3 of each auxiliary classifier's."""
    if isinstance(outputs, Tensor):
        return F.cross_entropy(outputs, target)
    scores, *others = (F.cross_entropy(each, target) for each in outputs)
    return scores + 0.3 * sum(others)


def same_step(ours: list[Tensor], peer: list[Tensor], tolerance: float) -> str | None:
    """As `same_values`, but what is 0 save for rounding, as a bias before a norm is, counts beside the whole."""
    scale = sum(float(b.double().square().sum()) for b in peer) ** 0.5
    for index, (a, b) in enumerate(zip(ours, peer, strict=True)):
        error = (a.double() - b.double()).norm().item()
        if not error <= tolerance * (b.double().norm().item() + 1e-3 * scale):
            return (
                f"result {index}, {tuple(b.shape)}, differs by {error:.3g}, where the peer's has {float(b.norm()):.3g}"
            )
    return None


def images() -> tuple[Tensor, Tensor]:
    return torch.randn(SHAPE), torch.randint(0, 1000, SHAPE[:1])


def our_training(build: Build) -> Callable[[], Unit]:
    return lambda: Train(build().train(), auxiliary_cross_entropy, lambda p: SGD_Momentum(p, lr=1e-3), images)


def their_training(build: Build) -> Callable[[], Unit]:
    return lambda: Train(build().train(), their_loss, lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9), images)


def inference(build: Build) -> Callable[[], Unit]:
    return lambda: Apply(build().eval(), lambda: images()[:1], backward=False)


def rows(name: str, ours: Build, peer: Build) -> list[Row]:
    """Without dropout, whose draws differ under `torch.compile`; parameters come in one order on both sides."""
    head, why = ("vision", name, " × ".join(map(str, SHAPE))), "minutes to compile"
    return [
        Row(
            *(
                *head,
                "training step, SGD",
                "torchvision + optim.SGD",
                our_training(ours),
                their_training(peer),
                1.0,
                1e-3,
            ),
            compare=same_step,
            not_compiled=why,
        ),
        Row(*(*head, "forward, eval", "torchvision", inference(ours), inference(peer), 1.0, 1e-3), not_compiled=why),
    ]


ROWS = [
    *rows("VGG16", lambda: VGG16(dropout=0.0), torchvisions("vgg16")),
    *rows(
        "GoogLeNet torchvision",
        lambda: GoogLeNet.preset("torchvision", dropout=0.0, dropout_aux=0.0),
        torchvisions("googlenet", aux_logits=True, dropout_aux=0.0),
    ),
]
