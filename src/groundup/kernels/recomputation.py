"""Recomputation: intermediate results are computed again in the backward pass instead of kept for it.

Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost, arXiv:1604.06174.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from groundup import checks


def recompute(function: Callable[..., Tensor], *inputs: Tensor, norm: nn.Module) -> Tensor:
    """Return function(*inputs), which the backward pass calls again, so that autograd keeps the inputs alone.

    `function` must give the same result each time; its running statistics, the buffers of `norm`, move only once.
    Where no graph is built, in an exported program, and under `torch.func`, which does not support checkpoints, it is
    called as usual.
    """
    if not torch.is_grad_enabled() or checks.transformed() or torch.compiler.is_exporting():
        return function(*inputs)
    options: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
    if not torch.compiler.is_compiling():  # a compiled program recomputes without moving the statistics again
        options["context_fn"] = partial(_passes, norm)
    result: Tensor = checkpoint(function, *inputs, **options)
    return result


def _passes(norm: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of the first pass and of those that the backward pass makes."""
    return nullcontext(), _KeepStatistics(norm)


class _KeepStatistics(AbstractContextManager[None]):
    """Within, the buffers of `norm` are copies: passes over the same batch do not move its statistics again."""

    def __init__(self, norm: nn.Module) -> None:
        self.norm = norm

    def __enter__(self) -> None:
        self.buffers = dict(self.norm.named_buffers())
        for name, buffer in self.buffers.items():
            setattr(self.norm, name, buffer.clone())

    def __exit__(self, *_: object) -> None:
        for name, buffer in self.buffers.items():
            setattr(self.norm, name, buffer)
