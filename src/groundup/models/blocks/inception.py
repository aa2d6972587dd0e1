"""The Inception module, and its unit: a convolution, an optional normalisation, a ReLU.

Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842, section 4 and figure 2b.

        ┌─ 1 × 1 ─────────────────────┐
        ├─ 1 × 1 ─ 3 × 3 ─────────────┤
    x ──┤                             ├── concatenate ── y
        ├─ 1 × 1 ─ 5 × 5 ─────────────┤
        └─ max pooling 3 × 3 ─ 1 × 1 ─┘

Legend: N batch, C input channels, O output channels, (H, W) and (P, Q) sizes of feature maps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import relu
from groundup.layers import Conv2d, MaxPool2d
from groundup.models.presets import Presets

Pair = int | tuple[int, int]
Norm = Callable[..., nn.Module]

ARGUMENTS = ("in_channels", "ch1x1", "ch3x3red", "ch3x3", "ch5x5red", "ch5x5", "pool_proj")
#: The nine modules of GoogLeNet, table 1: the channels in the order of `ARGUMENTS`, and the size of the map.
TABLE_1 = {
    "3a": ((192, 64, 96, 128, 16, 32, 32), 28),
    "3b": ((256, 128, 128, 192, 32, 96, 64), 28),
    "4a": ((480, 192, 96, 208, 16, 48, 64), 14),
    "4b": ((512, 160, 112, 224, 24, 64, 64), 14),
    "4c": ((512, 128, 128, 256, 24, 64, 64), 14),
    "4d": ((512, 112, 144, 288, 32, 64, 64), 14),
    "4e": ((528, 256, 160, 320, 32, 128, 128), 14),
    "5a": ((832, 256, 160, 320, 32, 128, 128), 7),
    "5b": ((832, 384, 192, 384, 48, 128, 128), 7),
}


class ConvReLU(nn.Module):
    """y = relu(norm(W ∗ x + b)), x (N, C, H, W), y (N, O, P, Q).

    Args:
        in_channels, out_channels, kernel_size, stride, padding, groups: of the `Conv2d`.
        norm: a function that makes the normalisation of O channels, such as `BatchNorm2d`; None for none.
        bias: whether the convolution has a bias. By default only without `norm`, which would subtract it again.
        device, dtype: of the parameters.

    Example:
        >>> ConvReLU(3, 8, kernel_size=3, padding=1)(torch.randn(2, 3, 9, 9)).shape
        torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        groups: int = 1,
        norm: Norm | None = None,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options = {"groups": groups, "bias": norm is None if bias is None else bias, "device": device, "dtype": dtype}
        self.conv = Conv2d(in_channels, out_channels, kernel_size, stride, padding, **options)  # type: ignore[arg-type]
        self.norm = None if norm is None else norm(out_channels, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        return relu(x, inplace=True)  # x is the convolution's own output


@component(
    117,
    "convolutions of several sizes in parallel",
    paper="Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842",
    oracle="torchvision's Inception, and its 5 × 5 form in torch.nn",
    example="Inception()(torch.randn(1, 192, 28, 28))",
    figures={"multiply-adds of 3a, table 1": "128 M", "output of 3a": "28 × 28 × 256"},
)
class Inception(Presets, nn.Module):
    """y = [1×1 | 1×1 → 3×3 | 1×1 → 5×5 | max pooling 3×3 → 1×1], four branches, concatenated.

    Maps x (N, in_channels, H, W) to (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W). A ReLU follows each convolution.

    Why: objects appear at several scales, so each module looks at its input through several kernel sizes and lets the
    next one choose. Why the 1 × 1 before the larger kernels: they reduce the input's channels. Without them the 5 × 5
    branch of module 3a alone would cost ten times as much, and the pooling branch would add all input channels to
    the output.

    Args: their names and order are torchvision's.
        in_channels: the channels of x.
        ch1x1: the output channels of the first branch.
        ch3x3red, ch3x3: the channels of the second branch, after the 1 × 1 and after the 3 × 3.
        ch5x5red, ch5x5: those of the third branch.
        pool_proj: the output channels of the fourth branch.
        large: the kernel size of the third branch: 5, or 3 as in torchvision, whose published weights fixed a mistake
            of its code.
        norm: a function that makes the normalisation after each convolution, which then has no bias, as in
            torchvision; None in the paper.
        device, dtype: of the parameters.

    Example:
        >>> Inception.preset("3a")(torch.randn(2, 192, 28, 28)).shape
        torch.Size([2, 256, 28, 28])
    """

    presets: ClassVar = {name: dict(zip(ARGUMENTS, channels)) for name, (channels, _) in TABLE_1.items()}
    input_sizes: ClassVar = {name: (channels[0], size, size) for name, (channels, size) in TABLE_1.items()}

    def __init__(
        self,
        in_channels: int = 192,
        ch1x1: int = 64,
        ch3x3red: int = 96,
        ch3x3: int = 128,
        ch5x5red: int = 16,
        ch5x5: int = 32,
        pool_proj: int = 32,
        large: int = 5,
        norm: Norm | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, channels in zip(ARGUMENTS, (in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj)):
            checks.integer(name, channels)
        checks.require(
            checks.integer("large", large) % 2 == 1,
            f"large must be odd, so that the branch's map is as large as the others', got {large}",
        )
        conv = partial(ConvReLU, norm=norm, device=device, dtype=dtype)
        self.in_channels = in_channels
        self.out_channels = ch1x1 + ch3x3 + ch5x5 + pool_proj
        self.branch1 = conv(in_channels, ch1x1, 1)
        self.branch2 = nn.Sequential(conv(in_channels, ch3x3red, 1), conv(ch3x3red, ch3x3, 3, padding=1))
        self.branch3 = nn.Sequential(conv(in_channels, ch5x5red, 1), conv(ch5x5red, ch5x5, large, padding=large // 2))
        self.branch4 = nn.Sequential(MaxPool2d(3, stride=1, padding=1), conv(in_channels, pool_proj, 1))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O H W"]:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)
