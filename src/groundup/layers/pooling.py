"""Pooling: each window of an image becomes one number.

Why: features become less sensitive to small shifts, and the layers after it work on fewer pixels. Without pooling or
strides, a deep network would spend most of its time on full-size maps, and each unit would see only a small window.

Legend: N batch, C channels, (H, W) input, (k, l) kernel, (P, Q) output.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.pooling import avg_pool2d, max_pool2d, pool2d

_GOODFELLOW = "Goodfellow et al. 2016, Deep Learning, section 9.3, https://www.deeplearningbook.org"


Pair = int | tuple[int, int]


@component(16, "base class of the pooling layers", paper=_GOODFELLOW, oracle="torch.nn.functional.unfold")
class Pool2d(nn.Module):
    """Base class of poolings: a subclass defines how a window is reduced to a number

        class RangePool2d(Pool2d):
            def reduce(self, windows):                       # (N, C, P, Q, k, l) -> (N, C, P, Q)
                return windows.amax((-2, -1)) - windows.amin((-2, -1))

    Args:
        kernel_size: (k, l), or one number for both.
        stride: the step of the window; None = `kernel_size`, windows that do not overlap.
        padding: pixels at each side, at most half a window; they hold `fill`.
        dilation: the distance of the pixels of a window.
        ceil_mode: also pool a last window that runs over the edge.

    x (N, C, H, W) or (C, H, W).

    Example:
        >>> class RangePool2d(Pool2d):
        ...     def reduce(self, windows):
        ...         return windows.amax((-2, -1)) - windows.amin((-2, -1))
        >>> RangePool2d(2)(torch.tensor([[[1.0, 2.0], [3.0, 5.0]]]))
        tensor([[[4.]]])
    """

    fill: ClassVar[float] = 0.0

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = checks.pair("kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else checks.pair("stride", stride)
        self.padding = checks.pair("padding", padding, 0)
        self.dilation = checks.pair("dilation", dilation)
        self.ceil_mode = ceil_mode
        for k, d, p in zip(self.kernel_size, self.dilation, self.padding):
            reach = d * (k - 1) + 1
            checks.require(
                2 * p <= reach,
                f"padding must be at most half the window's reach {reach}, got {padding}: "
                "a window of padding alone has nothing to pool",
            )

    def reduce(self, windows: Float[Tensor, "*N C P Q k l"]) -> Float[Tensor, "*N C P Q"]:
        """Return one number for each window."""
        raise NotImplementedError(
            f"{type(self).__name__} must define reduce(windows), from (N, C, P, Q, k, l) to (N, C, P, Q)"
        )

    def forward(self, x: Float[Tensor, "*N C H W"]) -> Float[Tensor, "*N C P Q"]:
        return pool2d(
            x, self.reduce, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.fill
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


@component(
    17,
    "maximum of each window",
    paper=_GOODFELLOW,
    oracle="torch.nn.MaxPool2d",
    example="MaxPool2d(2)(torch.randn(1, 16, 32, 32))",
)
class MaxPool2d(Pool2d):
    """The largest number of each window

    Why: it keeps that a feature was found, and drops where in the window. A mean would blur a single strong response
    with the weak ones around it.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: see `Pool2d`. The padding counts as -inf.
        return_indices: also return the position of each maximum in the flattened H × W plane.

    A drop-in for `torch.nn.MaxPool2d`.

    Example:
        >>> MaxPool2d(2)(torch.tensor([[[1.0, 2.0], [3.0, 5.0]]]))
        tensor([[[5.]]])
    """

    fill = -torch.inf

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.return_indices = return_indices

    def reduce(self, windows: Float[Tensor, "*N C P Q k l"]) -> Float[Tensor, "*N C P Q"]:
        return windows.flatten(-2).max(-1).values

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "*N C H W"]
    ) -> Float[Tensor, "*N C P Q"] | tuple[Float[Tensor, "*N C P Q"], Int[Tensor, "*N C P Q"]]:
        return max_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


@component(
    18,
    "mean of each window",
    paper="LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, doi:10.1109/5.726791",
    oracle="torch.nn.AvgPool2d",
    example="AvgPool2d(2)(torch.randn(1, 16, 32, 32))",
)
class AvgPool2d(Pool2d):
    """The mean of each window

    Why: every pixel of the window gets the same share of the gradient; with a maximum only one pixel does.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: see `Pool2d`. The padding counts as 0.
        count_include_pad: False divides by the number of real pixels in the window, not by k l.
        divisor_override: divide by this number in place of the window's size.

    A drop-in for `torch.nn.AvgPool2d`, which has no dilation.

    Example:
        >>> AvgPool2d(2)(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]))
        tensor([[[3.]]])
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        dilation: Pair = 1,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.count_include_pad = count_include_pad
        if divisor_override is not None and divisor_override == 0:
            raise ValueError("divisor_override must not be 0")
        self.divisor_override = divisor_override

    def reduce(self, windows: Float[Tensor, "*N C P Q k l"]) -> Float[Tensor, "*N C P Q"]:
        return windows.mean((-2, -1))

    def forward(self, x: Float[Tensor, "*N C H W"]) -> Float[Tensor, "*N C P Q"]:
        return avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            self.dilation,
        )
