"""Two-dimensional pooling: every window becomes one number.

Why: what an image shows does not depend on the exact position of its parts. A pooled map is smaller, which saves work,
and changes little when the image moves by a pixel.

Legend: N batch, C channels, (H, W) input size, (k, l) kernel, (P, Q) output size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import checked, fused_by
from groundup.functional.precision import widen
from groundup.functional.windows import Pair, pad2d, windows
from groundup.kernels import images as kernels
from groundup.rules import images as rules

Images = Float[Tensor, "N C H W"] | Float[Tensor, "C H W"]
Pooled = Float[Tensor, "*batch C P Q"]
#: (kernel, stride, border, dilation): pairs, and how much is padded at (top, bottom, left, right).
Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], tuple[int, int]]


@checked(rules.pool2d)
def pool2d(
    x: Images,
    reduce: Callable[[Tensor], Tensor],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    fill: float = 0.0,
) -> Pooled:
    """Apply `reduce`, (*N, C, P, Q, k, l) → (*N, C, P, Q), to every window of x.

    Args:
        x: the images, or one image.
        reduce: from windows to numbers.
        kernel_size: of the window, an int or (vertical, horizontal).
        stride: the distance between windows; None is `kernel_size`, so that they touch and do not overlap.
        padding: how much is padded with `fill` at each side, at most half a window.
        dilation: the distance between the pixels of a window.
        ceil_mode: a last window may run over the far edge.
        fill: the value of the padding.

    Example:
        >>> pool2d(torch.arange(4.0).view(1, 2, 2), lambda view: view.amin((-2, -1)), 2)
        tensor([[[0.]]])
    """
    kernel, strides, border, dilations = geometry(x, kernel_size, stride, padding, dilation, ceil_mode)
    return reduce(windows(pad2d(x, border, value=fill), kernel, strides, dilations))


@fused_by(kernels.max_pool2d, rules.pool2d)
def max_pool2d(
    x: Images,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled | tuple[Pooled, Int[Tensor, "*batch C P Q"]]:
    """y[p, q] = max_{i, j} x[s p + d i, s q + d j]: whether a feature is anywhere in the window.

    The gradient goes to the first maximum of each window. The padding is -inf, so that it is never the maximum.

    Args:
        x, kernel_size, stride, padding, dilation, ceil_mode: see `pool2d`.
        return_indices: return (y, indices), the position of each maximum as an index into the flattened H × W plane.

    Example:
        >>> max_pool2d(torch.arange(16.0).view(1, 4, 4), 2)
        tensor([[[ 5.,  7.],
                 [13., 15.]]])
    """
    kernel, strides, border, dilations = geometry(x, kernel_size, stride, padding, dilation, ceil_mode)
    view = windows(pad2d(x, border, value=-torch.inf), kernel, strides, dilations)  # *N, C, P, Q, k, l
    best = view.flatten(-2).max(-1)
    if not return_indices:
        return best.values
    height, width = x.shape[-2:]
    index = torch.arange(height * width, device=x.device).view(height, width)
    indices = windows(pad2d(index, border, value=-1.0), kernel, strides, dilations).flatten(-2)  # P, Q, k·l
    return best.values, indices.expand(*best.indices.shape, -1).gather(-1, best.indices[..., None])[..., 0]


@fused_by(kernels.avg_pool2d, rules.avg_pool2d)
def avg_pool2d(
    x: Images,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: int | tuple[int, int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    dilation: Pair = 1,
) -> Pooled:
    """y[p, q] = (1 / n) Σ_{i, j} x[s p + d i, s q + d j], x padded with zeros, n the number of summands.

    Args:
        x, kernel_size, stride, padding, dilation, ceil_mode: see `pool2d`.
        count_include_pad: n counts the padding too, but never what `ceil_mode` runs over.
        divisor_override: n itself.

    Example:
        >>> avg_pool2d(torch.arange(4.0).view(1, 2, 2), 2)
        tensor([[[1.5000]]])
    """
    kernel, strides, border, dilations = geometry(x, kernel_size, stride, padding, dilation, ceil_mode)
    total = windows(pad2d(x, border), kernel, strides, dilations).sum((-2, -1))
    if divisor_override is not None:
        return total / divisor_override
    vertical, horizontal = checks.pair("padding", padding, 0) if count_include_pad else (0, 0)
    inside = x.new_ones(x.size(-2) + 2 * vertical, x.size(-1) + 2 * horizontal)
    rest = (border[0] - vertical, border[1] - vertical, border[2] - horizontal, border[3] - horizontal)
    return total / windows(pad2d(inside, rest), kernel, strides, dilations).sum((-2, -1))


def geometry(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None,
    padding: int | tuple[int, int],
    dilation: Pair,
    ceil_mode: bool,
) -> Geometry:
    """Return (kernel, stride, border, dilation); the far border includes what `ceil_mode` runs over."""
    kernel, pads = checks.pair("kernel_size", kernel_size), checks.pair("padding", padding, 0)
    strides = kernel if stride is None else checks.pair("stride", stride)
    dilations = checks.pair("dilation", dilation)
    border = []
    for axis in (0, 1):
        size, k, s, p, d = x.size(axis - 2), kernel[axis], strides[axis], pads[axis], dilations[axis]
        last = (rules.output_size(size, k, s, p, d, ceil_mode) - 1) * s + d * (k - 1) + 1
        border += [p, max(p, last - size - p)]
    return kernel, strides, (border[0], border[1], border[2], border[3]), dilations


@fused_by(kernels.adaptive_avg_pool2d, rules.adaptive_avg_pool2d)
def adaptive_avg_pool2d(x: Images, output_size: Pair) -> Pooled:
    """The mean of each of P × Q equal parts of the image, (P, Q) = `output_size`, whatever H and W are.

    Part p of P has the rows from ⌊p H / P⌋ up to, not including, ⌈(p + 1) H / P⌉: parts share a row where P does not
    divide H. A size of 1 averages the whole image; a size of H leaves it as it is.

    Why: the linear layers after it need a fixed size, and images have any.

    Args:
        x: the images, or one image.
        output_size: (P, Q), or an int for both.

    Example:
        >>> adaptive_avg_pool2d(torch.arange(9.0).view(1, 3, 3), 1)
        tensor([[[4.]]])
    """
    rows, columns = checks.pair("output_size", output_size)
    wide = widen(x)
    over_rows, over_columns = averaging_matrix(wide, -2, rows), averaging_matrix(wide, -1, columns)
    means = torch.einsum("ph,...hw,qw->...pq", over_rows, wide, over_columns)
    return means.to(x.dtype)


def averaging_matrix(x: Tensor, axis: int, parts: int) -> Float[Tensor, "parts size"]:
    """Return the matrix whose row p holds 1 / n at each of the n positions that part p averages, and 0 elsewhere."""
    size = x.size(axis)
    part, position = torch.arange(parts, device=x.device)[:, None], torch.arange(size, device=x.device)
    inside = ((part * size // parts <= position) & (position * parts < (part + 1) * size)).to(x.dtype)
    return inside / inside.sum(1, keepdim=True)
