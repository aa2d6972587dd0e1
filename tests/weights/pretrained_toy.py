"""A small classifier, the same as another library would write it, and the table between the two."""

from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn

from groundup.functional import relu
from groundup.layers import BatchNorm2d, Conv2d, Linear
from groundup.models.classifier import ImageClassifier
from groundup.weights import Absent, Drop, Preprocessing, Published, Row


class Block(nn.Module):
    def __init__(self, channels, out_channels, device=None, dtype=None):
        super().__init__()
        self.conv = Conv2d(channels, out_channels, 3, padding=1, bias=False, device=device, dtype=dtype)
        self.bn = BatchNorm2d(out_channels, device=device, dtype=dtype)

    def forward(self, x):
        return relu(self.bn(self.conv(x)))


class Small(ImageClassifier):
    """Two stages, the mean of the map, a linear head."""

    presets: ClassVar = {"narrow": {}, "wide": {"widths": (6, 8)}, "paper": {"slope": 2.0}}

    def __init__(self, num_classes=7, in_channels=3, widths=(4, 5), slope=1.0, device=None, dtype=None):
        super().__init__()
        self.num_classes, self.in_channels, self.slope = num_classes, in_channels, slope
        self.stage1 = Block(in_channels, widths[0], device, dtype)
        self.stage2 = Block(widths[0], widths[1], device, dtype)
        self.head = Linear(widths[1], num_classes, device=device, dtype=dtype)

    def forward_features(self, x):
        return self.stage2(self.stage1(x))

    def forward_head(self, x, pre_logits=False):
        x = self.slope * x.mean((2, 3))
        return x if pre_logits else self.head(x)


class SmallWide(Small):
    """A class of its own for a preset."""

    presets: ClassVar = {"wide": {}, "paper": {"slope": 2.0}}

    def __init__(self, num_classes=7, device=None, dtype=None, **changes):
        super().__init__(num_classes, widths=(6, 8), device=device, dtype=dtype, **changes)


class Theirs(nn.Module):
    """Small, as someone else published it."""

    def __init__(self, num_classes=7, widths=(4, 5)):
        super().__init__()
        channels = (3, *widths)
        layers = [
            nn.Sequential(nn.Conv2d(c, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
            for c, o in pairwise(channels)
        ]
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(widths[1], num_classes)
        self.register_buffer("grid", torch.zeros(3))

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


UNCOUNTED = Absent("stage{i}.bn.num_batches_tracked", torch.zeros_like, "old files have no count")
TABLE = (
    Row("features.0.0", "stage1.conv"),
    Row("features.0.1", "stage1.bn"),
    Row("features.1.0", "stage2.conv"),
    Row("features.1.1", "stage2.bn"),
    Row("fc", "head"),
    Drop("grid", "constant"),
    UNCOUNTED,
)
LAID_DOWN = tuple(row for row in TABLE if not isinstance(row, Drop))
SEEN = Preprocessing(crop=6, resize=8, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))


def row(name="zoo/small", preset="narrow", model="Small", table=TABLE, **changes):
    file = name.split("/")[1]
    changes = {"address": f"https://weights.invalid/{file}-0123abcd.pth", "preprocessing": SEEN} | changes
    return Published(name, model, preset, table, **changes)


def random_state(module, seed=0):
    """Every number of a module drawn anew, running variances positive, counts whole."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            tensor.fill_(3)
        elif name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        else:
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return module


def theirs(**arguments):
    return random_state(Theirs(**arguments)).eval()


def same_scores(ours, other, size=12):
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        return torch.allclose(ours(x), other(x), atol=1e-5)
