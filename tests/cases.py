"""Every component's cases. A new component adds rows here; the sweeps do the rest.

A case builds ours and, where there is one, the oracle, which must take our `state_dict` strictly.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from groundup import layers as L
from groundup.models.convolutional_networks import LeNet5
from oracles import LeNet5Oracle, RangePool2d, RangePoolOracle
from parity import seeded_randn


@dataclass(frozen=True)
class Case:
    component: str
    label: str
    build: Callable[[], nn.Module]
    inputs: Callable[..., tuple]  # (batch, dtype) -> arguments; the first has the batch as axis 0
    oracle: Callable[[], nn.Module] | None = None
    modes: tuple = (True, False)  # train, eval
    batches: tuple = (0, 1)  # besides the usual 2
    random: bool = False  # draws random numbers when training: seeded alike on both sides
    differentiable: bool = True  # gradcheck applies
    tolerance: dict = field(default_factory=dict)  # by dtype, where the type's own is too tight

    @property
    def id(self):
        return f"{self.component}[{self.label}]" if self.label else self.component


def image(channels, height=9, width=8):
    return lambda batch=2, dtype=torch.float64: (seeded_randn(batch, channels, height, width, dtype=dtype),)


def shaped(*rest):
    return lambda batch=2, dtype=torch.float64: (seeded_randn(batch, *rest, dtype=dtype),)


def label(**options):
    return ",".join(f"{k}={v}" for k, v in options.items())


def grid(**axes):
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


def both(component, oracle, *arguments, inputs, grid=({},), **rest):
    """Cases whose constructor is the oracle's: the same arguments build both."""
    ours = getattr(L, component)
    return [
        Case(
            component,
            label(**options),
            lambda o=options: ours(*arguments, **o),
            inputs,
            lambda o=options: oracle(*arguments, **o),
            **rest,
        )
        for options in grid
    ]


CASES = [
    *both("Linear", nn.Linear, 5, 7, inputs=shaped(5), grid=grid(bias=(True, False))),
    Case("Linear", "3 axes", lambda: L.Linear(5, 3), shaped(4, 5), lambda: nn.Linear(5, 3)),
    *both("Flatten", nn.Flatten, inputs=shaped(3, 4, 5), grid=[{}, {"start_dim": 2}, {"start_dim": 0, "end_dim": 1}]),
    *both("ReLU", nn.ReLU, inputs=shaped(3, 4)),
    *both("Dropout", nn.Dropout, inputs=shaped(50), random=True, grid=grid(p=(0.0, 0.3, 1.0))),
    *both(
        "BatchNorm1d",
        nn.BatchNorm1d,
        3,
        inputs=shaped(3, 5),
        grid=grid(affine=(True, False), track_running_stats=(True, False), momentum=(0.1, 0.7)),
    ),
    *both("BatchNorm1d", nn.BatchNorm1d, 3, inputs=shaped(3), grid=[{"eps": 1e-2}], batches=(0, 5)),
    *both(
        "BatchNorm2d",
        nn.BatchNorm2d,
        3,
        inputs=image(3),
        grid=[{}, {"eps": 1e-3, "momentum": 0.3}, {"affine": False}, {"track_running_stats": False}],
    ),
    Case("BatchNorm", "2d", lambda: L.BatchNorm(3), image(3), lambda: nn.BatchNorm2d(3)),
    Case("BatchNorm", "3d", lambda: L.BatchNorm(3), shaped(3, 2, 4, 3), lambda: nn.BatchNorm3d(3)),
    Case(
        "BatchNorm",
        "1d",
        lambda: L.BatchNorm(3, momentum=0.4),
        shaped(3),
        lambda: nn.BatchNorm1d(3, momentum=0.4),
        batches=(0, 7),
    ),
    *both(
        "Conv2d",
        nn.Conv2d,
        4,
        6,
        inputs=image(4),
        grid=[
            *[
                {"kernel_size": k, "stride": s, "padding": p, "dilation": d, "groups": g}
                for k, s, p, d, g in itertools.product((3, (1, 2)), (1, (2, 3)), (0, (2, 1)), (1, (2, 1)), (1, 2))
            ],
            *[
                {"kernel_size": k, "padding": p, "dilation": d}
                for k, p, d in itertools.product((3, (4, 2)), ("same", "valid"), (1, 2))
            ],
            *[
                {"kernel_size": 3, "padding": p, "padding_mode": m}
                for p, m in itertools.product(((2, 1), "same"), ("reflect", "replicate", "circular"))
            ],
            {"kernel_size": 3, "bias": False},
        ],
    ),
    *both(
        "Conv2dGroups",
        nn.Conv2d,
        6,
        12,
        inputs=image(6),
        grid=[{"kernel_size": 3, "groups": g, "bias": b} for g, b in itertools.product((1, 2, 3, 6), (True, False))],
    ),
    *both(
        "MaxPool2d",
        nn.MaxPool2d,
        inputs=image(3),
        grid=[
            *grid(
                kernel_size=(2, (3, 2)), stride=(None, (1, 2)), padding=(0, 1), dilation=(1, 2), ceil_mode=(False, True)
            ),
            {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True},
        ],
    ),
    *both(
        "AvgPool2d",
        nn.AvgPool2d,
        inputs=image(3),
        grid=[
            *grid(
                kernel_size=(2, (3, 2)),
                stride=(None, (1, 2)),
                padding=(0, 1),
                ceil_mode=(False, True),
                count_include_pad=(True, False),
            ),
            {"kernel_size": 3, "divisor_override": 5},
        ],
    ),
    *[
        Case(
            "Pool2d",
            label(**options),
            lambda o=options: RangePool2d(**o),
            image(3),
            lambda o=options: RangePoolOracle(**o),
        )
        for options in grid(kernel_size=(2, (3, 2)), stride=(None, 1), padding=(0, 1), dilation=(1, 2))
    ],
    *[
        Case(
            "LeNet5",
            preset,
            lambda p=preset: LeNet5.preset(p),
            shaped(1, 32, 32),
            lambda p=preset: LeNet5Oracle(p),
        )
        for preset in LeNet5.presets
    ],
]
# With a window of one pixel, padding would make windows of padding alone: nn refuses such cases and so do we.
COMPONENTS_WITH_CASES = {case.component for case in CASES}
