"""Two-dimensional convolution (cross-correlation, as everywhere in deep learning).

Legend: N batch, C input channels, O output channels, g groups, (H, W) input size, (k, l) kernel, (P, Q) output size.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.windows import pad2d, windows
from groundup.kernels import convolution as kernels

Pair = int | tuple[int, int]


def same_padding(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) that keeps the size at stride 1; an odd total puts the extra one at the end."""
    total = [d * (k - 1) for d, k in zip(dilation, kernel)]
    return total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2


def _check(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> None:
    checks.floating("x", x)
    checks.rank("x", x, 3, 4, layout="(N, C, H, W) or (C, H, W)")
    sizes, kernel = x.shape, weight.shape
    if sizes[-3] != kernel[1] * groups:
        checks.channels("x", x, kernel[1] * groups, f", as weight {tuple(kernel)} with groups={groups} expects")
    strides, dilations = checks.pair("stride", stride), checks.pair("dilation", dilation)
    if isinstance(padding, str):
        checks.choice("padding", padding, ("valid", "same"))
        if padding == "same":
            checks.require(strides == (1, 1), f'padding="same" needs stride 1, got stride={stride}')
            return
    pads = (0, 0) if isinstance(padding, str) else checks.pair("padding", padding, 0)
    for axis in (0, 1):
        reach = dilations[axis] * (kernel[axis - 2] - 1) + 1
        if sizes[axis - 2] + 2 * pads[axis] < reach:
            raise ValueError(
                f"x's {('height', 'width')[axis]} {sizes[axis - 2]} (+ 2 × {pads[axis]} padding) is smaller than the "
                f"kernel's reach {reach}: use a larger image or more padding"
            )


@fused_by(kernels.conv2d, check=_check)
def conv2d(
    x: Float[Tensor, "*N C H W"],
    weight: Float[Tensor, "O C_g k l"],
    bias: Float[Tensor, " O"] | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Float[Tensor, "*N O P Q"]:
    """y[n, o, p, q] = b[o] + Σ_{c, i, j} weight[o, c, i, j] · x[n, c, s p + d i, s q + d j], x padded with zeros.

    With `groups` = g, channels fall into g blocks and each output sees only its own (Krizhevsky et al. 2012, §3.5).
    `padding` is a size, a (vertical, horizontal) pair, "valid" (none) or "same" (output as large as the input).
    Goodfellow et al. 2016, Deep Learning, equation 9.6.
    """
    kernel = (weight.size(-2), weight.size(-1))
    strides, dilations = checks.pair("stride", stride), checks.pair("dilation", dilation)
    if padding == "same":
        border = same_padding(kernel, dilations)
    else:
        vertical, horizontal = (0, 0) if isinstance(padding, str) else checks.pair("padding", padding, 0)
        border = (vertical, vertical, horizontal, horizontal)
    view = windows(pad2d(x, border), kernel, strides, dilations)  # *N, C, P, Q, k, l
    view = view.unflatten(-5, (groups, -1))  # *N, g, C/g, P, Q, k, l
    filters = weight.unflatten(0, (groups, -1))  # g, O/g, C/g, k, l
    y = torch.einsum("...gcpqij,gocij->...gopq", view, filters).flatten(-4, -3)  # *N, O, P, Q
    return y if bias is None else y + bias[:, None, None]
