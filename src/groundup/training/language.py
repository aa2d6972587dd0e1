"""The objective of language models with large vocabularies, which never holds all logits."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from groundup.functional import linear_cross_entropy
from groundup.training.objective import Objective


def language_model(ignore_index: int = -100) -> Objective:
    """The objective of batches (x, y) of tokens (B, T), y one ahead of x: the sum of -log p(y), counted in tokens.

    The model gives `model(x, pre_logits=True)` and `head_weight`; tokens `ignore_index` in y count for nothing.
    """

    def objective(model: nn.Module, batch: Any) -> tuple[Tensor, int | Tensor]:
        x, y = batch
        hidden = model(x, pre_logits=True)
        bare: Any = getattr(model, "module", model)  # out of the wrapper of data-parallel training
        total = linear_cross_entropy(hidden, bare.head_weight, y, ignore_index, "sum")
        return total, (y != ignore_index).sum()

    objective.unit = "tokens"  # type: ignore[attr-defined]
    return objective
