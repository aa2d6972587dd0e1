"""The perceptron rule, learning from mistakes only: the loop that the two perceptrons share.

The rule visits one sample after the other, and corrects the weights when they classify it wrongly. Between two mistakes
the weights do not change, so that the next LOOK_AHEAD_SAMPLES samples are classified at once to find the next mistake.
The corrections, and their order, are those of the loop over single samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup import checks
from groundup.models.shallow_models.frame import Fit

LOOK_AHEAD_SAMPLES = 64


@runtime_checkable
class Rule(Protocol):
    """The definition of a mistake, and its correction."""

    weight: Float[Tensor, "K P"]

    def start_epoch(self, order: Int[Tensor, " N"]) -> None:
        """Start an epoch that visits the samples in this order."""

    def find_mistakes(self, start: int, stop: int) -> Bool[Tensor, " samples"]:
        """Return True for each of these samples that the weights classify wrongly."""

    def correct_by(self, sample: int) -> None:
        """Correct the weights by this sample."""


class TwoClassRule:
    """y z ≤ 0 is a mistake; w ← w + y x."""

    def __init__(self, x: Float[Tensor, "N D"], y: Float[Tensor, " N"]) -> None:
        self.all = y[:, None] * torch.cat([x, x.new_ones(len(x), 1)], 1)  # y (x, 1)
        self.weight = x.new_zeros(1, self.all.size(1))

    def start_epoch(self, order: Int[Tensor, " N"]) -> None:
        self.signed = self.all[order]

    def find_mistakes(self, start: int, stop: int) -> Bool[Tensor, " samples"]:
        return self.signed[start:stop] @ self.weight[0] <= 0

    def correct_by(self, sample: int) -> None:
        self.weight += self.signed[sample]


class MulticlassRule:
    """z_c ≥ z_y for a class c ≠ y is a mistake; w_y ← w_y + x and w_c ← w_c - x for the highest such c."""

    def __init__(self, x: Float[Tensor, "N D"], y: Int[Tensor, " N"], num_classes: int) -> None:
        self.all, self.all_y = torch.cat([x, x.new_ones(len(x), 1)], 1), y[:, None]
        self.weight = x.new_zeros(num_classes, self.all.size(1))

    def start_epoch(self, order: Int[Tensor, " N"]) -> None:
        self.x, self.y = self.all[order], self.all_y[order]

    def find_mistakes(self, start: int, stop: int) -> Bool[Tensor, " samples"]:
        z, y = self.x[start:stop] @ self.weight.mT, self.y[start:stop]
        right = z.gather(1, y)[:, 0]
        highest, self.rivals = z.scatter_(1, y, -torch.inf).max(1)
        self.start = start
        return highest >= right

    def correct_by(self, sample: int) -> None:
        self.weight[self.y[sample, 0]] += self.x[sample]
        self.weight[self.rivals[sample - self.start]] -= self.x[sample]


def learn_from_mistakes(
    rule: Rule, orders: Iterator[Int[Tensor, " N"]], max_epochs: int, patience: int, average: bool
) -> Fit:
    """Apply the rule until an epoch passes without a mistake; each epoch visits the samples in the next of `orders`.

    It stops after `max_epochs`, or after `patience` epochs in a row without a new least number of mistakes. With
    `average`, the weights become the mean of those after each sample.
    """
    checks.integer("max_epochs", max_epochs)
    checks.integer("patience", patience)
    weight, total, unchanged, seen = rule.weight, torch.zeros_like(rule.weight), 0, 0
    history: list[float] = []
    best, stale = float("inf"), 0
    while len(history) < max_epochs and stale < patience and best > 0:
        order, mistakes, at = next(orders), 0, 0
        rule.start_epoch(order)
        while at < len(order):
            stop = min(at + LOOK_AHEAD_SAMPLES, len(order))
            found = rule.find_mistakes(at, stop).nonzero()
            right = int(found[0]) if len(found) else stop - at
            unchanged, at = unchanged + right, at + right
            if len(found):
                total.add_(weight, alpha=unchanged)
                rule.correct_by(at)
                mistakes, unchanged, at = mistakes + 1, 1, at + 1
        seen += len(order)
        history.append(float(mistakes))
        best, stale = (mistakes, 0) if mistakes < best else (best, stale + 1)
    if average:
        weight.copy_(total.add_(weight, alpha=unchanged) / seen)
    note = "" if best == 0 else f"no epoch had fewer than {best:.0f} mistakes; the classes may not be separable"
    return Fit(len(history), best == 0, tuple(history), note)


def draw_orders(count: int, shuffle: bool, seed: int, device: torch.device) -> Iterator[Int[Tensor, " N"]]:
    """Yield the order of the samples for each epoch: a new one drawn from `seed`, or always the given one."""
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))
    while True:
        order = torch.randperm(count, generator=generator) if shuffle else torch.arange(count)
        yield order.to(device)
