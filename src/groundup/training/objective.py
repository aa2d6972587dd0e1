"""What is minimised: an objective returns a *sum* of losses and the number of units it was summed over.

Sums add up where means do not: over micro-batches of unequal size, over the tokens of padded sentences, over
processes. The trainer adds totals and counts, and divides the gradient once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

#: objective(model, batch) -> (loss summed over the batch's units, number of units)
Objective = Callable[[nn.Module, Any], tuple[Tensor, int | Tensor]]


def supervised(loss: Callable[..., Tensor]) -> Objective:
    """The objective of batches `(x, y)`: `loss(model(x), y, reduction="sum")`, counted in samples.

    `loss` is any function of that form: those of `groundup.functional` and of `torch.nn.functional` are.
    """

    def objective(model: nn.Module, batch: Any) -> tuple[Tensor, int | Tensor]:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise TypeError(
                f"a supervised objective takes batches (x, y), got {type(batch).__name__}; "
                "for other batches write the objective as a function (model, batch) -> (total, count)"
            )
        x, y = batch
        return loss(model(x), y, reduction="sum"), len(y)

    objective.unit = "samples"  # type: ignore[attr-defined]  # what the progress bar counts
    return objective
