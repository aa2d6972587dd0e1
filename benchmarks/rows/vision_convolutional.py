"""Convolutional networks against torchvision's: a training step, and inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row
from benchmarks.rows.vision_residual import SHAPE, Build, TrainImages, images
from groundup.functional import auxiliary_cross_entropy
from groundup.models.convolutional_networks import VGG16, GoogLeNet
from groundup.optimizers import SGD_Momentum
from rows.peers import ready_torchvision
from rows.units import Apply, Unit


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


def our_training(build: Build) -> Callable[[], Unit]:
    return lambda: TrainImages(build().train(), auxiliary_cross_entropy, lambda p: SGD_Momentum(p, lr=1e-3), images)


def their_training(build: Build) -> Callable[[], Unit]:
    return lambda: TrainImages(build().train(), their_loss, lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9), images)


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
                1e-8,
            ),
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
