"""From an image to tokens that know where they stand: patches or a convolutional stem, a class token, positions.

Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv:2010.11929, section 3.1;
Xiao et al. 2021, Early Convolutions Help Transformers See Better, arXiv:2106.14881, section 4.

Legend: N batch, C channels, (h, w) the grid of patches, T = h w + 1 tokens (h w without a class token), E embed_dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init, resize_bicubic
from groundup.layers import BatchNorm2d, Conv2d, Dropout
from groundup.models.blocks import ConvReLU


class ConvStem(nn.Sequential):
    """3 × 3 convolutions, each with batch normalisation and ReLU, then a 1 × 1: (N, C, H, W) → (N, E, h, w).

    layers: (channels, stride) of each 3 × 3; the strides' product is the patch size that it stands for. Section 4.
    """

    def __init__(self, in_channels: int, embed_dim: int, layers: Sequence[tuple[int, int]], **factory: Any) -> None:
        super().__init__()
        for i, (channels, stride) in enumerate(layers):
            conv = ConvReLU(in_channels, channels, 3, stride, padding=1, norm=BatchNorm2d, **factory)
            self.add_module(f"conv{i}", conv)
            in_channels = channels
        self.proj = Conv2d(in_channels, embed_dim, 1, **factory)


class ImageTokens(nn.Module):
    """x (N, C, H, W) → dropout([class token; patches] + positions) (N, T, E). Equation 1.

    stem             from x to a map (N, E, h, w): PatchEmbedding(..., flatten=False), or ConvStem
    grid             (h, w) of the learned positions; for an image of another grid, they are interpolated (section 3.2)
    class_token      whether the first token stands for the whole image
    """

    def __init__(
        self,
        stem: nn.Module,
        embed_dim: int,
        grid: tuple[int, int],
        class_token: bool = True,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.stem, self.grid = stem, checks.pair("grid", grid)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        count = self.grid[0] * self.grid[1] + class_token
        self.register_parameter("class_token", None)
        if class_token:
            self.class_token = nn.Parameter(torch.empty(1, 1, embed_dim, **factory))
        self.positions = nn.Parameter(torch.empty(1, count, embed_dim, **factory))
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Positions N(0, 0.02²), the class token 0, and the last layer of the stem of variance 1 / fan_in."""
        init.normal_(self.positions, std=0.02)
        if self.class_token is not None:
            init.constant_(self.class_token, 0.0)
        last: Any = self.stem.proj
        init.trunc_normal_(last.weight, std=1 / sqrt(init.fans(last.weight)[0]))
        init.constant_(last.bias, 0.0)

    def positions_of(self, grid: tuple[int, int]) -> Float[Tensor, "1 T E"]:
        """The positions of a grid h × w: the learned ones, bicubically interpolated if it is another than theirs."""
        if grid == self.grid:
            return self.positions
        first = self.positions.size(1) - self.grid[0] * self.grid[1]
        learned = self.positions[:, first:].mT.unflatten(2, self.grid)  # 1, E, h, w
        return torch.cat([self.positions[:, :first], resize_bicubic(learned, grid).flatten(2).mT], 1)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N T E"]:
        patches = self.stem(x)  # N, E, h, w
        tokens = patches.flatten(2).mT
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(len(x), -1, -1).to(tokens.dtype), tokens], 1)
        return self.dropout(tokens + self.positions_of((patches.size(2), patches.size(3))))
