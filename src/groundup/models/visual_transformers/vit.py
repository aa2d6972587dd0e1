"""Vision Transformer: an image is a sentence of patches.

Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv:2010.11929, section 3.1 and table 1;
Xiao et al. 2021, Early Convolutions Help Transformers See Better, arXiv:2106.14881, section 4 and table 2.

    image ─ patches ─ + class token, positions ─ block × L ─ norm ─ class token ─ head
            (N, h w, E)     (N, h w + 1, E)                          (N, E)        scores
    block:  x + attention(norm(x)), then x + W₂ gelu(W₁ norm(x))

Shapes: N batch, C channels, (h, w) the grid of patches, T = h w + 1 tokens (h w without a class token), E embed_dim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partialmethod
from math import prod, sqrt
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, resize_bicubic
from groundup.layers import BatchNorm2d, Conv2d, Dropout, LayerNorm, Linear, MultiHeadAttention, PatchEmbedding
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ImageClassifier
from groundup.models.transformer_networks.block import FeedForward, TransformerBlock

_LARGE = {"embed_dim": 1024, "num_layers": 24, "num_heads": 16}
_SMALL, _TINY = {"embed_dim": 384, "num_heads": 6}, {"embed_dim": 192, "num_heads": 3}
_DIGITS = {"num_classes": 10, "in_channels": 1, "image_size": 16, "patch_size": 4}
_CIFAR = {"num_classes": 10, "image_size": 32, "patch_size": 4, "dropout": 0.1}

#: Dosovitskiy, table 1. The names are torchvision's, whose weights these models load; "small" and "tiny" are Touvron's
#: (arXiv:2012.12877), named as in timm; ".hf" is the model as Hugging Face publishes it, with another eps.
PRESETS: dict[str, dict[str, Any]] = {  #                                                         parameters
    "vit_b_16": {},  #                                                                            86,567,656
    "vit_b_32": {"patch_size": 32},  #                                                            88,224,232
    "vit_l_16": _LARGE,  #                                                                       304,326,632
    "vit_l_32": _LARGE | {"patch_size": 32},
    "vit_h_14": {"patch_size": 14, "embed_dim": 1280, "num_layers": 32, "num_heads": 16},  #     632,045,800
    "vit_s_16": _SMALL,  #                                                                        22,050,664
    "vit_s_32": _SMALL | {"patch_size": 32},
    "vit_ti_16": _TINY,
    "vit_b_16_384": {"image_size": 384},  #                                                       86,859,496
    "vit_b_16.hf": {"norm_eps": 1e-12},
    "digits": _DIGITS | {"embed_dim": 64, "num_layers": 3, "num_heads": 4, "mlp_dim": 128},
    "cifar10": _CIFAR | {"embed_dim": 192, "num_layers": 6, "num_heads": 3},
}


def _stem(*channels: int) -> tuple[tuple[int, int], ...]:
    """Return (channels, stride) of each 3 × 3 convolution: four that halve the image, or six, of which four do."""
    return tuple(zip(channels, (2, 2, 1, 2, 1, 2) if len(channels) == 6 else (2, 2, 2, 2)))


_C1 = {"embed_dim": 192, "num_heads": 3, "mlp_dim": 576}
_C4 = {"embed_dim": 384, "num_heads": 6, "mlp_dim": 1152}
_C36 = {"embed_dim": 1024, "num_heads": 16, "mlp_dim": 4096}

#: Xiao, table 2, ViT_C: the stem replaces one block, so that the multiply-adds stay those of the model with patches.
CONV_PRESETS: dict[str, dict[str, Any]] = {  #                                                    parameters
    "vit_c_18gf": {"num_layers": 11, "conv_stem": _stem(64, 128, 128, 256, 256, 512)},  #         81,573,160
    "vit_c_1gf": _C1 | {"num_layers": 11, "conv_stem": _stem(24, 48, 96, 192)},  #                 4,567,936
    "vit_c_4gf": _C4 | {"num_layers": 11, "conv_stem": _stem(48, 96, 192, 384)},  #               17,754,136
    "vit_c_36gf": _C36 | {"num_layers": 13, "conv_stem": _stem(64, 128, 128, 256, 256, 512)},  #  167,796,008
}


class ConvStem(nn.Sequential):
    """3 × 3 convolutions, each with batch normalisation and ReLU, then one of 1 × 1: (N, C, H, W) -> (N, E, h, w).

    Why: overlapping small convolutions make training less sensitive to the learning rate and the optimizer than one
    large stride does. Xiao et al., section 4.

    Args:
        in_channels: C.
        embed_dim: E.
        layers: (channels, stride) of each 3 × 3 convolution; the product of the strides is the size of a patch.
        factory: `device` and `dtype` of the parameters.
    """

    def __init__(self, in_channels: int, embed_dim: int, layers: Sequence[tuple[int, int]], **factory: Any) -> None:
        super().__init__()
        for i, (channels, stride) in enumerate(layers):
            conv = ConvReLU(in_channels, channels, 3, stride, padding=1, norm=BatchNorm2d, **factory)
            self.add_module(f"conv{i}", conv)
            in_channels = channels
        self.proj = Conv2d(in_channels, embed_dim, 1, **factory)


class ImageTokens(nn.Module):
    """x (N, C, H, W) -> dropout([class token; patches] + positions) (N, T, E). Dosovitskiy et al., equation 1.

    Why a class token: a learned query that belongs to no patch can collect what the classifier needs from all of them.
    Why positions: attention does not know the order of tokens; without positions the patches could be shuffled.

    Args:
        stem: from x to a map (N, E, h, w): PatchEmbedding(..., flatten=False), or ConvStem.
        embed_dim: E.
        grid: (h, w) of the learned positions; for an image of another size they are interpolated (section 3.2).
        class_token: whether a class token, which belongs to no patch, comes first.
        dropout: probability of dropping a feature of the result.
        device, dtype: of the parameters.
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
        """Draw positions from N(0, 0.02²) and the last layer of the stem with variance 1 / fan_in; class token 0."""
        init.normal_(self.positions, std=0.02)
        if self.class_token is not None:
            init.constant_(self.class_token, 0.0)
        last: Any = self.stem.proj
        init.trunc_normal_(last.weight, std=1 / sqrt(init.fans(last.weight)[0]))
        init.constant_(last.bias, 0.0)

    def interpolate_positions(self, grid: tuple[int, int]) -> Float[Tensor, "1 T E"]:
        """Return the positions of a grid h × w: the learned ones, interpolated bicubically if theirs is another."""
        if grid == self.grid:
            return self.positions
        first = self.positions.size(1) - self.grid[0] * self.grid[1]
        learned = self.positions[:, first:].mT.unflatten(2, self.grid)  # 1, E, h, w
        return torch.cat([self.positions[:, :first], resize_bicubic(learned, grid).flatten(2).mT], 1)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N T E"]:
        patches = self.stem(x)  # N, E, h, w
        tokens = patches.flatten(2).mT  # N, h w, E
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(len(x), -1, -1).to(tokens.dtype), tokens], 1)  # N, T, E
        return self.dropout(tokens + self.interpolate_positions((patches.size(2), patches.size(3))))


@component(
    113,
    "transformer over the patches of an image",
    paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv:2010.11929",
    oracle="torchvision's vit_b_16, timm's and transformers' ViT",
    example="VisionTransformer()(torch.randn(1, 3, 224, 224))",
    figures={"parameters": "86 × 10⁶ (table 1, ViT-Base)"},
)
class VisionTransformer(ImageClassifier):
    """x (N, in_channels, H, W), H and W multiples of the patch -> scores (N, num_classes).

    Why no convolutions: attention connects every patch with every other from the first block on. It has to learn from
    data what a convolution assumes, that neighbours belong together, and needs more images for it. Matrices are drawn
    Glorot-uniform and positions from N(0, 0.02²); the class token and the head are 0, as in the authors' code.
    Differs from the paper: the head has no hidden layer, as in the published, fine-tuned models.

    Args:
        num_classes: the number of scores.
        in_channels: channels of the images.
        image_size: height and width that the positions are learned for; other images get them interpolated.
        patch_size: height and width of a patch.
        embed_dim: E, features of a token.
        num_layers: the number of blocks.
        num_heads: heads of the attention.
        mlp_dim: hidden features of the feed-forward networks; 4 E by default.
        pool: "token": the head reads the class token; "mean": the mean of all tokens, and there is no class token.
        dropout: of the tokens, the feed-forward networks, and what each part of a block adds.
        attention_dropout: of the attention weights.
        norm_eps: 1e-6, as in the authors' code, torchvision and timm.
        conv_stem: (channels, stride) of the 3 × 3 convolutions of a `ConvStem`; None cuts patches.
        device, dtype: of the parameters.

    Example:
        >>> model = VisionTransformer.preset("digits")
        >>> model(torch.randn(2, 1, 16, 16)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    input_sizes: ClassVar = {"vit_b_16_384": (3, 384, 384), "digits": (1, 16, 16), "cifar10": (3, 32, 32)}

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        image_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        embed_dim: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        mlp_dim: int | None = None,
        pool: str = "token",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        norm_eps: float = 1e-6,
        conv_stem: Sequence[tuple[int, int]] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        self.pool = checks.choice("pool", pool, ("token", "mean"))
        checks.integer("num_layers", num_layers)
        height, width = checks.pair("image_size", image_size)
        self.min_size = checks.integer("patch_size", patch_size)
        checks.require(
            height % patch_size == 0 and width % patch_size == 0,
            f"image_size must be a multiple of patch_size {patch_size}, got {image_size}",
        )
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        stem: nn.Module = PatchEmbedding(in_channels, embed_dim, patch_size, flatten=False, **factory)
        if conv_stem is not None:
            halvings = prod(stride for _, stride in conv_stem)
            checks.require(halvings == patch_size, f"conv_stem's strides must make {patch_size}, they make {halvings}")
            stem = ConvStem(in_channels, embed_dim, conv_stem, **factory)
        grid = (height // patch_size, width // patch_size)
        hidden = 4 * embed_dim if mlp_dim is None else mlp_dim

        def norm() -> LayerNorm:
            return LayerNorm(embed_dim, norm_eps, **factory)

        def block() -> TransformerBlock:
            attention = MultiHeadAttention(embed_dim, num_heads, dropout=attention_dropout, **factory)
            feed_forward = FeedForward(embed_dim, hidden, "gelu", dropout, **factory)
            return TransformerBlock(attention, feed_forward, norm, dropout=dropout)

        self.tokens = ImageTokens(stem, embed_dim, grid, pool == "token", dropout, **factory)
        self.blocks = nn.Sequential(*(block() for _ in range(num_layers)))
        self.norm = norm()
        self.head = Linear(embed_dim, num_classes, **factory)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for part in self.blocks.modules():
            if isinstance(part, FeedForward):
                for layer in (part.linear1, part.linear2):
                    init.xavier_uniform_(layer.weight)
                    assert layer.bias is not None
                    init.normal_(layer.bias, std=1e-6)
        init.constant_(self.head.weight, 0.0)
        if self.head.bias is not None:
            init.constant_(self.head.bias, 0.0)

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N T E"]:
        """Compute the tokens that the head reads."""
        # In the column, vit_b_16 at 224 × 224
        x = self.tokens(x)  # -> 197, 768
        x = self.blocks(x)  # -> 197, 768
        return self.norm(x)  # -> 197, 768

    def forward_head(self, x: Float[Tensor, "N T E"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        """Compute the scores of tokens; with `pre_logits`, return the class token, or the mean of all."""
        x = x[:, 0] if self.pool == "token" else x.mean(1)  # N, E
        return x if pre_logits else self.head(x)  # -> 1000

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))


@component(
    114,
    "vision transformer with a convolutional stem",
    paper="Xiao et al. 2021, Early Convolutions Help Transformers See Better, arXiv:2106.14881",
    oracle="torchvision's VisionTransformer with conv_stem_configs",
    example="VisionTransformerConvStem()(torch.randn(1, 3, 224, 224))",
)
class VisionTransformerConvStem(VisionTransformer):
    """A VisionTransformer whose tokens are made by convolutions, which replace one block; the arguments are the same.

    The default is ViT_C-18GF: 81,573,160 parameters, 17.711 · 10⁹ multiply-adds at 224 × 224.

    Example:
        >>> sizes = {"num_classes": 5, "image_size": 32, "embed_dim": 12, "num_heads": 2, "num_layers": 1}
        >>> model = VisionTransformerConvStem(conv_stem=((4, 2), (4, 2)), patch_size=4, **sizes)
        >>> model(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 5])
    """

    presets: ClassVar = CONV_PRESETS
    input_sizes: ClassVar = {}
    __init__ = partialmethod(VisionTransformer.__init__, **CONV_PRESETS["vit_c_18gf"])
