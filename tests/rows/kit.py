"""What a row is: a component's case, a function's case, a bad input; and short ways to write them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from groundup import layers as L
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
    gain: float = 1.0  # deviation of the random parameters: small enough that a deep net does not saturate
    network: bool = False  # of many layers: in bfloat16 held to the oracle's accuracy, not to its digits
