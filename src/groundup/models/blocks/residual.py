"""Residual blocks: layers that learn what to add to their input.

He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385, figures 2 and 5;
Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431, figure 3;
Hu et al. 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507, figure 3.

    x ─┬─ conv ─ bn ─ relu ─ … ─ conv ─ bn ─ gate ─ + ─ relu ─ y
       └────────────────── shortcut ────────────────┘

Legend: N batch, C input channels, O output channels, s stride, g groups; (H, W) input, (P, Q) output, P = ⌈H / s⌉.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partialmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init, relu
from groundup.layers import BatchNorm2d, Conv2d, SEGate

VARIANTS = ("shipped", "paper")


class ResidualBlock(nn.Module):
    """y = relu(G(F(x)) + S(x)): the frame of the blocks below, each of which builds F and gives it as `residual`.

    x (N, C, H, W);  F(x), S(x) and y (N, O, P, Q).  S is the identity where the shape stays, else a 1 × 1 convolution
    of stride s and a batch norm (He, section 3.3, option B).  G is a squeeze-and-excitation gate with `se_reduction`,
    else the identity. Convolutions have no bias, which the batch norm after each would take away, and begin normal with
    variance 2 / fan_out. With `zero_init_residual` the last batch norm's scale begins at 0, so that the block begins as
    relu(S(x)) (Goyal et al. 2017, arXiv:1706.02677, section 5.1).
    """

    #: The name of F's last batch norm.
    last_norm: ClassVar[str]

    zero_init_residual: bool
    gate: nn.Module
    shortcut: nn.Module

    def residual(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        raise NotImplementedError(f"{type(self).__name__} must define residual(x), F of the equation")

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        y = self.gate(self.residual(x))
        y += self.shortcut(x)
        return relu(y, inplace=True)

    def reset_parameters(self) -> None:
        for part in self.modules():
            if isinstance(part, Conv2d):
                init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(part, (BatchNorm2d, SEGate)):
                part.reset_parameters()
        if self.zero_init_residual:
            init.constant_(getattr(self, self.last_norm).weight, 0.0)


class ResBlock(ResidualBlock):
    """F(x) = bn2(conv2(relu(bn1(conv1(x))))), both 3 × 3, the first of stride s: He, figure 5, left.

    9 O (C + O) weights, and C O more where the shortcut projects.
    """

    last_norm = "bn2"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        se_reduction: int | None = None,
        se_bias: bool = True,
        zero_init_residual: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.out_channels = checks.integer("out_channels", out_channels)
        self.stride = checks.integer("stride", stride)
        self.zero_init_residual = zero_init_residual
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1 = Conv2d(in_channels, out_channels, 3, stride, 1, bias=False, **factory)
        self.bn1 = BatchNorm2d(out_channels, **factory)
        self.conv2 = Conv2d(out_channels, out_channels, 3, 1, 1, bias=False, **factory)
        self.bn2 = BatchNorm2d(out_channels, **factory)
        self.gate = _gate(out_channels, se_reduction, se_bias, **factory)
        self.shortcut = _shortcut(in_channels, out_channels, stride, **factory)
        self.reset_parameters()

    def residual(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        y = relu(self.bn1(self.conv1(x)), inplace=True)
        return self.bn2(self.conv2(y))


class ResBottleneckBlock(ResidualBlock):
    """F(x) = bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x)))))))): 1 × 1, 3 × 3, 1 × 1: He, figure 5, right.

    The 3 × 3 works on W = O/4 · width_per_group/64 · g channels, in g groups: (C + O + 9 W/g) W weights, and C O more
    where the shortcut projects. The stride is the 3 × 3's, as in all weights that torchvision ships ("v1.5").

    variant="paper" gives it to the first 1 × 1, as He's network in Caffe, but for g > 1 (Xie, section 4).
    """

    last_norm = "bn3"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        groups: int = 1,
        width_per_group: int = 64,
        variant: str = "shipped",
        se_reduction: int | None = None,
        se_bias: bool = True,
        zero_init_residual: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.out_channels = checks.integer("out_channels", out_channels)
        self.stride = checks.integer("stride", stride)
        self.groups = checks.integer("groups", groups)
        self.width_per_group = checks.integer("width_per_group", width_per_group)
        self.variant = checks.choice("variant", variant, VARIANTS)
        self.zero_init_residual = zero_init_residual
        checks.require(out_channels % 4 == 0, f"out_channels must be divisible by 4, got {out_channels}")
        width = out_channels // 4 * width_per_group // 64 * groups
        checks.require(
            width > 0,
            f"width_per_group={width_per_group} leaves no channel for a group: out_channels / 4 · width_per_group / 64 "
            f"must be at least 1, got {out_channels / 4 * width_per_group / 64}",
        )
        first, second = (stride, 1) if variant == "paper" and groups == 1 else (1, stride)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1 = Conv2d(in_channels, width, 1, first, bias=False, **factory)
        self.bn1 = BatchNorm2d(width, **factory)
        self.conv2 = Conv2d(width, width, 3, second, 1, groups=groups, bias=False, **factory)
        self.bn2 = BatchNorm2d(width, **factory)
        self.conv3 = Conv2d(width, out_channels, 1, bias=False, **factory)
        self.bn3 = BatchNorm2d(out_channels, **factory)
        self.gate = _gate(out_channels, se_reduction, se_bias, **factory)
        self.shortcut = _shortcut(in_channels, out_channels, stride, **factory)
        self.reset_parameters()

    def residual(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        y = relu(self.bn1(self.conv1(x)), inplace=True)
        y = relu(self.bn2(self.conv2(y)), inplace=True)
        return self.bn3(self.conv3(y))


class ResNeXtBlock(ResBottleneckBlock):
    """F(x) = Σᵢ Tᵢ(x), g = 32 small bottlenecks side by side, summed (Xie, equation 2), as one bottleneck in g groups.

    Figure 3: 32 paths of 1 × 1, 3 × 3, 1 × 1, added (a); their 3 × 3 outputs concatenated before one last 1 × 1 (b);
    a grouped 3 × 3 between two plain 1 × 1 (c, this one) are the same function.
    """

    __init__ = partialmethod(ResBottleneckBlock.__init__, groups=32, width_per_group=4)


def _gate(channels: int, reduction: int | None, bias: bool, **factory: Any) -> nn.Module:
    return nn.Sequential() if reduction is None else SEGate(channels, reduction, bias, **factory)


def _shortcut(in_channels: int, out_channels: int, stride: int, **factory: Any) -> nn.Sequential:
    """The identity, which an empty chain is, or the projection."""
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    conv = Conv2d(in_channels, out_channels, 1, stride, bias=False, **factory)
    return nn.Sequential(OrderedDict(conv=conv, bn=BatchNorm2d(out_channels, **factory)))
