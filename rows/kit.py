"""The rows of the tests: cases of components and functions, bad inputs; and short ways to write them."""

import builtins
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from groundup import layers as L


def seeded_randn(*shape, dtype=torch.float64, seed=2):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def as_list(outputs):
    """The tensors of a result, including those of nested tuples."""
    return [o for part in outputs for o in as_list(part)] if isinstance(outputs, (tuple, list)) else [outputs]


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
    deep: bool = False  # has so many layers that it is compiled in one mode, without autograd's graph
    transfer: Callable[[dict], dict] = dict  # our state or gradients, by name -> the oracle's, where names differ

    @property
    def id(self):
        return f"{self.component}[{self.label}]" if self.label else self.component


def image(channels, height=9, width=8):
    return lambda batch=2, dtype=torch.float64: (seeded_randn(batch, channels, height, width, dtype=dtype),)


def draw(*rest):
    return lambda batch=2, dtype=torch.float64: (seeded_randn(batch, *rest, dtype=dtype),)


def draw_each(*shapes):
    """Inputs of several shapes, each without its batch axis."""
    return lambda batch=2, dtype=torch.float64: tuple(
        seeded_randn(batch, *shape, dtype=dtype, seed=2 + i) for i, shape in enumerate(shapes)
    )


def label(**options):
    return ",".join(f"{k}={v}" for k, v in options.items())


def grid(**axes):
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


def both(component, oracle, *arguments, inputs, grid=({},), **rest):
    """Cases of a layer whose oracle is built with the same arguments."""
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


@dataclass(frozen=True)
class FunctionCase:
    function: Callable
    make: Callable  # dtype -> (args, kwargs), fresh each time
    oracle: Callable | None = None  # the same call on PyTorch
    label: str = ""
    smooth: bool = True  # gradcheck applies (no kinks at the sampled points)
    constants: tuple = ()  # positions of arguments that take no gradient

    @property
    def id(self):
        return f"{self.function.__name__}[{self.label}]" if self.label else self.function.__name__


def randn(*shape, seed=2):
    return lambda dtype: seeded_randn(*shape, dtype=dtype, seed=seed)


def simple(function, oracle, *makers, label="", smooth=True, constants=(), **kwargs):
    def make(dtype):
        arguments = [m(dtype) if callable(m) else m for m in makers]
        return arguments, {k: v(dtype) if callable(v) else v for k, v in kwargs.items()}

    label = label or ",".join(f"{k}={v}" for k, v in kwargs.items() if not callable(v))
    return FunctionCase(function, make, oracle, label, smooth, constants)


def positive(*shape):
    return lambda dtype: seeded_randn(*shape, dtype=dtype, seed=5).abs() + 0.1


def bad_inputs(**calls):
    """Rows of component=[(call, message), ...], where a message is what Python prints, or a part of it.

    "TypeError: x must be" for a TypeError; without the name of an error, a ValueError.
    """
    rows = []
    for component, pairs in calls.items():
        for call, message in pairs:
            name, words = re.fullmatch(r"(?:(\w+Error): )?(.*)", message, re.DOTALL).groups()
            rows.append((component, call, getattr(builtins, name or "ValueError"), words))
    return rows
