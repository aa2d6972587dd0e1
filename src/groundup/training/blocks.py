"""The blocks of a model: what is sharded, or computed again, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def blocks(model: nn.Module) -> list[nn.Module]:
    """The outermost parts in a ModuleList or a Sequential that are made of parts and have parameters.

    Of GPT2 its transformer blocks, of ResNet50 its stages, of LeNet5, which has none, nothing.
    """
    found: list[nn.Module] = []
    row = isinstance(model, (nn.ModuleList, nn.Sequential))
    for child in model.children():
        parts, weights = any(True for _ in child.children()), any(True for _ in child.parameters())
        if row and parts and weights and not isinstance(child, nn.ModuleList):  # a list is no part: nothing calls it
            found.append(child)
        else:
            found += blocks(child)
    return found


def recompute(model: nn.Module) -> Callable[[], None]:
    """Let every block keep its input alone, and compute its inside again in the backward pass; returns the undoing.

    Chen et al. 2016, arXiv:1604.06174: memory for the inside of one block, for about a third more computation. Random
    numbers are drawn the same again. A model without blocks stays as it is.
    """

    def recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
        def again(*args: Any, **kwargs: Any) -> Any:
            if not torch.is_grad_enabled():
                return forward(*args, **kwargs)
            return checkpoint(forward, *args, use_reentrant=False, **kwargs)

        return again

    changed = blocks(model)
    for block in changed:
        block.forward = recomputed(block.forward)

    def undo() -> None:
        for block in changed:
            block.__dict__.pop("forward", None)

    return undo
