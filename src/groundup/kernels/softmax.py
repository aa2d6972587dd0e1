"""PyTorch's softmax kernels, made safe where a whole slice is masked."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan

import torch
from torch import Tensor

from groundup import checks


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else torch.where(mask, x, -torch.inf)


def _safe(kernel: Callable[[Tensor, int], Tensor], x: Tensor, dim: int, empty_value: float) -> Tensor:
    """`kernel`, but `empty_value` with no gradient in slices that are all -inf, where it gives NaN.

    Such a slice begins with -inf, and with NaN in y. Where that can be read cheaply, the common case pays nothing more.
    (x is looked at before the kernel: after it, it lies in the caches of all the cores that read it.)
    """
    if checks.readable(x) and x.numel() > 0 and x.dim() > 0:
        begun = x.detach().select(dim, 0).amin().item() > -torch.inf
        y = kernel(x, dim)
        if begun or not isnan(y.detach().select(dim, 0).sum()):
            return y
    empty = x.detach().amax(dim, keepdim=True) == -torch.inf
    return kernel(torch.where(empty, 0, x), dim).masked_fill(empty, empty_value)


def softmax(x: Tensor, dim: int = -1, mask: Tensor | None = None) -> Tensor:
    return _safe(torch.softmax, _masked(x, mask), dim, 0.0)


def log_softmax(x: Tensor, dim: int = -1, mask: Tensor | None = None) -> Tensor:
    return _safe(torch.log_softmax, _masked(x, mask), dim, -torch.inf)


def logsumexp(x: Tensor, dim: int = -1, mask: Tensor | None = None) -> Tensor:
    return torch.logsumexp(_masked(x, mask), dim)
