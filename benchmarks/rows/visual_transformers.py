"""Visual transformers against torchvision's and timm's: a training step, and inference, on four images."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row
from benchmarks.rows.vision_residual import Build, TrainImages, timms, torchvisions
from groundup.functional import cross_entropy
from groundup.models.visual_transformers import SwinTransformer, VisionTransformer
from groundup.optimizers import AdamW
from groundup.weights import to_ours
from groundup.weights.visual_transformers import SWIN_TIMM, SWIN_TORCHVISION, VIT_TIMM, VIT_TORCHVISION
from groundup.weights.weight_map import Table
from rows.peers import ready_torchvision
from rows.units import Apply, Unit

SHAPE = (4, 3, 224, 224)


def images() -> tuple[Tensor, Tensor]:
    return torch.randn(SHAPE), torch.randint(0, 1000, SHAPE[:1])


def settled(peer: Build) -> nn.Module:
    """Their network with random weights that it will share; a head of 0, as ViT begins with, would hide everything."""
    torch.manual_seed(0)
    model = peer()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.02) if parameter.dim() > 1 else nn.init.uniform_(parameter, -1.0, 1.0)
    return model


def given(ours: Build, peer: Build, table: Table) -> Build:
    """Our network with their weights, carried over by the table."""

    def build() -> nn.Module:
        model = ours()
        model.load_state_dict(to_ours(table, settled(peer).state_dict(), model.state_dict()))
        return model

    return build


class TrainShared(TrainImages):
    """A training step from weights that are given; its outcome is the loss of a twin in float64, on all pixels."""

    def __init__(self, model: nn.Module, loss: Callable[..., Tensor], optimizer: Callable[..., torch.optim.Optimizer]):
        self.model, self.loss = model, loss
        self.x, self.target = images()
        self.parameters = list(model.parameters())
        self.optimizer = optimizer(self.parameters)

    def outcome(self) -> list[Tensor]:
        twin = copy.deepcopy(self.model).double()
        x = self.x[:1].double().requires_grad_()
        loss = self.loss(twin(x), self.target[:1])
        return [loss.detach(), *torch.autograd.grad(loss, x)]


class Forward(Apply):
    """Inference, compared by the scores alone: timm keeps its masks as buffers."""

    def outcome(self) -> list[Tensor]:
        return list(self.run())


def rows(name: str, ours: Build, peer: Build, table: Table, against: str) -> list[Row]:
    head = ("vision", name, " × ".join(map(str, SHAPE)))
    mine = given(ours, peer, table)

    def our_step() -> Unit:
        return TrainShared(mine(), cross_entropy, lambda p: AdamW(p, lr=1e-4))

    def their_step() -> Unit:
        return TrainShared(settled(peer), F.cross_entropy, lambda p: torch.optim.AdamW(p, lr=1e-4))

    def inference(build: Build) -> Callable[[], Unit]:
        return lambda: Forward(build().eval(), lambda: images()[:1], backward=False, given=True)

    late = {"not_compiled": "minutes to compile"}
    return [
        Row(*head, "training step, AdamW", f"{against} + optim.AdamW", our_step, their_step, 1.0, 1e-8, **late),
        Row(*head, "forward, eval", against, inference(mine), inference(partial(settled, peer)), 1.0, 1e-3, **late),
    ]


def steady() -> nn.Module:
    """Swin-T, none of whose branches is left out at random."""
    return SwinTransformer(stochastic_depth=0.0)


def torchvisions_swin() -> nn.Module:
    ready_torchvision()
    import torchvision

    model = torchvision.models.swin_t()
    for part in model.modules():
        if isinstance(part, torchvision.ops.StochasticDepth):
            part.p = 0.0
    return model


def timms_swin() -> nn.Module:
    ready_torchvision()
    import timm

    return timm.create_model("swin_tiny_patch4_window7_224", drop_path_rate=0.0)


ROWS = [
    *rows("ViT-B/16", VisionTransformer, torchvisions("vit_b_16"), VIT_TORCHVISION, "torchvision"),
    *rows("ViT-B/16 (timm)", VisionTransformer, timms("vit_base_patch16_224"), VIT_TIMM, "timm"),
    *rows("Swin-T", steady, torchvisions_swin, SWIN_TORCHVISION, "torchvision"),
    *rows("Swin-T (timm)", steady, timms_swin, SWIN_TIMM, "timm"),
]
