"""PyTorch's pooling kernels."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import refuses, takes_call

RECOMPUTE_MIN_ELEMENTS = 2**21  # of an image; from here on, not keeping it for the backward pass is worth a longer call


@takes_call
def max_pool2d(call: Any) -> Tensor | tuple[Tensor, Tensor]:
    pool: Any = F.max_pool2d_with_indices if call.return_indices else torch.max_pool2d
    pooled: Tensor | tuple[Tensor, Tensor] = pool(
        call.x, call.kernel_size, call.stride or (), call.padding, call.dilation, call.ceil_mode
    )
    return pooled


@refuses(lambda call: None if call.dilation in (1, (1, 1)) else f"dilation={call.dilation}")
@takes_call
def avg_pool2d(call: Any) -> Tensor:
    x, *how, _ = call
    captured = torch.compiler.is_compiling() or torch.jit.is_tracing()  # neither takes a function written in Python
    # asked first: a comparison with the number of pixels would bind an exported program to smaller batches
    if captured or x.numel() < RECOMPUTE_MIN_ELEMENTS or not x.requires_grad or not torch.is_grad_enabled():
        return F.avg_pool2d(x, *how)
    pooled: Tensor = _AveragePool.apply(x, *how)
    return pooled


class _AveragePool(torch.autograd.Function):
    """PyTorch's own keeps its input for the backward pass, which asks for nothing but the input's shape."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, *how: Any) -> Tensor:
        return F.avg_pool2d(x, *how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.how = inputs
        ctx.shape, ctx.channels_last = x.shape, x.dim() == 4 and x.stride(1) == 1

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        kernel, stride, padding, *rest = ctx.how
        sizes = [kernel, kernel if stride is None else stride, padding]
        sizes = [
            (int(size),) * 2 if isinstance(size, Integral) else tuple(map(int, size)) for size in sizes
        ]  # or numpy's
        # Something of the image's shape and layout, never read; channels last, one number cannot pass for it.
        if ctx.channels_last:
            shaped = torch.empty(ctx.shape, dtype=g.dtype, device=g.device, memory_format=torch.channels_last)
        else:
            shaped = g.new_empty(()).expand(ctx.shape)
        return torch.ops.aten.avg_pool2d_backward(g, shaped, *sizes, *rest), *[None] * 6

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        return F.avg_pool2d(tangent, *ctx.how)


adaptive_avg_pool2d = F.adaptive_avg_pool2d
