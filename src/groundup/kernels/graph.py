"""PyTorch's product of a sparse and a dense matrix, in compressed rows: ten times as fast as with coordinates."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.kernels.support import refuses


def _refusal(call: Any) -> str | None:
    if call.weight.requires_grad and torch.is_grad_enabled():
        return "weights that require a gradient: its backward pass would build the dense N × N matrix"
    if call.x.dtype in (torch.float16, torch.bfloat16) or torch.is_autocast_enabled(call.x.device.type):
        return f"half precision ({call.x.dtype}): it does not keep the sums in float32"
    if torch.compiler.is_compiling() or call.x.is_meta:
        return "tracing: sparse tensors cannot be traced"
    return None


@refuses(_refusal, by_state=True)
def edge_sum(
    x: Tensor, row: Tensor, col: Tensor, weight: Tensor, size: int | None = None, order: Tensor | None = None
) -> Tensor:
    silence_beta_warning()
    return _EdgeSum.apply(x, row, col, weight.detach().to(x.dtype), x.size(0) if size is None else size, order)


class _EdgeSum(torch.autograd.Function):
    """y = A x; its derivative is Aᵀ g, the same sum with rows and columns exchanged and the edges sorted again.

    (No separate setup_context: with one, PyTorch inspects the signature at every call, which takes as long as the sum
    of a small graph.)
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, row: Tensor, col: Tensor, weight: Tensor, size: int, order: Tensor | None
    ) -> Tensor:
        ctx.nodes, ctx.order = x.size(0), order
        ctx.save_for_backward(row, col, weight)
        start = torch._convert_indices_from_coo_to_csr(row, size)
        return torch.sparse_csr_tensor(start, col, weight, (size, x.size(0)), check_invariants=False) @ x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        row, col, weight = ctx.saved_tensors
        order = sort_indices(col, ctx.nodes) if ctx.order is None else ctx.order
        row, col, weight = (part.index_select(0, order) for part in (row, col, weight))
        return _EdgeSum.apply(grads[0], col, row, weight, ctx.nodes, None), None, None, None, None, None


def sort_indices(numbers: Tensor, size: int) -> Tensor:
    """Return the order that sorts `numbers`, each from 0 to `size` - 1, by radix sort with NumPy's passes of 16 bits:
    O(E).

    PyTorch sorts short tensors by comparisons, which takes nine times as long.
    """
    if numbers.device.type != "cpu":
        return numbers.argsort()
    digits = numbers.numpy()
    order = digits.astype(np.uint16).argsort(kind="stable")
    for shift in range(16, (size - 1).bit_length(), 16):
        order = order[(digits[order] >> shift).astype(np.uint16).argsort(kind="stable")]
    return torch.from_numpy(order)


@cache
def silence_beta_warning() -> None:
    """Trigger, where it is ignored, the warning that PyTorch gives once per process: compressed rows are in beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor([0, 0], [], [], (1, 1), dtype=torch.float32)
