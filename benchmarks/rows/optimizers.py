"""Steps of optimizers against `torch.optim`, as it comes and with fused=True, over the parameters of real networks."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import torch

from benchmarks.harness import Row
from rows.units import Step, Unit

Shapes = list[tuple[int, ...]]

LENET5: Shapes = [
    *((6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 16, 5, 5), (120,)),
    *((84, 120), (84,), (10, 84), (10,)),
]


def resnet50() -> Iterator[tuple[int, ...]]:
    """The parameters of ResNet-50 (He et al. 2016, table 1), each convolution followed by its batch norm's two."""

    def convolution(inputs: int, outputs: int, kernel: int) -> Shapes:
        return [(outputs, inputs, kernel, kernel), (outputs,), (outputs,)]

    yield from convolution(3, 64, 7)
    inputs = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            yield from convolution(inputs, width, 1)
            yield from convolution(width, width, 3)
            yield from convolution(width, 4 * width, 1)
            if block == 0:
                yield from convolution(inputs, 4 * width, 1)
            inputs = 4 * width
    yield from ((1000, 2048), (1000,))


def gpt2(layers: int = 12, d: int = 768, vocabulary: int = 50257, context: int = 1024) -> Iterator[tuple[int, ...]]:
    """The parameters of GPT-2 small (Radford et al. 2019), its output tied to its embedding."""
    yield from ((vocabulary, d), (context, d))
    for _ in range(layers):
        for inputs, outputs in ((d, 3 * d), (d, d), (d, 4 * d), (4 * d, d)):
            yield from ((outputs, inputs), (outputs,))
        yield from [(d,)] * 4
    yield from [(d,)] * 2


NETWORKS = {"LeNet-5": LENET5, "ResNet-50": list(resnet50()), "GPT-2 small": list(gpt2())}
NOT_COMPILED = {
    "ResNet-50": "one graph of 161 tensors takes minutes to compile",
    "GPT-2 small": "one graph of 148 tensors takes minutes to compile",
}


def step(name: str, peer: str, network: str, fused: bool, **options: Any) -> Row:
    """A step of `groundup.optimizers.<name>` against `torch.optim.<peer>`'s."""
    shapes = NETWORKS[network]

    def ours() -> Unit:
        from groundup import optimizers

        return Step(lambda parameters: getattr(optimizers, name)(parameters, **options), shapes)

    def theirs() -> Unit:
        extra = {"fused": True} if fused else {}
        return Step(lambda parameters: getattr(torch.optim, peer)(parameters, **options, **extra), shapes)

    return Row(
        "optimizer",
        name,
        size=f"{network}: {len(shapes)} tensors, {sum(map(prod, shapes)):,} numbers",
        work="step",
        against=f"optim.{peer}" + ("(fused=True)" if fused else ""),
        ours=ours,
        peer=theirs,
        not_compiled=NOT_COMPILED.get(network, ""),
    )


# ours, PyTorch's, options, whether PyTorch has it fused on a CPU
RULES: list[tuple[str, str, dict[str, Any], bool]] = [
    ("SGD", "SGD", {"lr": 0.01}, True),
    ("SGD_Momentum", "SGD", {"lr": 0.01, "momentum": 0.9}, True),
    ("AdaGrad", "Adagrad", {"lr": 0.01, "eps": 1e-10}, True),
    ("RMSProp", "RMSprop", {"lr": 0.01, "alpha": 0.99, "eps": 1e-8}, False),
    ("AdaDelta", "Adadelta", {"lr": 1.0, "rho": 0.9, "eps": 1e-6}, False),
    ("Adam", "Adam", {"lr": 1e-3}, True),
    ("AdamW", "AdamW", {"lr": 1e-3, "weight_decay": 0.01}, True),
]
EVERYWHERE = ("SGD", "SGD_Momentum", "Adam", "AdamW")

ROWS = [
    step(name, peer, network, fused, **options)
    for name, peer, options, has_fused in RULES
    for network in NETWORKS
    for fused in ((False, True) if has_fused else (False,))
    if name in EVERYWHERE or network == "GPT-2 small"
]
