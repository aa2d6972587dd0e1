"""The blocks of a model: what is sharded, or computed again, one at a time."""

from __future__ import annotations

from torch import nn


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
