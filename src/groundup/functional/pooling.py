"""Two-dimensional pooling: every window becomes one number.

Legend: N batch, C channels, (H, W) input size, (k, l) kernel, (P, Q) output size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.windows import output_size, pad2d, windows
from groundup.kernels import pooling as kernels

Pair = int | tuple[int, int]


def _geometry(
    x: Tensor, kernel_size: Pair, stride: Pair | None, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], tuple[int, int]]:
    """(kernel, stride, border, dilation) as pairs; the far border includes what `ceil_mode` runs over."""
    kernel, pads = checks.pair("kernel_size", kernel_size), checks.pair("padding", padding, 0)
    strides = kernel if stride is None else checks.pair("stride", stride)
    dilations = checks.pair("dilation", dilation)
    border = []
    for axis in (0, 1):
        size, k, s, p, d = x.size(axis - 2), kernel[axis], strides[axis], pads[axis], dilations[axis]
        last = (output_size(size, k, s, p, d, ceil_mode) - 1) * s + d * (k - 1) + 1
        border += [p, max(p, last - size - p)]
    return kernel, strides, (border[0], border[1], border[2], border[3]), dilations


def check_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> None:
    """Raise for an input that no window fits, or padding that would make a window of padding alone."""
    checks.floating("x", x)
    checks.rank("x", x, 3, 4, layout="(N, C, H, W) or (C, H, W)")
    kernel, pads = checks.pair("kernel_size", kernel_size), checks.pair("padding", padding, 0)
    strides = kernel if stride is None else checks.pair("stride", stride)
    dilations = checks.pair("dilation", dilation)
    for axis, name in ((0, "height"), (1, "width")):
        size, k, p, d = x.size(axis - 2), kernel[axis], pads[axis], dilations[axis]
        reach = d * (k - 1) + 1
        checks.require(2 * p <= reach, f"padding must be at most half the window's reach {reach}, got {padding}")
        if output_size(size, k, strides[axis], p, d, ceil_mode) < 1:
            raise ValueError(
                f"x's {name} {size} (+ 2 × {p} padding) is smaller than the window's reach {reach}: "
                "use a larger image or a smaller kernel_size"
            )


def pool2d(
    x: Float[Tensor, "*N C H W"],
    reduce: Callable[[Tensor], Tensor],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    fill: float = 0.0,
) -> Float[Tensor, "*N C P Q"]:
    """Apply `reduce`, (*N, C, P, Q, k, l) → (*N, C, P, Q), to every window of x padded with `fill`.

    `stride` is `kernel_size` unless given: windows then touch and do not overlap.
    """
    check_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)
    kernel, strides, border, dilations = _geometry(x, kernel_size, stride, padding, dilation, ceil_mode)
    return reduce(windows(pad2d(x, border, value=fill), kernel, strides, dilations))


def _check_max(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> None:
    check_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)


@fused_by(kernels.max_pool2d, check=_check_max)
def max_pool2d(
    x: Float[Tensor, "*N C H W"],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Float[Tensor, "*N C P Q"] | tuple[Float[Tensor, "*N C P Q"], Int[Tensor, "*N C P Q"]]:
    """y[p, q] = max_{i, j} x[s p + d i, s q + d j]: the gradient goes to the first maximum of each window.

    The border is -inf, so that it never wins. With `return_indices`, also where each maximum stood, as an index
    into the flattened H × W plane.
    """
    kernel, strides, border, dilations = _geometry(x, kernel_size, stride, padding, dilation, ceil_mode)
    view = windows(pad2d(x, border, value=-torch.inf), kernel, strides, dilations)  # *N, C, P, Q, k, l
    best = view.flatten(-2).max(-1)
    if not return_indices:
        return best.values
    height, width = x.shape[-2:]
    place = torch.arange(height * width, device=x.device).view(height, width)
    places = windows(pad2d(place, border, value=-1.0), kernel, strides, dilations).flatten(-2)  # P, Q, k·l
    return best.values, places.expand(*best.indices.shape, -1).gather(-1, best.indices[..., None])[..., 0]


def _check_avg(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    dilation: Pair = 1,
) -> None:
    check_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)
    if divisor_override is not None:
        checks.require(divisor_override != 0, "divisor_override must not be 0")


@fused_by(kernels.avg_pool2d, check=_check_avg)
def avg_pool2d(
    x: Float[Tensor, "*N C H W"],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    dilation: Pair = 1,
) -> Float[Tensor, "*N C P Q"]:
    """y[p, q] = (1 / n) Σ_{i, j} x[s p + d i, s q + d j], x padded with zeros.

    n is the number of summands inside the image, counting the padding with `count_include_pad` (but never what
    `ceil_mode` runs over), or `divisor_override`.
    """
    kernel, strides, border, dilations = _geometry(x, kernel_size, stride, padding, dilation, ceil_mode)
    total = windows(pad2d(x, border), kernel, strides, dilations).sum((-2, -1))
    if divisor_override is not None:
        return total / divisor_override
    vertical, horizontal = checks.pair("padding", padding, 0) if count_include_pad else (0, 0)
    inside = x.new_ones(x.size(-2) + 2 * vertical, x.size(-1) + 2 * horizontal)
    rest = (border[0] - vertical, border[1] - vertical, border[2] - horizontal, border[3] - horizontal)
    return total / windows(pad2d(inside, rest), kernel, strides, dilations).sum((-2, -1))


def _check_adaptive(x: Tensor, output_size: Pair) -> None:
    checks.floating("x", x)
    checks.rank("x", x, 3, 4, layout="(N, C, H, W) or (C, H, W)")
    checks.pair("output_size", output_size)
    if 0 in x.shape[-2:]:
        raise ValueError(f"x must have at least one pixel to average, got shape {tuple(x.shape)}")


@fused_by(kernels.adaptive_avg_pool2d, check=_check_adaptive)
def adaptive_avg_pool2d(x: Float[Tensor, "*N C H W"], output_size: Pair) -> Float[Tensor, "*N C P Q"]:
    """The mean of each of P × Q equal parts of the image, (P, Q) = `output_size`, whatever H and W are.

    Part p of P takes the rows from ⌊p H / P⌋ up to, not including, ⌈(p + 1) H / P⌉: parts share a row where P does
    not divide H. A size of 1 averages the whole image; a size of H leaves it as it is.
    """
    rows, columns = checks.pair("output_size", output_size)
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    means = torch.einsum("ph,...hw,qw->...pq", _averaging(wide, -2, rows), wide, _averaging(wide, -1, columns))
    return means.to(x.dtype)


def _averaging(x: Tensor, axis: int, parts: int) -> Tensor:
    """(parts, size of x's axis): row p holds 1 / n at each of the n positions that part p averages, 0 elsewhere."""
    size = x.size(axis)
    part, place = torch.arange(parts, device=x.device)[:, None], torch.arange(size, device=x.device)
    inside = ((part * size // parts <= place) & (place * parts < (part + 1) * size)).to(x.dtype)
    return inside / inside.sum(1, keepdim=True)
