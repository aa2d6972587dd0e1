"""Attention inside the windows of an image. Liu et al. 2021, Swin Transformer, arXiv:2103.14030, section 3.2.

Legend: B batch, W windows of an image, M window_size, n = M² tokens of a window, E embed_dim, H num_heads.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.layers.keywords import TorchKeywords
from groundup.layers.multi_head_attention import MultiHeadAttention
from groundup.layers.position import RelativePositionBias2d


@component(
    36,
    "window attention with a bias for each relative offset",
    paper="Liu et al. 2021, Swin Transformer, arXiv:2103.14030",
    oracle="torchvision's and timm's Swin",
    example="RelativeWindowAttention(96, 3, 7)(torch.randn(1, 49, 96))",
)
class RelativeWindowAttention(TorchKeywords, nn.Module):
    """Attention(Q, K, V) = SoftMax(Q Kᵀ / √d + B) V in every head and window, B the bias of each offset (equation 4).

    x (B · W, n, E): windows of M × M tokens in reading order, those of one image together; B is shared by all.
    mask (W, n, n): for windows shifted over the border of an image, which tokens truly are neighbours: boolean
    (True = may attend), or a float to add. need_weights=True: returns (output, weights (B · W, H, n, n)).
    bias: of all four projections, as Swin has them. window_size: M, or (height, width).
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        window_size: int | tuple[int, int],
        bias: bool = True,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.window_size = checks.pair("window_size", window_size)
        self.attention = MultiHeadAttention(embed_dim, num_heads, bias, dropout, device=device, dtype=dtype)
        self.position_bias = RelativePositionBias2d(*self.window_size, num_heads, device=device, dtype=dtype)

    def forward(
        self,
        x: Float[Tensor, "BW n E"],
        mask: Bool[Tensor, "W n n"] | Float[Tensor, "W n n"] | None = None,
        need_weights: bool = False,
    ) -> Float[Tensor, "BW n E"] | tuple[Float[Tensor, "BW n E"], Float[Tensor, "BW H n n"]]:
        height, width = self.window_size
        n = height * width
        checks.rank("x", checks.floating("x", x), 3, layout="(windows, tokens, embed_dim)")
        checks.size("x", x, 1, n, f"tokens, a window of {height} × {width}")
        scores = self.position_bias()[None]  # 1, H, n, n
        if mask is not None:
            if tuple(checks.tensor("mask", mask).shape[1:]) != (n, n) or mask.dim() != 3 or x.size(0) % mask.size(0):
                raise ValueError(
                    f"mask must have shape (W, {n}, {n}) with W a divisor of x's {x.size(0)} windows, got "
                    f"{tuple(mask.shape)}"
                )
            shifted = mask[:, None]  # W, 1, n, n
            scores = torch.where(shifted, scores, -torch.inf) if mask.dtype == torch.bool else scores + shifted
            scores = scores.repeat(x.size(0) // mask.size(0), 1, 1, 1)  # B W, H, n, n
        return self.attention(x, mask=scores, need_weights=need_weights)

    def extra_repr(self) -> str:
        return f"window_size={self.window_size}"
