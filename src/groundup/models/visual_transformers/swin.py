"""Swin Transformer: attention inside windows, which shift by half from block to block, on a map that shrinks.

Liu et al. 2021, Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, arXiv:2103.14030, figure 3.

    image ─ patches ─ stage1 ─ merge, stage2 ─ merge, stage3 ─ merge, stage4 ─ norm ─ mean ─ head
            1/4       1/4      1/8             1/16            1/32                          scores
    block:  x + attention in windows(norm(x)), then x + W₂ gelu(W₁ norm(x)); every second block shifts

Shapes: N batch, (H, W) size of the map, E embed_dim, M window_size, s shift_size, W windows of an image, n = M² tokens.
Maps are (N, H, W, E), with the features last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, pad2d
from groundup.layers import LayerNorm, Linear, PatchEmbedding, RelativeWindowAttention, StochasticDepth
from groundup.models.classifier import ImageClassifier
from groundup.models.transformer_networks.block import FeedForward, TransformerBlock

_LIU = "Liu et al. 2021, Swin Transformer, arXiv:2103.14030"


def to_windows(x: Float[Tensor, "N H W E"], size: int) -> Float[Tensor, "NW n E"]:
    """Cut maps into windows of size × size, row by row, those of one image together; H and W are multiples of size."""
    N, H, W, E = x.shape
    x = x.reshape(N, H // size, size, W // size, size, E)
    return x.transpose(2, 3).reshape(N * (H // size) * (W // size), size * size, E)


def from_windows(windows: Float[Tensor, "NW n E"], size: int, height: int, width: int) -> Float[Tensor, "N H W E"]:
    """Join windows into maps of height × width; the inverse of `to_windows`."""
    x = windows.reshape(-1, height // size, width // size, size, size, windows.size(2))
    return x.transpose(2, 3).reshape(-1, height, width, windows.size(2))


def shift_mask(
    height: int, width: int, size: int, shift: tuple[int, int], device: torch.device | None = None
) -> Bool[Tensor, "W n n"]:
    """Return the mask of a map that was rolled up and left by `shift`: True where tokens of a window are neighbours.

    The roll moves the first rows and columns behind the last ones, so that the windows at the far edges hold tokens of
    two sides of the image. Tokens attend to each other if, on both axes, both were moved around the edge or neither
    was. Section 3.2, figure 4.
    """
    rows = (torch.arange(height, device=device) >= height - shift[0]).view(-1, 1, size, 1)  # moved around the edge
    columns = (torch.arange(width, device=device) >= width - shift[1]).view(1, -1, 1, size)
    region = (2 * rows + 1 * columns).view(-1, size * size)  # W, n
    return region[:, :, None] == region[:, None, :]


class ShiftedWindowAttention(nn.Module):
    """Attention inside each window of M × M tokens: x (N, H, W, E) -> (N, H, W, E); a shift moves the windows by s.

    Why windows: attention between all tokens of a map costs (H W)², attention in windows H W M². Why shift: windows
    that never move would never exchange anything. Zeros at the far edges of the map make the windows fit. On an axis
    that one window covers, nothing shifts.

    Args:
        embed_dim: E.
        num_heads: heads of the attention.
        window_size: M.
        shift_size: s, below M; 0 for windows that do not shift.
        device, dtype: of the parameters.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        window_size: int,
        shift_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.window_size = checks.integer("window_size", window_size)
        self.shift_size = checks.integer("shift_size", shift_size, 0)
        checks.require(
            shift_size < window_size, f"shift_size must be below window_size {window_size}, got {shift_size}"
        )
        self.attention = RelativeWindowAttention(embed_dim, num_heads, window_size, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "N H W E"]) -> Float[Tensor, "N H W E"]:
        height, width, size = x.size(1), x.size(2), self.window_size
        x = pad_to_multiple(x, size)
        high, wide = x.size(1), x.size(2)
        down = self.shift_size if high > size else 0
        right = self.shift_size if wide > size else 0
        mask = None
        if down or right:
            x = x.roll((-down, -right), (1, 2))
            mask = shift_mask(high, wide, size, (down, right), x.device)  # W, n, n
        x = self.attention(to_windows(x, size), mask)  # N W, n, E
        x = from_windows(x, size, high, wide)  # N, high, wide, E
        if down or right:
            x = x.roll((down, right), (1, 2))
        return x[:, :height, :width]

    def extra_repr(self) -> str:
        return f"window_size={self.window_size}, shift_size={self.shift_size}"


def pad_to_multiple(x: Float[Tensor, "N H W E"], multiple: int) -> Float[Tensor, "N P Q E"]:
    """Pad with zeros below and to the right, so that both sizes become multiples of `multiple`."""
    down, right = -x.size(1) % multiple, -x.size(2) % multiple
    return pad2d(x.permute(0, 3, 1, 2), (0, down, 0, right)).permute(0, 2, 3, 1) if down or right else x


@component(
    115,
    "attention in windows, optionally shifted",
    paper=_LIU,
    oracle="torchvision's SwinTransformerBlock; dense attention, masked",
    example="SwinTransformerBlock(96, 3)(torch.randn(1, 56, 56, 96))",
)
class SwinTransformerBlock(TransformerBlock):
    """x (N, H, W, E) -> (N, H, W, E): one attention in windows, shifted if shift_size > 0, and a feed-forward network.

    Equation 3 is two of these blocks, one that does not shift and one that does; `depths` of a Swin count single ones.

    Args:
        embed_dim: E.
        num_heads: heads of the attention.
        window_size: M, height and width of a window.
        shift_size: s, by which the windows shift; M // 2 in the paper's second blocks.
        mlp_ratio: hidden features of the feed-forward network, divided by E.
        stochastic_depth: probability that a sample skips a part of the block in training.
        device, dtype: of the parameters.

    Example:
        >>> SwinTransformerBlock(8, 2, window_size=4, shift_size=2)(torch.randn(1, 8, 8, 8)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        window_size: int = 7,
        shift_size: int = 0,
        mlp_ratio: float = 4.0,
        stochastic_depth: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        super().__init__(
            self_attn=ShiftedWindowAttention(embed_dim, num_heads, window_size, shift_size, **factory),
            feed_forward=FeedForward(embed_dim, int(mlp_ratio * embed_dim), "gelu", **factory),
            norm=lambda: LayerNorm(embed_dim, **factory),
            dropout=StochasticDepth(stochastic_depth),
        )
        self.embed_dim = embed_dim

    def forward(self, x: Float[Tensor, "N H W E"]) -> Float[Tensor, "N H W E"]:  # type: ignore[override]
        checks.rank("x", checks.floating("x", x), 4, layout="(N, H, W, E)")
        checks.size("x", x, 3, self.embed_dim, "features (embed_dim)")
        x = x + self.dropout(self.self_attn(self.self_attn_norm(x)))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class PatchMerging(nn.Module):
    """x (N, H, W, E) -> (N, ⌈H / 2⌉, ⌈W / 2⌉, 2 E): concatenate each 2 × 2 tokens, norm, linear layer. Section 3.1.

    It gives later stages a coarser map with more features, as pooling does in a convolutional network. The four tokens
    are concatenated in the order (0, 0), (1, 0), (0, 1), (1, 1) of (row, column).
    """

    def __init__(
        self, embed_dim: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.norm = LayerNorm(4 * embed_dim, device=device, dtype=dtype)
        self.reduction = Linear(4 * embed_dim, 2 * embed_dim, bias=False, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "N H W E"]) -> Float[Tensor, "N P Q F"]:
        x = pad_to_multiple(x, 2)
        four = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(four, -1)))


class ImagePatches(nn.Module):
    """x (N, C, H, W) -> norm(patches) (N, ⌈H / P⌉, ⌈W / P⌉, E); the image is padded with zeros so that patches fit."""

    def __init__(
        self,
        in_channels: int,
        embed_dim: int,
        patch_size: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.embedding = PatchEmbedding(in_channels, embed_dim, patch_size, False, device, dtype)
        self.norm = LayerNorm(embed_dim, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N P Q E"]:
        down, right = (-size % patch for size, patch in zip(x.shape[2:], self.embedding.patch_size))
        return self.norm(self.embedding(pad2d(x, (0, down, 0, right))).permute(0, 2, 3, 1))


@component(
    116,
    "hierarchical vision transformer with shifted windows",
    paper=_LIU,
    oracle="torchvision's swin_t, timm's and transformers' Swin",
    example="SwinTransformer()(torch.randn(1, 3, 224, 224))",
    figures={"parameters": "29 × 10⁶ (table 1, Swin-T)", "multiply-adds": "4.5 × 10⁹ (table 1, Swin-T)"},
)
class SwinTransformer(ImageClassifier):
    """x (N, in_channels, H, W), any size -> scores (N, num_classes).

    Its cost is linear in the number of pixels, and its four maps are those of a convolutional network, so that it can
    replace one in detection and segmentation. Matrices are drawn from N(0, 0.02²), biases are 0.

    Args:
        num_classes: the number of scores.
        in_channels: channels of the images.
        patch_size: height and width of a patch.
        embed_dim: features of the first stage; each merge doubles them.
        depths: blocks of the four stages; every second one shifts by window_size // 2.
        num_heads: heads of the attention in the four stages.
        window_size: M, height and width of a window.
        mlp_ratio: hidden features of the feed-forward networks, divided by the features of the stage.
        stochastic_depth: probability that a sample skips a part of the last block in training; it grows from 0 at the
            first block linearly.
        device, dtype: of the parameters.

    Example:
        >>> sizes = {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8), "window_size": 2}
        >>> SwinTransformer(num_classes=5, **sizes)(torch.randn(2, 3, 64, 64)).shape
        torch.Size([2, 5])
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # sections 3.3 and 4.1        parameters
        "swin_t": {},  #                                                                   28,288,354
        "swin_s": {"depths": (2, 2, 18, 2), "stochastic_depth": 0.3},  #                   49,606,258
        "swin_b": {  #                                                                     87,768,224
            "embed_dim": 128,
            "depths": (2, 2, 18, 2),
            "num_heads": (4, 8, 16, 32),
            "stochastic_depth": 0.5,
        },
    }

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        patch_size: int = 4,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        stochastic_depth: float = 0.2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        checks.integer("patch_size", patch_size)
        checks.integers("depths", depths, 4, each="one per stage")
        checks.integers("num_heads", num_heads, 4, each="one per stage")
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        most, last = checks.probability("stochastic_depth", stochastic_depth), max(sum(depths) - 1, 1)

        def stage(index: int) -> nn.Sequential:
            wide, before = embed_dim * 2**index, sum(depths[:index])
            parts = {"merge": PatchMerging(wide // 2, **factory)} if index > 0 else {}
            blocks = nn.Sequential()
            for i in range(depths[index]):
                shift = window_size // 2 if i % 2 else 0
                size = (wide, num_heads[index], window_size, shift, mlp_ratio)
                blocks.append(SwinTransformerBlock(*size, most * (before + i) / last, **factory))
            return nn.Sequential(OrderedDict(**parts, blocks=blocks))

        self.patches = ImagePatches(in_channels, embed_dim, patch_size, **factory)
        self.stage1, self.stage2, self.stage3, self.stage4 = map(stage, range(4))
        self.norm = LayerNorm(8 * embed_dim, **factory)
        self.head = Linear(8 * embed_dim, num_classes, **factory)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for part in self.modules():
            if isinstance(part, Linear):
                init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    init.constant_(part.bias, 0.0)

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N P Q E"]:
        """Compute the map that the head reads."""
        # In the column, swin_t at 224 × 224
        x = self.patches(x)  # -> 56, 56, 96
        x = self.stage1(x)  #  -> 56, 56, 96
        x = self.stage2(x)  #  -> 28, 28, 192
        x = self.stage3(x)  #  -> 14, 14, 384
        x = self.stage4(x)  #  -> 7, 7, 768
        return self.norm(x)  # -> 7, 7, 768

    def forward_head(self, x: Float[Tensor, "N P Q E"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        """Compute the scores of a map; with `pre_logits`, return the mean over its places."""
        x = x.mean((1, 2))  # N, E
        return x if pre_logits else self.head(x)  # -> 1000

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))
