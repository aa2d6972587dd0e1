"""Objectives: functions (model, batch) -> (sum of losses, number of units that it was summed over).

Why sums and not means: sums can be added over batches of unequal size, over sentences with padding, and over
processes; means cannot. The trainer adds the sums and the counts, and divides the gradient once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from groundup.data.text.tokenizers import PAD
from groundup.functional import cross_entropy, linear_cross_entropy

#: objective(model, batch) -> (loss summed over the batch's units, number of units). An attribute `unit`, such as
#: "samples", names the units in the progress bar.
Objective = Callable[[nn.Module, Any], tuple[Tensor, int | Tensor]]


def _takes_reduction(loss: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(loss).parameters.values()
    except ValueError:  # a C++ function has no Python signature
        return True
    return any(p.name == "reduction" or p.kind is p.VAR_KEYWORD for p in parameters)


def make_objective(loss: Callable[..., Tensor]) -> Objective:
    """Return the objective of batches `(x, y)`: `loss(model(x), y, reduction="sum")`, counted in samples.

    Args:
        loss: a function with an argument `reduction`, such as those of `groundup.functional` and
            `torch.nn.functional`.

    Raises `TypeError` for a loss of another form.

    Example:
        >>> import torch
        >>> objective = make_objective(torch.nn.functional.mse_loss)
        >>> objective(nn.Identity(), (torch.ones(3, 2), torch.zeros(3, 2)))
        (tensor(6.), 3)
    """
    if not callable(loss) or isinstance(loss, nn.Module) or not _takes_reduction(loss):
        name = type(loss).__name__ if isinstance(loss, nn.Module) else getattr(loss, "__name__", repr(loss))
        raise TypeError(
            'make_objective takes a function that is called as loss(scores, y, reduction="sum"), such as cross_entropy '
            f"of groundup.functional or of torch.nn.functional, got {name}; for another loss write the objective as a "
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

    objective.unit = "samples"  # type: ignore[attr-defined]
    return objective


def next_token(model: nn.Module, batch: Any) -> tuple[Tensor, int | Tensor]:
    """Objective of language models: -Σ log p(x_t | x_1 … x_{t-1}) over tokens (B, T + 1), except padding.

    `model(tokens)` returns the logits, or (logits, state) as `LangModel` does.
    """
    scores = model(batch[:, :-1])
    logits = scores[0] if isinstance(scores, tuple) else scores
    return _cross_entropy(logits, batch[:, 1:])


def translation(model: nn.Module, batch: Any) -> tuple[Tensor, int | Tensor]:
    """Objective of translators: -Σ log p(y_t | y_1 … y_{t-1}, x) over a `SentenceBatch`, except padding."""
    source, lengths, target = batch
    return _cross_entropy(model(source, target[:, :-1], lengths), target[:, 1:])


def _cross_entropy(logits: Tensor, target: Tensor) -> tuple[Tensor, int | Tensor]:
    total = cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD, reduction="sum")
    return total, (target != PAD).sum()


def language_model(ignore_index: int = -100) -> Objective:
    """Return the objective of language models with a large vocabulary: it never stores all logits.

    Batches are (x, y), tokens of shape (B, T), where y is one token ahead of x. The loss is the sum of -log p(y).

    Args:
        ignore_index: target token that is neither in the loss nor in the count.

    The model takes `model(x, pre_logits=True)` and has `head_weight`.
    """

    def objective(model: nn.Module, batch: Any) -> tuple[Tensor, int | Tensor]:
        x, y = batch
        hidden = model(x, pre_logits=True)
        bare: Any = getattr(model, "module", model)  # without the wrapper of data-parallel training
        total = linear_cross_entropy(hidden, bare.head_weight, y, ignore_index, "sum")
        return total, (y != ignore_index).sum()

    objective.unit = "tokens"  # type: ignore[attr-defined]
    return objective


#: The name of `make_objective` in earlier versions.
supervised = make_objective

next_token.unit = "tokens"  # type: ignore[attr-defined]
translation.unit = "tokens"  # type: ignore[attr-defined]
