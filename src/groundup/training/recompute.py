"""The blocks of a model, and recomputation of their activations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def find_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the outermost members of a ModuleList or a Sequential that have submodules and parameters.

    These are the transformer blocks of GPT2, the stages of ResNet50; LeNet5 has none.
    """
    found: list[nn.Module] = []
    is_container = isinstance(model, (nn.ModuleList, nn.Sequential))
    for child in model.children():
        has_parts, has_weights = any(True for _ in child.children()), any(True for _ in child.parameters())
        if is_container and has_parts and has_weights and not isinstance(child, nn.ModuleList):  # a list has no forward
            found.append(child)
        else:
            found += find_blocks(child)
    return found


def recompute_blocks(model: nn.Module) -> Callable[[], None]:
    """Let every block store only its input and recompute its activations in the backward pass; return the inverse.

    Why: the activations of all layers take more memory than the weights of a deep network. With recomputation only
    those of one block exist at a time, for about a third more computation. Random numbers are drawn again as before,
    so the result does not change. Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost, arXiv:1604.06174.

    Example:
        >>> model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
        >>> undo = recompute_blocks(model)
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> undo()
    """

    def forward_again(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    blocks = find_blocks(model)
    for block in blocks:
        block.forward = partial(forward_again, block.forward)

    def undo() -> None:
        for block in blocks:
            block.__dict__.pop("forward", None)

    return undo
