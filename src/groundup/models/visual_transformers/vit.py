"""Vision Transformer: an image is a sentence of patches.

Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv:2010.11929, table 1;
Xiao et al. 2021, Early Convolutions Help Transformers See Better, arXiv:2106.14881, table 2.

    image ─ patches ─ + class token, positions ─ block × L ─ norm ─ class token ─ head
            (N, h w, E)     (N, h w + 1, E)                          (N, E)        scores
    block:  x + attention(norm(x)),  then x + feed-forward(norm(x))

Legend: N batch, T tokens, E embed_dim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partialmethod
from math import prod
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init
from groundup.layers import LayerNorm, Linear, MultiHeadAttention, PatchEmbedding
from groundup.models.classifier import ImageClassifier
from groundup.models.transformer_networks.block import FeedForward, TransformerBlock
from groundup.models.visual_transformers.tokens import ConvStem, ImageTokens

_LARGE = {"embed_dim": 1024, "num_layers": 24, "num_heads": 16}
_SMALL, _TINY = {"embed_dim": 384, "num_heads": 6}, {"embed_dim": 192, "num_heads": 3}
_DIGITS = {"num_classes": 10, "in_channels": 1, "image_size": 16, "patch_size": 4}
_CIFAR = {"num_classes": 10, "image_size": 32, "patch_size": 4, "dropout": 0.1}

#: Dosovitskiy, table 1; the names are torchvision's, whose weights they take; timm's "small" and "tiny" are Touvron's
#: (arXiv:2012.12877). ".hf": as Hugging Face ships it, with another eps.
PRESETS: dict[str, dict[str, Any]] = {
    "vit_b_16": {},
    "vit_b_32": {"patch_size": 32},
    "vit_l_16": _LARGE,
    "vit_l_32": _LARGE | {"patch_size": 32},
    "vit_h_14": {"patch_size": 14, "embed_dim": 1280, "num_layers": 32, "num_heads": 16},
    "vit_s_16": _SMALL,
    "vit_s_32": _SMALL | {"patch_size": 32},
    "vit_ti_16": _TINY,
    "vit_b_16_384": {"image_size": 384},
    "vit_b_16.hf": {"norm_eps": 1e-12},
    "digits": _DIGITS | {"embed_dim": 64, "num_layers": 3, "num_heads": 4, "mlp_dim": 128},
    "cifar10": _CIFAR | {"embed_dim": 192, "num_layers": 6, "num_heads": 3},
}

_DOUBLING = ((2, 2, 2, 2), (2, 2, 1, 2, 1, 2))


def _stem(*channels: int) -> tuple[tuple[int, int], ...]:
    return tuple(zip(channels, _DOUBLING[len(channels) == 6]))


_C1 = {"embed_dim": 192, "num_heads": 3, "mlp_dim": 576}
_C4 = {"embed_dim": 384, "num_heads": 6, "mlp_dim": 1152}
_C36 = {"embed_dim": 1024, "num_heads": 16, "mlp_dim": 4096}

#: Xiao, table 2, ViT_C: of as many multiply-adds as the patched ones, for the stem takes the place of one block.
CONV_PRESETS: dict[str, dict[str, Any]] = {
    "vit_c_18gf": {"num_layers": 11, "conv_stem": _stem(64, 128, 128, 256, 256, 512)},
    "vit_c_1gf": _C1 | {"num_layers": 11, "conv_stem": _stem(24, 48, 96, 192)},
    "vit_c_4gf": _C4 | {"num_layers": 11, "conv_stem": _stem(48, 96, 192, 384)},
    "vit_c_36gf": _C36 | {"num_layers": 13, "conv_stem": _stem(64, 128, 128, 256, 256, 512)},
}


class VisionTransformer(ImageClassifier):
    """x (N, in_channels, H, W), H and W multiples of the patch → scores (N, num_classes).

    image_size    of the learned positions; an image of another size gets them interpolated
    mlp_dim       of the feed-forward network, 4 E if not given
    pool          "token": the head reads a class token; "mean": the mean of all tokens, and there is no class token
    dropout       of the tokens, and of what each part of a block adds; attention_dropout: of the attention's weights
    norm_eps      1e-6 as the paper's code, torchvision and timm have it
    conv_stem     (channels, stride) of each 3 × 3 convolution of a stem that makes the tokens; None cuts patches

    Begins as the paper's code: Glorot-uniform matrices, positions N(0, 0.02²), class token and head 0.
    Differs from the paper: no hidden layer in the head, as in its fine-tuned, shipped form.
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
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
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

        # In the column, vit_b_16 at 224 × 224.
        self.tokens = ImageTokens(stem, embed_dim, grid, pool == "token", dropout, **factory)  # -> 197, 768
        self.blocks = nn.Sequential(*(block() for _ in range(num_layers)))  #                     -> 197, 768
        self.norm = norm()  #                                                                     -> 197, 768
        self.head = Linear(embed_dim, num_classes, **factory)  #                                  -> 1000
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
        x = self.tokens(x)
        x = self.blocks(x)
        x = self.norm(x)
        return x

    def forward_head(self, x: Float[Tensor, "N T E"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        """Scores of tokens; with `pre_logits`, the class token, or the mean of all."""
        vector = x[:, 0] if self.pool == "token" else x.mean(1)
        return vector if pre_logits else self.head(vector)


class VisionTransformerConvStem(VisionTransformer):
    """Convolutions make the tokens, in the place of one block. 81,573,160 parameters, 17.711 · 10⁹ multiply-adds."""

    presets: ClassVar = CONV_PRESETS
    input_sizes: ClassVar = {}
    __init__ = partialmethod(VisionTransformer.__init__, **CONV_PRESETS["vit_c_18gf"])
