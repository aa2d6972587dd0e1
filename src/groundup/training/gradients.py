"""Gradients as one long vector: its norm, and clipping it (Pascanu, Mikolov and Bengio 2013, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.checks import require


def gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The gradients that exist."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def clip_by_global_norm(parameters: Iterable[Tensor], max_norm: float | None = None) -> Float[Tensor, ""]:
    """‖g‖ over all gradients g together; in place, g ← g · min(1, max_norm / ‖g‖).

    Without `max_norm` it only measures. The norm returned is the one before clipping, in float32 or wider, and stays
    on the device. As in PyTorch, 1e-6 is added to the divisor. Raises `ValueError` for a `max_norm` that is not > 0.
    """
    require(max_norm is None or max_norm > 0, f"max_norm must be positive or None, got {max_norm}")
    grads = gradients(parameters)
    if not grads:
        return torch.zeros(())
    dtype = reduce(torch.promote_types, (grad.dtype for grad in grads), torch.float32)
    norms = [norm.to(grads[0].device, dtype) for norm in torch._foreach_norm(grads, 2, dtype)]
    total = torch.linalg.vector_norm(torch.stack(norms))
    if max_norm is not None:
        # No `if` on the value, which would wait for the device; a non-finite norm makes the gradients non-finite.
        scale = (max_norm / (total + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(scale.to(grad.device))
    return total
