"""Steps of optimizers against `torch.optim`, as it comes and with fused=True, over the parameters of real networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import torch

from benchmarks.harness import Row
from benchmarks.units import Step, Unit

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


NETWORKS = {"LeNet-5": LENET5, "ResNet-50": list(resnet50())}


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
        not_compiled="one graph of 161 tensors takes minutes to compile" if network == "ResNet-50" else "",
    )


RULES: list[Callable[[str, bool], Row]] = [
    lambda network, fused: step("SGD", "SGD", network, fused, lr=0.01),
    lambda network, fused: step("SGD_Momentum", "SGD", network, fused, lr=0.01, momentum=0.9),
    lambda network, fused: step("Adam", "Adam", network, fused, lr=1e-3),
    lambda network, fused: step("AdamW", "AdamW", network, fused, lr=1e-3, weight_decay=0.01),
]

ROWS = [rule(network, fused) for rule in RULES for network in NETWORKS for fused in (False, True)]
