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
from groundup.layers.positions import RelativePositionBias2d


@component(
    36,
    "window attention with a bias for each relative offset",
    paper="Liu et al. 2021, Swin Transformer, arXiv:2103.14030",
    oracle="torchvision's and timm's Swin",
    example="RelativeWindowAttention(96, 3, 7)(torch.randn(1, 49, 96))",
)
class RelativeWindowAttention(TorchKeywords, nn.Module):
    """Attention(Q, K, V) = SoftMax(Q Kᵀ / √d + B) V in every head and window, B the bias of each offset (equation 4)

    Why: attention over an image costs the square of its tokens; inside windows it costs their number times n. The
    bias says how the score of two tokens depends on their offset, which is all that a position means in a window.

    Args:
        embed_dim: E.
        num_heads: H.
        window_size: M, or (height, width).
        bias: whether the four projections have one, as Swin's do.
        dropout: the probability of dropping an attention weight, in training mode.
        device, dtype: of the parameters.

    Example:
        >>> windows = torch.randn(2 * 4, 7 * 7, 96)  # 4 windows of each of 2 images
        >>> RelativeWindowAttention(96, 3, window_size=7)(windows).shape
        torch.Size([8, 49, 96])
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
        """Attend inside each window.

        Args:
            x: windows of n tokens in reading order, those of one image together.
            mask: for windows that are shifted over the border of an image: which tokens are neighbours in the image,
                True = may attend, or a float to add.
            need_weights: return (output, weights (B · W, H, n, n)).
        """
        height, width = self.window_size
        n = height * width
        if not isinstance(x, Tensor) or x.dim() != 3 or x.size(1) != n:
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
