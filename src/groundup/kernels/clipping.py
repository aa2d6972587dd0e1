"""Gradient clipping on PyTorch's multi-tensor kernels."""

from __future__ import annotations

import torch
from torch import Tensor

Tensors = list[Tensor]


def _by_device_and_dtype(tensors: Tensors) -> list[Tensors]:
    """Multi-tensor kernels take tensors of one device and one dtype at a time."""
    groups: dict[tuple[torch.device, torch.dtype], Tensors] = {}
    for tensor in tensors:
        groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return list(groups.values())


def scale_to_global_norm_(tensors: Tensors, max_norm: float) -> Tensor:
    """Norms in one multi-tensor call a dtype; the scale stays on the device, so nothing waits for it."""
    home, norms = tensors[0].device, []
    groups = _by_device_and_dtype(tensors)
    for group in groups:
        wide = torch.promote_types(group[0].dtype, torch.float32)
        norms += [norm.to(home) for norm in torch._foreach_norm(group, 2, dtype=wide)]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    if max_norm == torch.inf:
        return norm
    scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for group in groups:
        torch._foreach_mul_(group, scale.to(group[0].device))
    return norm


def clamp_(tensors: Tensors, limit: float) -> None:
    """Clamp every tensor to [-limit, limit]."""
    for group in _by_device_and_dtype(tensors):
        torch._foreach_clamp_min_(group, -limit)
        torch._foreach_clamp_max_(group, limit)
