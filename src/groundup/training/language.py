"""Objectives and evaluation of language models: the loss of the next token, without ever holding all logits."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Any

import torch
from torch import Tensor, nn

from groundup.functional import linear_cross_entropy
from groundup.training.batches import Batches, to_device
from groundup.training.objective import Objective


def next_token(ignore_index: int = -100) -> Objective:
    """The objective of batches (x, y) of tokens, y one ahead of x: the sum of -log p(y), counted in tokens.

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


def token_loss(batches: Batches, ignore_index: int = -100) -> Callable[[nn.Module], dict[str, float]]:
    """`evaluate` for the Trainer: the mean loss of a token over `batches`, in nats, and its perplexity."""
    objective = next_token(ignore_index)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        batches.seek(0)
        total, count = 0.0, 0
        for batch in batches:
            loss, tokens = objective(model, to_device(batch, device))
            total, count = total + float(loss), count + int(tokens)
        loss_a_token = total / count
        return {"loss": loss_a_token, "perplexity": exp(min(loss_a_token, 700.0))}

    return evaluate
