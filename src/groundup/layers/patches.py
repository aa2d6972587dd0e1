"""Patch embedding: an image becomes a sequence of tokens.

Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv:2010.11929, section 3.1 and equation 1.

Legend: N batch, C channels, (H, W) image, (P, Q) patch, (h, w) = (H / P, W / Q) patches, E embed_dim.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.layers.convolution import Conv2d


@component(
    41,
    "splits an image into patches and embeds them",
    paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv:2010.11929",
    oracle="torch.nn.functional.unfold",
    example="PatchEmbedding(3, 768, 16)(torch.randn(1, 3, 224, 224))",
)
class PatchEmbedding(nn.Module):
    """token = W · patch + b: each patch of C P Q numbers is mapped to E numbers

    Why: attention compares every token with every other. With one token per pixel, an image of 224 × 224 would have 2.5
    billion pairs; with patches of 16 × 16 it has 38 thousand.

    Args:
        in_channels: C.
        embed_dim: E.
        patch_size: (P, Q), or one number for both.
        flatten: True returns tokens (N, h w, E), row by row; False returns the map (N, E, h, w).
        device, dtype: of the parameters.

    x (N, C, H, W). H and W need not be equal, but must be multiples of the patch. Patches do not overlap, so that this
    is the convolution `proj` whose stride is its kernel: (C P Q + 1) E parameters.

    Example:
        >>> PatchEmbedding(3, 768, 16)(torch.randn(1, 3, 224, 224)).shape
        torch.Size([1, 196, 768])
    """

    def __init__(
        self,
        in_channels: int,
        embed_dim: int,
        patch_size: int | tuple[int, int],
        flatten: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.patch_size = checks.pair("patch_size", patch_size)
        self.embed_dim = checks.integer("embed_dim", embed_dim)
        self.flatten = flatten
        self.proj = Conv2d(in_channels, embed_dim, self.patch_size, stride=self.patch_size, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N tokens E"] | Float[Tensor, "N E h w"]:
        if not (isinstance(x, Tensor) and x.dim() == 4):  # a convolution takes (C, H, W) too
            checks.rank("x", checks.tensor("x", x), 4, layout="(N, C, H, W)")
        for axis, name in ((0, "height"), (1, "width")):
            size, patch = x.size(axis + 2), self.patch_size[axis]
            if size < patch or size % patch:
                raise ValueError(
                    f"x's {name} must be a multiple of the patch's {patch}, got {size}: crop, pad or resize the images"
                )
        y = self.proj(x)  # N, E, h, w
        return y.flatten(2).mT if self.flatten else y

    def extra_repr(self) -> str:
        return "" if self.flatten else "flatten=False"
