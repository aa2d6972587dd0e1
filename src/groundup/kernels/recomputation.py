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

#: Smaller activations are kept: their memory is not worth a second pass.
RECOMPUTE_MIN_ELEMENTS = 2**20


def recompute(function: Callable[..., Tensor], *inputs: Tensor, norm: nn.Module) -> Tensor:
    """Return function(*inputs), which the backward pass calls again, so that autograd keeps the inputs alone.

    `function` must give the same result each time; its running statistics, the buffers of `norm`, move only once.
    Where no graph is built, in an exported program, and under `torch.func`, which does not support checkpoints, it is
    called as usual.
    """
    if not torch.is_grad_enabled() or checks.is_transformed() or torch.compiler.is_exporting():
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


class RecomputableModule(nn.Module):
    """A module that, with `recompute = True`, keeps only its inputs in a training step.

    The backward pass runs `forward` a second time, with the same random numbers: about a third more computation, for
    the memory of everything inside. A call with a `cache=` keeps everything, because a second run would fill the cache
    twice.

    Example:
        >>> class Square(RecomputableModule):
        ...     def forward(self, x):
        ...         return x * x
        >>> layer, x = Square(), torch.ones(2, requires_grad=True)
        >>> layer.recompute = True
        >>> layer(x).sum().backward()
        >>> x.grad
        tensor([2., 2.])
    """

    recompute: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.recompute and self.training and kwargs.get("cache") is None:
            return checkpoint(super().__call__, *args, use_reentrant=False, **kwargs)
        return super().__call__(*args, **kwargs)


def apply_recomputed(function: Callable[[Tensor], Tensor], x: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `then(function(x))`; the backward pass recomputes `function(x)`, of which only x is kept.

    `function` acts element by element and keeps its input for its own derivative, as GELU does. Small results are
    kept, and so are those of a compiler or a transform, which decide themselves what to keep.
    """
    y = function(x)
    if not y.requires_grad or torch.compiler.is_compiling() or y.numel() < RECOMPUTE_MIN_ELEMENTS:
        return then(y)
    plain = type(y) is Tensor and not y.is_meta and not torch._C._functorch.is_functorch_wrapped_tensor(y)
    if not plain or torch._C._autograd._top_saved_tensors_default_hooks(False) is not None:  # checkpoint keeps less
        return then(y)
    address = y.data_ptr()

    def pack(saved: Tensor) -> Tensor | torch.Size:
        return saved.shape if saved.data_ptr() == address and saved.is_contiguous() else saved

    def unpack(packed: Tensor | torch.Size) -> Tensor:
        return packed if isinstance(packed, Tensor) else function(x).reshape(packed)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return then(y)
