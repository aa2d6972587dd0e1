"""Dense blocks: every layer sees the features of all layers before it.

Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993, sections 3 and 4 (DenseNet-BC);
Pleiss et al. 2017, Memory-Efficient Implementation of DenseNets, arXiv:1707.06990 (`memory_efficient`).

    x₀ ─┬─ H₁ ─┬─ H₂ ─┬─ … ─ [x₀, x₁, x₂, …]        x_l = H_l([x₀, x₁, …, x_{l-1}])
        └──────┴──────┴─ …

Legend: N batch, C input channels, k growth rate (the channels that each layer adds), b bottleneck factor, (H, W) size.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import floor
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from groundup import checks
from groundup.functional import init, relu
from groundup.layers import AvgPool2d, BatchNorm, BatchNorm2d, Conv2d, Dropout


class DenseLayer(nn.Module):
    """H(x) = dropout(conv2(relu(bn2(conv1(relu(bn1(x))))))): 1 × 1 to b k channels, then 3 × 3 to the k new ones.

    forward(x₀, x₁, …), each (N, ·, H, W), C channels together, gives the new features (N, k, H, W) alone.
    (C + 9 k) b k weights. Dropout is for data without augmentation (section 4.2), and 0 for ImageNet.

    With `memory_efficient`, the concatenation and what follows it, up to conv1, is not kept for the backward pass but
    computed again.
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
        x = features[0] if len(features) == 1 else torch.cat(features, 1)
        return self.conv1(relu(self.bn1(x), inplace=True))

    def forward(self, *features: Float[Tensor, "N _ H W"]) -> Float[Tensor, "N k H W"]:
        if not features:
            raise TypeError("features must be at least one tensor, got none")
        compiled = torch.compiler.is_compiling()
        again = self.memory_efficient and torch.is_grad_enabled() and not checks.transformed()  # which takes none
        if again and not torch.compiler.is_exporting():
            options: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
            if not compiled:  # which computes again without moving the statistics again
                options["context_fn"] = partial(_both_passes, self.bn1)
            y = checkpoint(self.bottleneck, *features, **options)
        else:
            y = self.bottleneck(*features)
        return self.dropout(self.conv2(relu(self.bn2(y), inplace=True)))


def _both_passes(norm: BatchNorm) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _StatisticsKept(norm)


class _StatisticsKept(AbstractContextManager[None]):
    """Lets a pass over the same batch again, or several, leave the running statistics as the first has left them."""

    def __init__(self, norm: BatchNorm) -> None:
        self.norm = norm

    def __enter__(self) -> None:
        self.buffers = dict(self.norm.named_buffers())
        for name, buffer in self.buffers.items():
            setattr(self.norm, name, buffer.clone())

    def __exit__(self, *_: Any) -> None:
        for name, buffer in self.buffers.items():
            setattr(self.norm, name, buffer)


class DenseBlock(nn.Module):
    """[x₀, x₁, …, x_L]: `num_layers` = L dense layers, the features of each appended to what it saw (equation 2).

    x₀ (N, C, H, W) → (N, C + L k, H, W), old features first. The layers are `layer1` … `layerL`.
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
        if self.memory_efficient:  # the layers concatenate, and forget what they made
            features = [x]
            for layer in self.children():
                features.append(layer(*features))
            return torch.cat(features, 1)
        for layer in self.children():
            x = torch.cat([x, layer(x)], 1)
        return x


class DenseTransition(nn.Module):
    """y = mean over 2 × 2 of conv(relu(bn(x))), 1 × 1 to O = ⌊θ C⌋ channels, θ = `compression` (section 3).

    x (N, C, H, W) → (N, O, ⌊H / 2⌋, ⌊W / 2⌋);  C O weights.
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
        self.out_channels = floor(compression * in_channels + 1e-9)  # not one less for the rounding of θ C
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
