"""Swin Transformer: attention inside windows, which shift by half from block to block, over an image that shrinks.

Liu et al. 2021, Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, arXiv:2103.14030, figure 3.

    image ─ patches ─ stage1 ─ merge, stage2 ─ merge, stage3 ─ merge, stage4 ─ norm ─ mean ─ head
            1/4       1/4      1/8             1/16            1/32                          scores
    block:  x + attention in windows(norm(x)),  then x + feed-forward(norm(x));  every second block shifts

Legend: N batch, (H, W) the map's size, E embed_dim, M window_size, s shift_size, W windows of an image, n = M² tokens.
Maps are (N, H, W, E), their features last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init, pad2d
from groundup.layers import LayerNorm, Linear, PatchEmbedding, RelativeWindowAttention, StochasticDepth
from groundup.models.classifier import ImageClassifier
from groundup.models.transformer_networks.block import FeedForward, TransformerBlock


def to_windows(x: Float[Tensor, "N H W E"], size: int) -> Float[Tensor, "NW n E"]:
    """The windows of size × size, those of one image together, row by row; H and W are multiples of it."""
    return x.unflatten(2, (-1, size)).unflatten(1, (-1, size)).transpose(2, 3).flatten(3, 4).flatten(0, 2)


def from_windows(windows: Float[Tensor, "NW n E"], size: int, height: int, width: int) -> Float[Tensor, "N H W E"]:
    """The inverse of `to_windows`, to maps of height × width."""
    grid = windows.unflatten(0, (-1, height // size, width // size)).unflatten(3, (size, size))
    return grid.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def shift_mask(
    height: int, width: int, size: int, shift: tuple[int, int], device: torch.device | None = None
) -> Bool[Tensor, "W n n"]:
    """Who may attend to whom in the windows of a map that was rolled up and left by `shift`: True where both tokens
    came over the far edge, or neither did, on either axis. The others were never neighbours. Section 3.2, figure 4."""
    rows, columns = (
        torch.arange(count, device=device) >= count - by for count, by in zip((height, width), shift)
    )  # came over the edge
    region = (2 * rows[:, None] + 1 * columns)[None, :, :, None]
    tokens = to_windows(region.float(), size)[..., 0]  # W, n
    return tokens[:, :, None] == tokens[:, None, :]


class ShiftedWindowAttention(nn.Module):
    """Attention inside each window of M × M of x (N, H, W, E) → (N, H, W, E); with a shift, the windows start s later.

    The map is padded with zeros to whole windows, at its far edges. On an axis that one window covers, nothing shifts.
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
        height, width = x.shape[1:3]
        x = padded(x, self.window_size)
        high, wide = x.shape[1:3]
        down, right = (self.shift_size if size > self.window_size else 0 for size in (high, wide))
        mask = None
        if down or right:
            x = x.roll((-down, -right), (1, 2))
            mask = shift_mask(high, wide, self.window_size, (down, right), x.device)
        x = self.attention(to_windows(x, self.window_size), mask)
        x = from_windows(x, self.window_size, high, wide)
        if down or right:
            x = x.roll((down, right), (1, 2))
        return x[:, :height, :width]

    def extra_repr(self) -> str:
        return f"window_size={self.window_size}, shift_size={self.shift_size}"


def padded(x: Float[Tensor, "N H W E"], multiple: int) -> Float[Tensor, "N P Q E"]:
    """Zeros below and to the right, up to the next multiple of both sizes."""
    down, right = (-size % multiple for size in x.shape[1:3])
    return pad2d(x.permute(0, 3, 1, 2), (0, down, 0, right)).permute(0, 2, 3, 1) if down or right else x


class SwinTransformerBlock(TransformerBlock):
    """x (N, H, W, E) → the same: one attention, in windows or (shift_size > 0) in shifted ones, and a feed-forward net.

    Equation 3 is two of these, one of each kind; depths count single ones.
    stochastic_depth: the probability that a sample goes past a part, in training.
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
            ShiftedWindowAttention(embed_dim, num_heads, window_size, shift_size, **factory),
            FeedForward(embed_dim, int(mlp_ratio * embed_dim), "gelu", **factory),
            lambda: LayerNorm(embed_dim, **factory),
            dropout=StochasticDepth(stochastic_depth),
        )
        self.embed_dim = embed_dim

    def forward(self, x: Float[Tensor, "N H W E"]) -> Float[Tensor, "N H W E"]:  # type: ignore[override]
        checks.rank("x", checks.floating("x", x), 4, layout="(N, H, W, E)")
        checks.size("x", x, 3, self.embed_dim, "features (embed_dim)")
        x = self._add(x, self.self_attn_norm, self.self_attn)
        return self._add(x, self.feed_forward_norm, self.feed_forward)


class PatchMerging(nn.Module):
    """x (N, H, W, E) → (N, ⌈H / 2⌉, ⌈W / 2⌉, 2 E): each 2 × 2 tokens side by side, a norm, a linear layer. Section 3.1.

    The four are in the order (0, 0), (1, 0), (0, 1), (1, 1) of (row, column).
    """

    def __init__(
        self, embed_dim: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.norm = LayerNorm(4 * embed_dim, device=device, dtype=dtype)
        self.reduction = Linear(4 * embed_dim, 2 * embed_dim, bias=False, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "N H W E"]) -> Float[Tensor, "N P Q F"]:
        x = padded(x, 2)
        four = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(four, -1)))


class ImagePatches(nn.Module):
    """x (N, C, H, W) → norm(patches) (N, ⌈H / P⌉, ⌈W / P⌉, E), the image padded with zeros to whole patches."""

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


class SwinTransformer(ImageClassifier):
    """x (N, in_channels, H, W), any size → scores (N, num_classes).

    embed_dim           of the first stage; each merging doubles it
    depths, num_heads   of the four stages; depths count attention layers, of which every second one shifts by M // 2
    stochastic_depth    of the last block; it grows from 0 at the first, block by block

    Matrices begin N(0, 0.02²), biases 0.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # section 3.3, and section 4.1 for stochastic depth
        "swin_t": {},
        "swin_s": {"depths": (2, 2, 18, 2), "stochastic_depth": 0.3},
        "swin_b": {
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
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        checks.integer("patch_size", patch_size)
        checks.integers("depths", depths, 4, each="one a stage")
        checks.integers("num_heads", num_heads, 4, each="one a stage")
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

        # In the column, swin_t at 224 × 224.
        self.patches = ImagePatches(in_channels, embed_dim, patch_size, **factory)  # -> 56, 56, 96
        self.stage1 = stage(0)  #                                                      -> 56, 56, 96
        self.stage2 = stage(1)  #                                                      -> 28, 28, 192
        self.stage3 = stage(2)  #                                                      -> 14, 14, 384
        self.stage4 = stage(3)  #                                                      -> 7, 7, 768
        self.norm = LayerNorm(8 * embed_dim, **factory)  #                             -> 7, 7, 768
        self.head = Linear(8 * embed_dim, num_classes, **factory)  #                   -> 1000
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for part in self.modules():
            if isinstance(part, Linear):
                init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    init.constant_(part.bias, 0.0)

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N P Q E"]:
        x = self.patches(x)
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = self.norm(x)
        return x

    def forward_head(self, x: Float[Tensor, "N P Q E"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        """Scores of a map; with `pre_logits`, the mean over its places."""
        vector = x.mean((1, 2))
        return vector if pre_logits else self.head(vector)
