"""PyTorch's product of a sparse and a dense matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from groundup.fused.support import refuses


def _refusal(x: Tensor, row: Tensor, col: Tensor, weight: Tensor) -> str | None:
    if weight.requires_grad and torch.is_grad_enabled():
        return "weights that require a gradient: its backward pass would build the dense N × N matrix"
    if x.dtype in (torch.float16, torch.bfloat16) or torch.is_autocast_enabled(x.device.type):
        return f"half precision ({x.dtype}): it does not keep the sums in float32"
    if torch.compiler.is_compiling() or x.is_meta:
        return "tracing: sparse tensors cannot be traced"
    return None


@refuses(_refusal)
def edge_sum(x: Tensor, row: Tensor, col: Tensor, weight: Tensor) -> Tensor:
    size = (x.size(0), x.size(0))
    # The edges come out of a valid adjacency, in order. An unchecked construction has to say so, or it warns.
    matrix = torch.sparse_coo_tensor(
        torch.stack([row, col]), weight.to(x.dtype), size, check_invariants=False, is_coalesced=True
    )
    return torch.sparse.mm(matrix, x)
