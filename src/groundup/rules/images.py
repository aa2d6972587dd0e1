"""Rules of convolution, pooling, padding and sampling: windows that fit the image."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from groundup import checks

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
AXES = ("height", "width")


def conv2d(call: Any) -> None:
    kernel, groups = tuple(call.weight.shape), checks.integer("groups", call.groups)
    strides, dilations = checks.pair("stride", call.stride), checks.pair("dilation", call.dilation)
    checks.channels("x", call.x, kernel[1] * groups, f", as weight {kernel} with groups={groups} expects")
    if isinstance(call.padding, str):
        checks.choice("padding", call.padding, ("valid", "same"))
        if call.padding == "same":
            checks.require(strides == (1, 1), f'padding="same" needs stride 1, got stride={call.stride}')
            return
    pads = (0, 0) if isinstance(call.padding, str) else checks.pair("padding", call.padding, 0)
    for axis in (0, 1):
        reach = dilations[axis] * (kernel[axis - 2] - 1) + 1
        size = call.x.size(axis - 2)
        if size + 2 * pads[axis] < reach:
            raise ValueError(
                f"x's {AXES[axis]} {size} (+ 2 × {pads[axis]} padding) is smaller than the kernel's reach {reach}: "
                "use a larger image or more padding"
            )


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """Return the number of windows that fit: ⌊(size + 2 padding - dilation (kernel - 1) - 1) / stride⌋ + 1.

    With `ceil_mode` a last window may run over the far edge, if it starts inside the input or the near padding.
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def pool2d(call: Any) -> None:
    """Raise for an input that no window fits, or padding that would make a window of padding alone."""
    kernel, pads = checks.pair("kernel_size", call.kernel_size), checks.pair("padding", call.padding, 0)
    strides = kernel if call.stride is None else checks.pair("stride", call.stride)
    dilations = checks.pair("dilation", call.dilation)
    for axis, name in enumerate(AXES):
        size, k, p, d = call.x.size(axis - 2), kernel[axis], pads[axis], dilations[axis]
        reach = d * (k - 1) + 1
        checks.require(2 * p <= reach, f"padding must be at most half the window's reach {reach}, got {call.padding}")
        if output_size(size, k, strides[axis], p, d, call.ceil_mode) < 1:
            raise ValueError(
                f"x's {name} {size} (+ 2 × {p} padding) is smaller than the window's reach {reach}: "
                "use a larger image or a smaller kernel_size"
            )


def avg_pool2d(call: Any) -> None:
    pool2d(call)
    checks.require(call.divisor_override != 0, "divisor_override must not be 0")


def adaptive_avg_pool2d(call: Any) -> None:
    checks.pair("output_size", call.output_size)
    check_pixels(call.x)


def pad2d(call: Any) -> None:
    height, width = call.x.shape[-2:]
    for size, amounts, axis in ((height, call.padding[:2], "height"), (width, call.padding[2:], "width")):
        limit = {"reflect": size - 1, "circular": size}.get(call.mode, max(amounts))
        if max(amounts) > limit:
            raise ValueError(f'padding of {max(amounts)} is too much for {axis} {size} with mode "{call.mode}"')


def affine_grid(call: Any) -> None:
    checks.pair("size", call.size)


def grid_sample(call: Any) -> None:
    check_pixels(call.x)


def resize_bicubic(call: Any) -> None:
    checks.pair("size", call.size)
    check_pixels(call.x)


def check_pixels(x: Tensor) -> None:
    """Raise for an image without pixels."""
    checks.require(0 not in x.shape[-2:], f"x must have at least one pixel, got shape {tuple(x.shape)}")


def thin_plate_matrix(call: Any) -> None:
    checks.require(len(call.control) >= 3, f"control must hold at least 3 points, got {len(call.control)}")
