"""Rows: the update rules next to the `torch.optim` optimizer each equals, and their steps over real networks."""

from dataclasses import dataclass, field
from functools import partial
from math import prod

import torch

from groundup import optimizers as ours
from groundup.models.convolutional_networks import LeNet5
from groundup.models.residual_networks import ResNet50
from rows.benchmark import Benchmark
from rows.kit import grid
from rows.units import Step


@dataclass(frozen=True)
class Rule:
    ours: type
    theirs: type
    options: dict  # given to both, always
    grid: list  # given to both in turn
    measured: dict  # given to both in benchmarks
    only_theirs: dict = field(default_factory=dict)  # options that make theirs this rule
    fused: bool = True  # PyTorch has a fused step
    sparse: bool = False

    @property
    def name(self):
        return self.ours.__name__

    def pair(self, params, other_params, **extra):
        options = {**self.options, **extra}
        return self.ours(params, **options), self.theirs(other_params, **{**self.only_theirs, **options})


DECAYS = (0.0, 0.1)
RULES = (
    Rule(ours.SGD, torch.optim.SGD, {"lr": 0.1}, grid(weight_decay=DECAYS), {"lr": 0.01}, sparse=True),
    Rule(
        *(ours.SGD_Momentum, torch.optim.SGD, {"lr": 0.05}),
        grid(momentum=(0.0, 0.9), weight_decay=DECAYS) + grid(momentum=(0.5,), nesterov=(True,), weight_decay=DECAYS),
        {"lr": 0.01, "momentum": 0.9},
        only_theirs={"momentum": 0.9},
    ),
    Rule(
        *(ours.AdaGrad, torch.optim.Adagrad, {"lr": 0.1}, grid(eps=(1e-10, 1e-3), weight_decay=DECAYS)),
        {"lr": 0.01, "eps": 1e-10},
        sparse=True,
    ),
    Rule(
        *(ours.RMSProp, torch.optim.RMSprop, {}),
        grid(alpha=(0.99, 0.9), momentum=(0.0, 0.9), centered=(False, True), weight_decay=DECAYS),
        {"lr": 0.01, "alpha": 0.99, "eps": 1e-8},
        fused=False,
    ),
    Rule(
        *(ours.AdaDelta, torch.optim.Adadelta, {}, grid(lr=(1.0, 0.1), rho=(0.9, 0.95), weight_decay=DECAYS)),
        {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
        fused=False,
    ),
    Rule(
        *(ours.Adam, torch.optim.Adam, {"lr": 0.02}, grid(betas=((0.9, 0.999), (0.0, 0.9)), weight_decay=DECAYS)),
        {"lr": 1e-3},
    ),
    Rule(
        *(ours.AdamW, torch.optim.AdamW, {"lr": 0.02}),
        grid(betas=((0.9, 0.999), (0.5, 0.9)), eps=(1e-8, 1e-2)) + grid(weight_decay=DECAYS),
        {"lr": 1e-3, "weight_decay": 0.01},
    ),
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------


def shapes_of(build):
    with torch.device("meta"):
        return [tuple(parameter.shape) for parameter in build().parameters()]


def gpt2(layers=12, d=768, vocabulary=50257, context=1024):
    """The parameters of GPT-2 small (Radford et al. 2019), q, k and v in one, the output tied to the embedding."""
    yield from ((vocabulary, d), (context, d))
    for _ in range(layers):
        for inputs, outputs in ((d, 3 * d), (d, d), (d, 4 * d), (4 * d, d)):
            yield from ((outputs, inputs), (outputs,))
        yield from [(d,)] * 4
    yield from [(d,)] * 2


NETWORKS = {
    "LeNet-5": shapes_of(lambda: LeNet5.preset("simplified")),
    "ResNet-50": shapes_of(ResNet50),
    "GPT-2 small": list(gpt2()),
}
NOT_COMPILED = {
    "ResNet-50": "one graph of 161 tensors takes minutes to compile",
    "GPT-2 small": "one graph of 148 tensors takes minutes to compile",
}


def step(rule, network, fused, **options):
    """A step of a rule against `torch.optim`'s; `fused` asks the peer for its fused step."""
    shapes, theirs = NETWORKS[network], {"fused": True} if fused else {}
    return Benchmark(
        *("optimizer", rule.name, f"{network}: {len(shapes)} tensors, {sum(map(prod, shapes)):,} numbers", "step"),
        f"optim.{rule.theirs.__name__}" + "(fused=True)" * fused,
        lambda: Step(partial(rule.ours, **options), shapes),
        lambda: Step(partial(rule.theirs, **options, **theirs), shapes),
        not_compiled=NOT_COMPILED.get(network, ""),
    )


#: Rules that are measured on every network; the others on the largest alone.
EVERYWHERE = ("SGD", "SGD_Momentum", "Adam", "AdamW")
BENCHMARKS = [
    step(rule, network, fused, **rule.measured)
    for rule in RULES
    for network in NETWORKS
    for fused in ((False, True) if rule.fused else (False,))
    if rule.name in EVERYWHERE or network == "GPT-2 small"
]
