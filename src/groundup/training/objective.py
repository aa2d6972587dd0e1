"""What is minimised: an objective returns a *sum* of losses and the number of units it was summed over.

Sums add up where means do not: over micro-batches of unequal size, over the tokens of padded sentences, over
processes. The trainer adds totals and counts, and divides the gradient once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

#: objective(model, batch) -> (loss summed over the batch's units, number of units)
Objective = Callable[[nn.Module, Any], tuple[Tensor, int | Tensor]]


def _takes_reduction(loss: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(loss).parameters.values()
    except ValueError:  # a function of C++ has no signature that Python sees
        return True
    return any(p.name == "reduction" or p.kind is p.VAR_KEYWORD for p in parameters)


def supervised(loss: Callable[..., Tensor]) -> Objective:
    """The objective of batches `(x, y)`: `loss(model(x), y, reduction="sum")`, counted in samples.

    `loss` is any function of that form: those of `groundup.functional` and of `torch.nn.functional` are. Raises
    `TypeError` for another.
    """
    if not callable(loss) or isinstance(loss, nn.Module) or not _takes_reduction(loss):
        name = type(loss).__name__ if isinstance(loss, nn.Module) else getattr(loss, "__name__", repr(loss))
        raise TypeError(
            'supervised takes a function that is called as loss(scores, y, reduction="sum"), such as cross_entropy of '
            f"groundup.functional or of torch.nn.functional, got {name}; for another loss write the objective as a "
            "function (model, batch) -> (summed loss, number of samples)"
        )

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
