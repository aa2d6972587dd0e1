"""PyTorch's kernels for images: convolution, padding, pooling and sampling; and the memory layout that suits them.

A convolution runs in oneDNN on a CPU and in cuDNN on a GPU.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup import checks
from groundup.kernels.support import refuses, takes_call

Pair = int | tuple[int, int]
#: An average pooling of an image with so many elements recomputes in place of keeping its input: the memory is worth
#: the longer call.
RECOMPUTE_MIN_ELEMENTS = 2**21
#: Below so many input channels, a strided 1 × 1 convolution on a CPU skips pixels before it multiplies.
STRIDED_MIN_CHANNELS = 16


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    down, across = (stride, stride) if isinstance(stride, int) else stride
    few = x.size(1) < STRIDED_MIN_CHANNELS and x.device.type == "cpu"
    if few and across * down > 1 and weight.shape[2:] == (1, 1) and padding in (0, (0, 0)):
        # A bug of oneDNN (torch 2.13): with few channels, last in memory, on a CPU with AVX2, the backward pass of a
        # strided 1 × 1 kernel writes beyond the end of the gradient. Dropping the skipped pixels first avoids it.
        x, stride = x[:, :, ::down, ::across], 1
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def to_channels_last(x: Tensor) -> Tensor:
    """Return the images x (N, C, H, W), the C values of each pixel next to each other in memory if x is on a CPU.

    oneDNN's vectors hold channels. With images in PyTorch's default layout, where each channel is a plane, every
    convolution would reorder its input and its output. The shape and the values stay the same. Under `torch.func`
    (vmap and its relatives know one layout only) and on other devices x is returned as it is.
    """
    if x.device.type != "cpu" or checks.is_transformed():
        return x
    x = x.contiguous(memory_format=torch.channels_last)
    if x.size(1) == 1:  # one channel has the same bytes in either layout: the strides alone name the layout
        x = x[:, 0, :, :, None].movedim(-1, 1)
    return x


def _refuse_padding(call: Any) -> str | None:
    if call.mode != "zeros" and call.x.dim() not in (3, 4):
        return f'mode "{call.mode}" for {call.x.dim()} axes'
    if call.mode != "zeros" and call.x.numel() == 0:
        return f'mode "{call.mode}" for an empty batch'
    return None


@refuses(_refuse_padding)
def pad2d(x: Tensor, padding: tuple[int, int, int, int], mode: str = "zeros", value: float = 0.0) -> Tensor:
    top, bottom, left, right = padding
    if mode == "zeros":
        return F.pad(x, (left, right, top, bottom), value=value)
    return F.pad(x, (left, right, top, bottom), mode=mode)


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
    is_traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # neither supports functions written in Python
    # is_traced comes first: a comparison with the number of pixels would restrict an exported program to small batches
    if is_traced or x.numel() < RECOMPUTE_MIN_ELEMENTS or not x.requires_grad or not torch.is_grad_enabled():
        return F.avg_pool2d(x, *how)
    pooled: Tensor = _AveragePool.apply(x, *how)
    return pooled


class _AveragePool(torch.autograd.Function):
    """Average pooling that keeps no input: PyTorch's keeps it for a backward pass that reads only the input's shape."""

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
        # int(), because NumPy's integers are accepted too
        sizes = [(int(size),) * 2 if isinstance(size, Integral) else tuple(map(int, size)) for size in sizes]
        # A tensor with the image's shape and layout whose elements are never read. An expanded number has no
        # channels-last layout, so that this case allocates memory.
        if ctx.channels_last:
            shaped = torch.empty(ctx.shape, dtype=g.dtype, device=g.device, memory_format=torch.channels_last)
        else:
            shaped = g.new_empty(()).expand(ctx.shape)
        return torch.ops.aten.avg_pool2d_backward(g, shaped, *sizes, *rest), *[None] * 6

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        return F.avg_pool2d(tangent, *ctx.how)


adaptive_avg_pool2d = F.adaptive_avg_pool2d


def _refuse_grid(call: Any) -> str | None:
    if call.theta.size(0) == 0:
        return "an empty batch"
    return "a size of 1 with align_corners, for which it warns" if call.align_corners and 1 in call.size else None


@refuses(_refuse_grid)
def affine_grid(theta: Tensor, size: tuple[int, int], align_corners: bool = True) -> Tensor:
    wide = torch.promote_types(theta.dtype, torch.float32)  # bfloat16 would round a point to 1/128 of the image
    return F.affine_grid(theta.to(wide), [theta.size(0), 1, *size], align_corners=align_corners).to(theta.dtype)


def grid_sample(x: Tensor, grid: Tensor, align_corners: bool = True) -> Tensor:
    wide = torch.promote_types(x.dtype, torch.float32)
    y = F.grid_sample(x.to(wide), grid.to(wide), "bilinear", "zeros", align_corners=align_corners)
    return y.to(x.dtype)


def resize_bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode="bicubic", align_corners=False)
