"""Evaluation of a classifier: every score of a test set, and what a person wants to know of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup.functional import accuracy, cross_entropy
from groundup.training.batches import Batches, to_device


@torch.no_grad()
def predict(model: nn.Module, batches: Batches) -> tuple[Float[Tensor, "N classes"], Int[Tensor, " N"]]:
    """(scores, labels) of every sample of one pass over `batches` of (x, y), on the CPU; the model's mode is kept."""
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
    """`evaluate` for the Trainer: the accuracy and the mean of `loss(scores, labels)` over `batches`."""

    def evaluate(model: nn.Module) -> dict[str, float]:
        scores, labels = predict(model, batches)
        return {"accuracy": accuracy(scores, labels), "loss": float(loss(scores, labels))}

    return evaluate
