"""Residual networks against torchvision's and timm's: a training step, inference, and inference with folded norms."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row
from groundup.functional import cross_entropy
from groundup.models.residual_networks import DenseNet121, ResNet50, SEResNet50
from groundup.optimizers import SGD_Momentum
from groundup.tools.folding import fold_batch_norm
from rows.peers import ready_torchvision
from rows.units import Apply, Train, Unit, fill

Build = Callable[[], nn.Module]
SHAPE = (8, 3, 224, 224)


def torchvisions(name: str) -> Build:
    def build() -> nn.Module:
        ready_torchvision()
        import torchvision

        return getattr(torchvision.models, name)()

    return build


def timms(name: str) -> Build:
    def build() -> nn.Module:
        ready_torchvision()
        import timm

        return timm.create_model(name)

    return build


class TrainImages(Train):
    """A training step whose outcome is that of a twin in float64, on a corner of the images.

    In float32 two libraries' gradients part within fifty layers, from rounding alone.
    """

    def outcome(self) -> list[Tensor]:
        twin = copy.deepcopy(self.model).double()
        loss = self.loss(twin(self.x[:, :, :64, :64].double()), self.target)
        gradients = torch.autograd.grad(loss, list(twin.parameters()))
        # A matrix for a gate of 1 × 1 convolutions; and all in one, for some are 0 but for rounding.
        return [loss.detach(), torch.cat([g.flatten() for g in gradients])]


def images() -> tuple[Tensor, Tensor]:
    return torch.randn(SHAPE), torch.randint(0, 1000, SHAPE[:1])


def our_training(build: Build) -> Callable[[], Unit]:
    return lambda: TrainImages(build(), cross_entropy, lambda p: SGD_Momentum(p, lr=1e-3), images)


def their_training(build: Build) -> Callable[[], Unit]:
    return lambda: TrainImages(build(), F.cross_entropy, lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9), images)


def inference(build: Build, fold: bool = False) -> Callable[[], Unit]:
    def unit() -> Unit:
        model = build().eval()
        fill(model)  # before the norms are gone
        ready = fold_batch_norm(model) if fold else model
        return Apply(lambda x: ready(x), lambda: images()[:1], backward=False)

    return unit


def rows(name: str, ours: Build, peer: Build, against: str) -> list[Row]:
    head = ("vision", name, " × ".join(map(str, SHAPE)))
    step = ("training step, SGD", f"{against} + optim.SGD", our_training(ours), their_training(peer))
    forward = ("forward, eval", against, inference(ours), inference(peer))
    folded = ("forward, eval, norms folded", against, inference(ours, fold=True), inference(peer))
    return [
        Row(*head, *step, limit=1.0, tolerance=1e-8, not_compiled="minutes to compile"),
        Row(*head, *forward, limit=1.0, tolerance=1e-3, not_compiled="minutes to compile"),
        Row(*head, *folded, limit=0.9, tolerance=1e-3, not_compiled="minutes to compile"),
    ]


ROWS = [
    *rows("ResNet50", ResNet50, torchvisions("resnet50"), "torchvision"),
    *rows("DenseNet121", DenseNet121, torchvisions("densenet121"), "torchvision"),
    *rows("SEResNet50", SEResNet50, timms("seresnet50"), "timm"),
]
