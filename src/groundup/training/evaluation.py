"""Evaluation: scores of a test set, and the metrics of classifiers and language models."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup.functional import accuracy, cross_entropy
from groundup.training.batches import Batches, to_device
from groundup.training.objectives import Objective


@torch.no_grad()
def predict(model: nn.Module, batches: Batches) -> tuple[Float[Tensor, "N classes"], Int[Tensor, " N"]]:
    """Return (scores, labels) of every sample of `batches` of (x, y), on the CPU.

    The model computes in eval mode; its own mode is restored.
    """
    device = next(iter(model.parameters()), torch.empty(0)).device
    training = model.training
    model.eval()
    batches.seek(0)
    try:
        pairs = [(model(to_device(x, device)).float().cpu(), y) for x, y in batches]
    finally:
        model.train(training)
    return torch.cat([scores for scores, _ in pairs]), torch.cat([labels for _, labels in pairs])


def classification(
    batches: Batches, loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy
) -> Callable[[nn.Module], dict[str, float]]:
    """Return a function for the Trainer's `evaluate`: model -> {"accuracy", "loss"} over `batches`.

    Args:
        batches: a loader of (x, y).
        loss: function (scores, labels) -> mean loss.
    """

    def evaluate(model: nn.Module) -> dict[str, float]:
        scores, labels = predict(model, batches)
        return {"accuracy": accuracy(scores, labels), "loss": float(loss(scores, labels))}

    return evaluate


def perplexity(batches: Batches, objective: Objective) -> Callable[[nn.Module], dict[str, float]]:
    """Return a function for the Trainer's `evaluate`: model -> {"loss", "perplexity"} over `batches`.

    The loss is in nats per token, and the perplexity is its exponential: the number of equally likely tokens among
    which the model is as uncertain as among its own.

    Args:
        batches: a loader of the batches that `objective` takes.
        objective: such as `next_token`.
    """

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        batches.seek(0)
        pairs = [objective(model, to_device(batch, device)) for batch in batches]
        loss = float(sum(float(total) for total, _ in pairs)) / float(sum(int(count) for _, count in pairs))
        return {"loss": loss, "perplexity": exp(loss)}

    return evaluate


def count_pairs(train: Any, valid: Any) -> float:
    """Return the loss, in nats per token, of a bigram model: an upper limit for the loss of a useful language model.

    p(b | a) = (count(a, b) + 5 p(b)) / (count(a) + 5) with p(b) = (count(b) + 1) / (tokens + vocabulary), counted in
    `train`. The loss is the mean of -log p over `valid`. Why the 5 p(b): a pair that `train` does not contain would
    have probability 0 and an infinite loss. Jelinek and Mercer 1980: interpolation with single tokens.

    Args:
        train: tokens, as a tensor or array of one axis.
        valid: tokens, likewise.

    Example:
        >>> round(count_pairs([0, 1, 0, 1, 0, 1], [0, 1, 0]), 3)
        0.408
    """
    train, valid = (torch.as_tensor(np.asarray(part, dtype=np.int64)) for part in (train, valid))
    size = int(torch.maximum(train.max(), valid.max())) + 1
    single = (torch.bincount(train, minlength=size) + 1).double()
    seen, counts = torch.unique(train[:-1] * size + train[1:], return_counts=True)
    wanted = valid[:-1] * size + valid[1:]
    place = torch.searchsorted(seen, wanted).clamp(max=len(seen) - 1)
    pairs = torch.where(seen[place] == wanted, counts[place], 0)
    before = torch.bincount(train[:-1], minlength=size)[valid[:-1]]
    p = (pairs + 5 * single[valid[1:]] / single.sum()) / (before + 5)
    return -float(p.log().mean())
