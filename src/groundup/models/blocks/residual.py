"""Residual blocks: layers that learn what to add to their input; and the stem before the first of them.

He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385, figures 2 and 5;
Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431, figure 3;
Hu et al. 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507, figure 3.

    x ─┬─ conv ─ bn ─ relu ─ … ─ conv ─ bn ─ gate ─ + ─ relu ─ y
       └────────────────── shortcut ────────────────┘

Why: y = relu(F(x) + x) has to learn only the difference from the identity. F = 0, which weights near 0 give, makes a
block that changes nothing, and the sum passes the gradient back to x directly, past all layers of F. Without the
shortcut each block has to learn the identity itself, and deeper networks train to a higher error (He, figure 1).

Legend: N batch, C input channels, O output channels, D inner channels, s stride, g groups; (H, W) input, (P, Q) output,
P = ⌈H / s⌉.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partialmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, relu
from groundup.layers import BatchNorm2d, Conv2d, MaxPool2d, ReLU, SEGate

_HE = "He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385"


VARIANTS = ("shipped", "paper")
#: Stem → the convolution's kernel and stride, and whether a pooling follows.
STEMS = {"imagenet": (7, 2, True), "cifar": (3, 1, False), "half": (3, 2, False)}


class Stem(nn.Sequential):
    """The first layers of ResNet and DenseNet: conv ─ bn ─ relu ─ pool, (N, C, H, W) → (N, width, ⌈H / 4⌉, ⌈W / 4⌉).

    Args:
        in_channels: C.
        width: the channels of the map.
        kind: "imagenet": a 7 × 7 convolution of stride 2, then the maximum of each 3 × 3 window, stride 2. For small
            images "cifar": a 3 × 3 convolution of stride 1 without a pooling, which keeps the size; or "half": the same
            with stride 2, so that all that follows costs a quarter.
        ceil_mode: False pads the pooling by one row on each side. True pads nothing, and lets the last window extend
            over the far edge, as Caffe does: even sizes give the same output size, but other numbers.
        factory: device and dtype.
    """

    conv: Conv2d
    bn: BatchNorm2d

    def __init__(self, in_channels: int, width: int, kind: str, ceil_mode: bool = False, **factory: Any) -> None:
        kernel, stride, has_pool = STEMS[checks.choice("stem", kind, tuple(STEMS))]
        parts: dict[str, nn.Module] = {
            "conv": Conv2d(in_channels, width, kernel, stride, kernel // 2, bias=False, **factory),
            "bn": BatchNorm2d(width, **factory),
            "relu": ReLU(inplace=True),
        }
        if has_pool:
            parts["pool"] = MaxPool2d(3, 2, padding=0 if ceil_mode else 1, ceil_mode=ceil_mode)
        super().__init__(OrderedDict(parts))
        self.reduction = stride * (2 if has_pool else 1)  # of height and width
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.bn.reset_parameters()


class ResidualBlock(nn.Module):
    """The base of the blocks y = relu(G(F(x)) + S(x)) below; each has its own F, in its `forward`.

    x (N, C, H, W);  F(x), S(x) and y (N, O, P, Q). S, the shortcut, is the identity where the shape stays, else a 1 × 1
    convolution of stride s and a batch norm (He, section 3.3, option B). G is a squeeze-and-excitation gate with
    `se_reduction`, else the identity. Convolutions have no bias, which the batch norm after each would subtract again;
    their weights are initialised normally with variance 2 / fan_out.
    """

    #: The name of F's last batch norm.
    last_norm: ClassVar[str]

    def __init__(self, in_channels: int, out_channels: int, stride: int, zero_init_residual: bool) -> None:
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.out_channels = checks.integer("out_channels", out_channels)
        self.stride = checks.integer("stride", stride)
        self.zero_init_residual = zero_init_residual

    def _add_gate_and_shortcut(self, se_reduction: int | None, se_bias: bool, **factory: Any) -> None:
        self.gate: nn.Module = nn.Sequential()  # without layers: the identity
        self.shortcut = nn.Sequential()
        if se_reduction is not None:
            self.gate = SEGate(self.out_channels, se_reduction, se_bias, **factory)
        if self.stride != 1 or self.in_channels != self.out_channels:
            conv = Conv2d(self.in_channels, self.out_channels, 1, self.stride, bias=False, **factory)
            self.shortcut = nn.Sequential(OrderedDict(conv=conv, bn=BatchNorm2d(self.out_channels, **factory)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for part in self.modules():
            if isinstance(part, Conv2d):
                init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(part, (BatchNorm2d, SEGate)):
                part.reset_parameters()
        if self.zero_init_residual:
            init.constant_(getattr(self, self.last_norm).weight, 0.0)


@component(
    118,
    "two 3 × 3 convolutions with a shortcut",
    paper=_HE,
    oracle="torchvision's BasicBlock",
    example="ResBlock(64, 128, stride=2)(torch.randn(1, 64, 56, 56))",
)
class ResBlock(ResidualBlock):
    """y = relu(G(F(x)) + S(x)), F(x) = bn2(conv2(relu(bn1(conv1(x))))), both convolutions 3 × 3: He, figure 5, left.

    Maps x (N, C, H, W) to (N, O, P, Q). 9 O (C + O) weights, and C O more where the shortcut projects.

    Args:
        in_channels, out_channels: C and O.
        stride: s, of the first 3 × 3.
        se_reduction: the reduction of the squeeze-and-excitation gate G; None for no gate.
        se_bias: whether the gate's layers have biases.
        zero_init_residual: initialise the last batch norm's scale with 0, so that the block initially computes
            relu(S(x)) (Goyal et al. 2017, arXiv:1706.02677, section 5.1).
        device, dtype: of the parameters.

    Example:
        >>> ResBlock(64, 128, stride=2)(torch.randn(2, 64, 8, 8)).shape
        torch.Size([2, 128, 4, 4])
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
        super().__init__(in_channels, out_channels, stride, zero_init_residual)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1 = Conv2d(in_channels, out_channels, 3, stride, 1, bias=False, **factory)
        self.bn1 = BatchNorm2d(out_channels, **factory)
        self.conv2 = Conv2d(out_channels, out_channels, 3, 1, 1, bias=False, **factory)
        self.bn2 = BatchNorm2d(out_channels, **factory)
        self._add_gate_and_shortcut(se_reduction, se_bias, **factory)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        y = relu(self.bn1(self.conv1(x)), inplace=True)  # N, O, P, Q
        y = self.gate(self.bn2(self.conv2(y)))  #          N, O, P, Q
        y += self.shortcut(x)
        return relu(y, inplace=True)


@component(
    119,
    "1 × 1, 3 × 3 and 1 × 1 convolutions with a shortcut",
    paper=_HE,
    oracle="torchvision's Bottleneck",
    example="ResBottleneckBlock(256, 256)(torch.randn(1, 256, 56, 56))",
)
class ResBottleneckBlock(ResidualBlock):
    """y = relu(G(F(x)) + S(x)), F(x) = bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x))))))))          (He, figure 5, right)

    Maps x (N, C, H, W) to (N, O, P, Q). conv1 and conv3 are 1 × 1, conv2 is 3 × 3 and works, in g groups, on
    D = O/4 · width_per_group/64 · g channels: (C + O + 9 D/g) D weights, and C O more where the shortcut projects.

    Why a bottleneck: the 1 × 1 convolutions reduce and restore the channels, so that the 3 × 3 works on a quarter of
    them. Two 3 × 3 on all O channels would have 18 O² weights; the three have 1.06 O².

    Args:
        in_channels, out_channels: C and O; O must be divisible by 4.
        stride: s, of the 3 × 3, as in all weights that torchvision publishes ("v1.5").
        groups, width_per_group: of the 3 × 3: 1 and 64 in ResNet, 32 and 4 in ResNeXt, 1 and 128 in wide ResNets.
        variant: "paper" gives the stride to the first 1 × 1 instead, as He's network in Caffe, but for g > 1 (Xie,
            section 4).
        se_reduction, se_bias, zero_init_residual, device, dtype: see `ResBlock`.

    Example:
        >>> ResBottleneckBlock(256, 512, stride=2)(torch.randn(2, 256, 8, 8)).shape
        torch.Size([2, 512, 4, 4])
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
        super().__init__(in_channels, out_channels, stride, zero_init_residual)
        self.groups = checks.integer("groups", groups)
        self.width_per_group = checks.integer("width_per_group", width_per_group)
        self.variant = checks.choice("variant", variant, VARIANTS)
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
        self._add_gate_and_shortcut(se_reduction, se_bias, **factory)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        y = relu(self.bn1(self.conv1(x)), inplace=True)  # N, D, H, W
        y = relu(self.bn2(self.conv2(y)), inplace=True)  # N, D, P, Q
        y = self.gate(self.bn3(self.conv3(y)))  #          N, O, P, Q
        y += self.shortcut(x)
        return relu(y, inplace=True)


@component(
    120,
    "bottleneck block with 32 parallel paths",
    paper="Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431",
    oracle="torchvision's Bottleneck(groups=32)",
    example="ResNeXtBlock(256, 256)(torch.randn(1, 256, 56, 56))",
)
class ResNeXtBlock(ResBottleneckBlock):
    """F(x) = Σᵢ Tᵢ(x), the sum of g = 32 small bottlenecks (Xie, equation 2), computed as one bottleneck in g groups.

    Figure 3 shows three forms of the same function: (a) 32 paths of 1 × 1, 3 × 3, 1 × 1, added; (b) their 3 × 3 outputs
    concatenated before one 1 × 1; (c, this one) a grouped 3 × 3 between two plain 1 × 1. Why: at equal cost, more paths
    lower the error more than a wider or a deeper network does (tables 3 and 4).

    Args: those of `ResBottleneckBlock`.

    Example:
        >>> ResNeXtBlock(256, 256)(torch.randn(2, 256, 8, 8)).shape
        torch.Size([2, 256, 8, 8])
    """

    __init__ = partialmethod(ResBottleneckBlock.__init__, groups=32, width_per_group=4)
