"""Checks of the parts of a Trainer. Each message says what to write instead."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from groundup.checks import require

LOSSES = ("groundup.functional", "torch.nn.functional", "torch.nn.modules.loss")


def check_parts(model: Any, optimizer: Any, objective: Any, scheduler: Any) -> None:
    """Raise `TypeError` for parts of a wrong type, and `ValueError` for parts that do not belong together."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer must be an optimizer such as Adam(model.parameters(), lr=1e-3), got {type(optimizer).__name__}"
        )
    _check_objective(objective)
    trainable = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    optimized = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    require(
        not trainable or bool(trainable & optimized),
        f"the optimizer holds no parameter of this {type(model).__name__}: was it made for another model? "
        f"Write {type(optimizer).__name__}(model.parameters(), ...) with the model that the Trainer is given",
    )
    require(
        getattr(scheduler, "optimizer", optimizer) is optimizer,
        f"the scheduler was made for another optimizer than the Trainer's {type(optimizer).__name__}: "
        f"write {type(scheduler).__name__}(optimizer, ...) with the same one",
    )


def _check_objective(objective: Any) -> None:
    function = objective
    while isinstance(function, functools.partial):
        function = function.func
    home = getattr(type(function) if isinstance(function, nn.Module) else function, "__module__", None) or ""
    if home.startswith(LOSSES):
        name = "cross_entropy" if isinstance(function, nn.Module) else function.__name__
        raise TypeError(
            "objective must be a function (model, batch) -> (summed loss, number of units), and this is a loss: "
            f"write objective=make_objective({name}), with make_objective from groundup.training"
        )
    if not callable(objective):
        raise TypeError(
            f"objective must be a function (model, batch) -> (summed loss, number of units), got {objective!r}; "
            "for batches (x, y) write make_objective(cross_entropy)"
        )


def check_outcome(outcome: Any) -> tuple[Tensor, int | Tensor]:
    """Return the loss and the count that an objective returned; raise if they are not a scalar and a count."""
    if not isinstance(outcome, (tuple, list)) or len(outcome) != 2 or not isinstance(outcome[0], Tensor):
        raise TypeError(
            "the objective must return (loss summed over the batch, number of samples or tokens), "
            f"got {type(outcome).__name__}; for batches (x, y) make_objective(loss) does"
        )
    loss, count = outcome
    require(loss.dim() == 0, f"the objective must return the loss summed to a scalar, got {tuple(loss.shape)}")
    return loss, count


@contextmanager
def explain_batches_of_one(step: int, epoch: int) -> Iterator[None]:
    """Within the block, replace PyTorch's error for a BatchNorm that gets one sample by one that says what to do."""
    try:
        yield
    except ValueError as error:
        if "value per channel when training" not in str(error):
            raise
        raise ValueError(
            f"step {step} (epoch {epoch}): BatchNorm got a single value per channel, which has no variance: the batch "
            "has one sample. Leave out the last, smaller batch with Loader(..., drop_last=True), or choose another "
            "batch_size"
        ) from error
