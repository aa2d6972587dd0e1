"""Dense blocks: every layer receives the features of all layers before it.

Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993, sections 3 and 4 (DenseNet-BC);
Pleiss et al. 2017, Memory-Efficient Implementation of DenseNets, arXiv:1707.06990 (`memory_efficient`).

    x₀ ─┬─ H₁ ─┬─ H₂ ─┬─ … ─ [x₀, x₁, x₂, …]        x_l = H_l([x₀, x₁, …, x_{l-1}])
        └──────┴──────┴─ …

Why concatenate: a residual block adds its output to its input, so that later layers see the sum alone. Here the
features of each layer are kept as they are, and every later layer, and the loss, reaches them through one connection.
A layer does not have to copy what it wants to preserve, so that a few new channels per layer are enough.

Legend: N batch, C input channels, k growth rate (the channels that each layer adds), b bottleneck factor, (H, W) size.
"""

from __future__ import annotations

from math import floor
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, relu
from groundup.kernels.recomputation import recompute
from groundup.layers import AvgPool2d, BatchNorm2d, Conv2d, Dropout

_HUANG = "Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993"


@component(
    121,
    "computes new features from all earlier ones",
    paper=_HUANG,
    oracle="torchvision's _DenseLayer",
    example="DenseLayer(64)(torch.randn(1, 64, 56, 56))",
)
class DenseLayer(nn.Module):
    """H(x) = dropout(conv2(relu(bn2(conv1(relu(bn1(x)))))))                                  (section 3, DenseNet-BC)

    Maps features x₀, x₁, …, each (N, ·, H, W), C channels together, to the new features alone: (N, k, H, W).
    (C + 9 k) b k weights.

    Why the 1 × 1 first: C grows with the depth of the block. conv1 reduces it to b k channels, so that the 3 × 3
    costs the same in every layer. Without it the weights of a block grow with the square of its depth nine times as
    fast. Norm and ReLU precede the convolutions because each layer needs its own normalisation of the shared features.

    Args:
        in_channels: C, the channels of all given features together.
        growth_rate: k, the channels that the layer adds.
        bn_size: b; the 1 × 1 convolution has b k output channels.
        dropout: probability of dropping a new feature: for data without augmentation (section 4.2), 0 for ImageNet.
        memory_efficient: do not keep the concatenation and the steps up to conv1; compute them again in the backward
            pass.
        device, dtype: of the parameters.

    Example:
        >>> DenseLayer(64, growth_rate=32)(torch.randn(2, 64, 8, 8)).shape
        torch.Size([2, 32, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        growth_rate: int = 32,
        bn_size: int = 4,
        dropout: float = 0.0,
        memory_efficient: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.growth_rate = checks.integer("growth_rate", growth_rate)
        self.bn_size = checks.integer("bn_size", bn_size)
        self.memory_efficient = memory_efficient
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.bn1 = BatchNorm2d(in_channels, **factory)
        self.conv1 = Conv2d(in_channels, bn_size * growth_rate, 1, bias=False, **factory)
        self.bn2 = BatchNorm2d(bn_size * growth_rate, **factory)
        self.conv2 = Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False, **factory)
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for conv in (self.conv1, self.conv2):
            init.kaiming_normal_(conv.weight, nonlinearity="relu")
        for norm in (self.bn1, self.bn2):
            norm.reset_parameters()

    def bottleneck(self, *features: Float[Tensor, "N _ H W"]) -> Float[Tensor, "N bk H W"]:
        x = features[0] if len(features) == 1 else torch.cat(features, 1)  # N, C, H, W
        return self.conv1(relu(self.bn1(x), inplace=True))

    def forward(self, *features: Float[Tensor, "N _ H W"]) -> Float[Tensor, "N k H W"]:
        if not features:
            raise TypeError("features must be at least one tensor, got none")
        if self.memory_efficient:
            y = recompute(self.bottleneck, *features, norm=self.bn1)
        else:
            y = self.bottleneck(*features)  # N, bk, H, W
        return self.dropout(self.conv2(relu(self.bn2(y), inplace=True)))


@component(
    122,
    "a chain of dense layers",
    paper=_HUANG,
    oracle="torchvision's _DenseBlock",
    example="DenseBlock(64, 6)(torch.randn(1, 64, 56, 56))",
)
class DenseBlock(nn.Module):
    """[x₀, x₁, …, x_L]: L dense layers, the features of each appended to its input                       (equation 2)

    Maps x₀ (N, C, H, W) to (N, C + L k, H, W), old features first. The layers are `layer1` … `layerL`.

    Args:
        in_channels: C, the channels of x₀.
        num_layers: L.
        growth_rate, bn_size, dropout, memory_efficient: of each `DenseLayer`. With `memory_efficient` the memory for
            the backward pass grows with L, not with L².
        device, dtype: of the parameters.

    Example:
        >>> DenseBlock(64, num_layers=6, growth_rate=32)(torch.randn(2, 64, 8, 8)).shape
        torch.Size([2, 256, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        num_layers: int,
        growth_rate: int = 32,
        bn_size: int = 4,
        dropout: float = 0.0,
        memory_efficient: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.num_layers = checks.integer("num_layers", num_layers)
        self.growth_rate = checks.integer("growth_rate", growth_rate)
        self.out_channels = in_channels + num_layers * growth_rate
        self.memory_efficient = memory_efficient
        for i in range(num_layers):
            layer = DenseLayer(
                in_channels + i * growth_rate, growth_rate, bn_size, dropout, memory_efficient, device, dtype
            )
            self.add_module(f"layer{i + 1}", layer)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O H W"]:
        if self.memory_efficient:  # the layers concatenate, and do not keep the result
            features = [x]
            for layer in self.children():
                features.append(layer(*features))
            return torch.cat(features, 1)
        for layer in self.children():
            x = torch.cat([x, layer(x)], 1)
        return x


@component(
    123,
    "halves the channels and the resolution",
    paper=_HUANG,
    oracle="torchvision's _Transition",
    example="DenseTransition(256)(torch.randn(1, 256, 56, 56))",
)
class DenseTransition(nn.Module):
    """y = mean over 2 × 2 of conv(relu(bn(x))), conv 1 × 1 to O = ⌊θ C⌋ channels                            (section 3)

    Maps x (N, C, H, W) to (N, O, ⌊H / 2⌋, ⌊W / 2⌋);  C O weights. Concatenation needs maps of one size, so that the
    size can only change between blocks; θ < 1 also stops the channels from growing block by block.

    Args:
        in_channels: C.
        compression: θ, in (0, 1].
        device, dtype: of the parameters.

    Example:
        >>> DenseTransition(256)(torch.randn(2, 256, 8, 8)).shape
        torch.Size([2, 128, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        compression: float = 0.5,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.compression = checks.real("compression", compression, 0.0, 1.0)
        self.out_channels = floor(compression * in_channels + 1e-9)  # 0.7 · 10 is slightly less than 7 in binary
        checks.require(
            self.out_channels > 0, f"compression={compression} leaves none of in_channels={in_channels} channels"
        )
        self.bn = BatchNorm2d(in_channels, device=device, dtype=dtype)
        self.conv = Conv2d(in_channels, self.out_channels, 1, bias=False, device=device, dtype=dtype)
        self.pool = AvgPool2d(2)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.bn.reset_parameters()
        init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        return self.pool(self.conv(relu(self.bn(x), inplace=True)))
