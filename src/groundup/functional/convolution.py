"""Two-dimensional convolution (cross-correlation, as everywhere in deep learning).

Legend: N batch, C input channels, O output channels, g groups, (H, W) input size, (k, l) kernel, (P, Q) output size.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.windows import Pair, pad2d, windows
from groundup.kernels import images as kernels
from groundup.rules import images as rules


@fused_by(kernels.conv2d, rules.conv2d)
def conv2d(
    x: Float[Tensor, "N C H W"] | Float[Tensor, "C H W"],
    weight: Float[Tensor, "O C_g k l"],
    bias: Float[Tensor, " O"] | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Float[Tensor, "*batch O P Q"]:
    """y[n, o, p, q] = b[o] + Σ_{c, i, j} weight[o, c, i, j] · x[n, c, s p + d i, t q + e j], x padded with zeros.

    Why: what an edge or an eye looks like does not depend on where in the image it is. A convolution therefore uses the
    same weights at every position, and each output looks at a small window only: a 3 × 3 kernel has 9 weights per pair
    of channels where a linear map from image to image would have (H W)².

    Args:
        x: the images, or one image.
        weight: one filter per output channel; C_g = C / groups.
        bias: b; None leaves it out.
        stride: s and t, the distance between windows: an int, or (vertical, horizontal).
        padding: zeros around the image, an int or a pair; "valid" for none; "same" for an output as large as the
            input, with one more zero at the end where their number is odd.
        dilation: d and e, the distance between the taps of the kernel.
        groups: g; the channels are split into g groups, and each output sees only the inputs of its own
            (Krizhevsky et al. 2012, section 3.5).

    Goodfellow et al. 2016, Deep Learning, equation 9.6.

    Example:
        >>> conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
        tensor([[[[4., 4.],
                  [4., 4.]]]])
    """
    kernel = (weight.size(-2), weight.size(-1))
    strides, dilations = checks.pair("stride", stride), checks.pair("dilation", dilation)
    border = padding_border(padding, kernel, dilations)
    view = windows(pad2d(x, border), kernel, strides, dilations)  # *N, C, P, Q, k, l
    view = view.unflatten(-5, (groups, -1))  # *N, g, C/g, P, Q, k, l
    filters = weight.unflatten(0, (groups, -1))  # g, O/g, C/g, k, l
    y = torch.einsum("...gcpqij,gocij->...gopq", view, filters).flatten(-4, -3)  # *N, O, P, Q
    return y if bias is None else y + bias[:, None, None]


def padding_border(
    padding: Pair | str, kernel: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return how much `padding` adds at (top, bottom, left, right)."""
    if padding == "same":
        return same_padding(kernel, dilation)
    vertical, horizontal = (0, 0) if isinstance(padding, str) else checks.pair("padding", padding, 0)
    return vertical, vertical, horizontal, horizontal


def same_padding(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the (top, bottom, left, right) that keep the size at stride 1; of an odd total, one more at the end."""
    total = [d * (k - 1) for d, k in zip(dilation, kernel)]
    return total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2
