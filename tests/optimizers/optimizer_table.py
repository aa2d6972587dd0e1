"""Every rule beside the `torch.optim` optimizer it equals. A new rule adds a row; the tests do the rest."""

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import torch

import groundup.kernels.optimizers as kernels
from groundup import optimizers as ours
from groundup.backend import backend

BODIES = ("reference", "multi_tensor", "fused")


@dataclass(frozen=True)
class Rule:
    ours: type
    theirs: type
    options: dict  # what both are always given
    grid: tuple  # what both are given in turn
    only_theirs: dict = field(default_factory=dict)  # what makes theirs this rule
    fused: bool = True  # whether PyTorch has a fused step
    sparse: bool = False

    @property
    def name(self):
        return self.ours.__name__

    def pair(self, params, other_params, **extra):
        options = {**self.options, **extra}
        return self.ours(params, **options), self.theirs(other_params, **{**self.only_theirs, **options})


def grid(**axes):
    return tuple(dict(zip(axes, values)) for values in itertools.product(*axes.values()))


DECAYS = (0.0, 0.1)
RULES = (
    Rule(ours.SGD, torch.optim.SGD, {"lr": 0.1}, grid(weight_decay=DECAYS), sparse=True),
    Rule(
        ours.SGD_Momentum,
        torch.optim.SGD,
        {"lr": 0.05},
        grid(momentum=(0.0, 0.9), weight_decay=DECAYS) + grid(momentum=(0.5,), nesterov=(True,), weight_decay=DECAYS),
        only_theirs={"momentum": 0.9},
    ),
    Rule(
        ours.AdaGrad,
        torch.optim.Adagrad,
        {"lr": 0.1},
        grid(eps=(1e-10, 1e-3), weight_decay=DECAYS),
        sparse=True,
    ),
    Rule(
        ours.RMSProp,
        torch.optim.RMSprop,
        {},
        grid(alpha=(0.99, 0.9), momentum=(0.0, 0.9), centered=(False, True), weight_decay=DECAYS),
        fused=False,
    ),
    Rule(
        ours.AdaDelta, torch.optim.Adadelta, {}, grid(lr=(1.0, 0.1), rho=(0.9, 0.95), weight_decay=DECAYS), fused=False
    ),
    Rule(ours.Adam, torch.optim.Adam, {"lr": 0.02}, grid(betas=((0.9, 0.999), (0.0, 0.9)), weight_decay=DECAYS)),
    Rule(
        ours.AdamW,
        torch.optim.AdamW,
        {"lr": 0.02},
        grid(betas=((0.9, 0.999), (0.5, 0.9)), eps=(1e-8, 1e-2)) + grid(weight_decay=DECAYS),
    ),
)
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@contextmanager
def body(name, monkeypatch):
    """Force one of the three bodies."""
    with monkeypatch.context() as patch, backend("reference" if name == "reference" else "fused"):
        patch.setattr(kernels, "_fusible", lambda sharded, *lists: name == "fused")
        yield


def parameters(*shapes, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in shapes]


def copies(params):
    return [torch.nn.Parameter(p.detach().clone(memory_format=torch.preserve_format)) for p in params]


def give_gradients(*lists, step, dtype=None):
    """The same random gradients to every list of parameters; what a loss would give, without one."""
    generator = torch.Generator().manual_seed(1000 + step)
    for row in zip(*lists):
        grad = torch.randn(row[0].shape, generator=generator, dtype=torch.float64)
        for p in row:
            p.grad = grad.to(p.dtype)


def distance(params, others):
    """The largest difference anywhere."""
    return max((p - q).abs().max().item() for p, q in zip(params, others) if p.numel())
