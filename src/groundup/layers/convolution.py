"""Two-dimensional convolution, plain and in groups of channels.

LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, section II-A;
groups: Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, section 3.5.

Legend: N batch, C input channels, O output channels, g groups, (H, W) input, (k, l) kernel, (P, Q) output, s stride,
d dilation, p padding.
"""

from __future__ import annotations

from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.convolution import conv2d, padding_border
from groundup.functional.windows import PaddingMode, pad2d
from groundup.rules.images import PADDING_MODES

Pair = int | tuple[int, int]


@component(
    14,
    "two-dimensional convolution",
    paper="LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, doi:10.1109/5.726791",
    oracle="torch.nn.Conv2d",
    example="Conv2d(3, 16, 3, padding=1)(torch.randn(1, 3, 32, 32))",
)
class Conv2d(nn.Module):
    """y[n, o, i, j] = b[o] + Σ_{c, a, e} W[o, c, a, e] · x[n, c, s i + d a, s j + d e]

    Why: the same k × l weights are used at every position, because an edge is an edge anywhere in an image. A fully
    connected layer would have H W times as many weights, and would have to learn every position separately.

    Args:
        in_channels, out_channels: C and O; both divisible by g.
        kernel_size: (k, l), or one number for both.
        stride: s, the step of the kernel; a pair for each axis, or one number.
        padding: p pixels at each side; or "valid" for none; or "same", with which the output has the size of the input
            (stride 1 only).
        dilation: d, the distance of the pixels under the kernel.
        groups: g; W is (O, C / g, k, l), and each group of outputs reads its own group of inputs.
        bias: False leaves out b.
        padding_mode: "zeros"; or "reflect", "replicate" or "circular", which fill the padding from the image.
        device, dtype: of the parameters.

    x (N, C, H, W) or (C, H, W) -> y (N, O, P, Q) or (O, P, Q), with P = ⌊(H + 2p - d (k - 1) - 1) / s⌋ + 1.
    W and b are initialised uniformly in ±1/√(C / g · k · l), as in PyTorch. A drop-in for `torch.nn.Conv2d`.

    Example:
        >>> Conv2d(3, 16, kernel_size=3, stride=2, padding=1)(torch.randn(1, 3, 32, 32)).shape
        torch.Size([1, 16, 16, 16])
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.out_channels = checks.integer("out_channels", out_channels)
        self.kernel_size = checks.pair("kernel_size", kernel_size)
        self.stride = checks.pair("stride", stride)
        self.dilation = checks.pair("dilation", dilation)
        self.groups = checks.integer("groups", groups)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            checks.require(channels % groups == 0, f"{name} must be divisible by groups={groups}, got {channels}")
        self.padding: str | tuple[int, int]
        if isinstance(padding, str):
            self.padding = checks.choice("padding", padding, ("valid", "same"))
            if padding == "same":
                checks.require(self.stride == (1, 1), f'padding="same" needs stride 1, got stride={stride}')
        else:
            self.padding = checks.pair("padding", padding, 0)
        self.padding_mode: PaddingMode = padding_mode
        checks.choice("padding_mode", padding_mode, PADDING_MODES)

        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise W and b uniformly in ±1/√fan_in."""
        fan_in = prod(self.weight.shape[1:])
        init.inverse_sqrt_uniform_(self.weight, fan_in)
        if self.bias is not None:
            init.inverse_sqrt_uniform_(self.bias, fan_in)

    def forward(self, x: Float[Tensor, "*N C H W"]) -> Float[Tensor, "*N O P Q"]:
        padding = self.padding
        if self.padding_mode != "zeros":
            border = padding_border(padding, self.kernel_size, self.dilation)
            x, padding = pad2d(x, border, self.padding_mode), (0, 0)
        return conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        defaults = {"padding": (0, 0), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text if self.bias is not None else text + ", bias=False"


@component(
    15,
    "convolution in groups of channels",
    paper=(
        "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, "
        "https://papers.nips.cc/paper/4824"
    ),
    oracle="torch.nn.Conv2d(groups=g)",
    example="Conv2dGroups(32, 64, 3, groups=4)(torch.randn(1, 32, 28, 28))",
)
class Conv2dGroups(Conv2d):
    """g convolutions side by side: group i maps its C / g input channels to its O / g output channels

    Why: each output reads C / g channels, so that weights and multiply-adds fall by the factor g. AlexNet split its
    layers over two GPUs this way. With g = C each channel is filtered alone.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, bias, padding_mode, device, dtype: see
            `Conv2d`.
        groups: g; required, and a divisor of C and O.

    The same as `Conv2d(groups=g)`.

    Example:
        >>> Conv2dGroups(32, 64, 3, groups=4).weight.shape
        torch.Size([64, 8, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        *,
        groups: int,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
