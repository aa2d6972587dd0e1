"""PyTorch's affine map: one matrix product with the bias added in its epilogue.

On a CPU a large one goes to oneDNN, as PyTorch's convolutions do, and not to MKL, as its `linear` does in float32: on
AMD's processors that takes half the time for one row, and nine tenths for a thousand. Between them, from two rows to
some dozens, MKL is ahead by a third, unless the weights are laid out for oneDNN ahead of time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

from groundup import checks
from groundup.kernels.packed import laid_out

# oneDNN takes longer to call: it is worth it from so many multiply-adds on, or for one row and a matrix of so many
# numbers that they have to be fetched from memory; and where a graph is kept, which takes time too, from more.
MANY, LARGE, MANY_MORE = 2**25, 2**18, 2**27


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if torch.compiler.is_compiling():
        return F.linear(x, weight, bias)
    copy = laid_out(x, weight)
    work = x.numel() * weight.size(0)
    worth = work >= MANY or (weight.numel() >= LARGE and x.numel() == weight.size(1)) or copy is not None
    if not worth or not _for_onednn(x, weight, bias):
        return F.linear(x, weight, bias)
    if copy is not None:
        return _product(x, copy, bias)
    if not (torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias))):
        return _product(x, weight, bias)
    return _Linear.apply(x, weight, bias) if work >= MANY_MORE else F.linear(x, weight, bias)


def _for_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether oneDNN may have it: plain matrices of float32 on a CPU, and nobody who traces or transforms the call."""
    return (
        x.dtype == weight.dtype == torch.float32
        and x.numel() > 0
        and (bias is None or (bias.dtype == torch.float32 and checks.readable(bias)))
        and (weight.is_contiguous() or weight.mT.is_contiguous())
        and checks.readable(x)
        and checks.readable(weight)
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and torch.backends.mkldnn.is_available()
        and forward_ad._current_level < 0
        and bool(torch.backends.mkldnn.enabled)
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b by oneDNN, which PyTorch offers to its compiler alone, without a derivative."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


class _Linear(torch.autograd.Function):
    """∂x = g W, ∂W = gᵀ x, ∂b = Σ g. (Without a setup_context apart, which costs an inspection at every call.)"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        g = grads[0]
        twice = torch.is_grad_enabled()  # a second derivative: by autograd
        rows = g.reshape(-1, g.size(-1))
        x_grad = None if not ctx.needs_input_grad[0] else g @ weight if twice else _product(g, weight.mT)
        # A sum over many rows, where MKL is as fast.
        weight_grad = rows.mT @ x.reshape(-1, x.size(-1)) if ctx.needs_input_grad[1] else None
        return x_grad, weight_grad, rows.sum(0) if ctx.needs_input_grad[2] else None
