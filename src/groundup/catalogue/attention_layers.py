"""The catalogue's layers of attention, positions and patches."""

from __future__ import annotations

from groundup.catalogue.layers import row

_VASWANI = ("Vaswani et al. 2017, Attention Is All You Need", "https://arxiv.org/abs/1706.03762")
_BAHDANAU = (
    "Bahdanau et al. 2015, Neural Machine Translation by Jointly Learning to Align and Translate",
    "https://arxiv.org/abs/1409.0473",
)
_CHILD = (
    "Child et al. 2019, Generating Long Sequences with Sparse Transformers",
    "https://arxiv.org/abs/1904.10509",
)
_AINSLIE = ("Ainslie et al. 2023, GQA", "https://arxiv.org/abs/2305.13245")
_LIU = ("Liu et al. 2021, Swin Transformer", "https://arxiv.org/abs/2103.14030")
_SU = ("Su et al. 2021, RoFormer", "https://arxiv.org/abs/2104.09864")
_DOSOVITSKIY = ("Dosovitskiy et al. 2021, An Image is Worth 16x16 Words", "https://arxiv.org/abs/2010.11929")

ROWS = (
    row(
        30,
        "DotProductAttention",
        "softmax(Q Kᵀ / √d) V",
        _VASWANI,
        "torch's scaled_dot_product_attention",
        "DotProductAttention()(torch.randn(1, 5, 64), torch.randn(1, 9, 64), torch.randn(1, 9, 64))",
    ),
    row(
        31,
        "AdditiveAttention",
        "attention with scores from a small network",
        _BAHDANAU,
        "a loop over pairs",
        "AdditiveAttention(32, 64, 16)(torch.randn(1, 5, 32), torch.randn(1, 9, 64), torch.randn(1, 9, 64))",
    ),
    row(
        32,
        "DiagBlockAttention",
        "attention within each block of a sequence",
        _CHILD,
        "dense attention, masked",
        "DiagBlockAttention(16)(torch.randn(1, 8, 64, 32), torch.randn(1, 8, 64, 32), torch.randn(1, 8, 64, 32))",
    ),
    row(
        33,
        "ColumnBlockAttention",
        "attention to the last positions of each block",
        _CHILD,
        "dense attention, masked",
        "ColumnBlockAttention(16)(torch.randn(1, 8, 64, 32), torch.randn(1, 8, 64, 32), torch.randn(1, 8, 64, 32))",
    ),
    row(
        34,
        "MultiHeadAttention",
        "several attention heads in parallel",
        _VASWANI,
        "torch.nn.MultiheadAttention",
        "MultiHeadAttention(64, 8)(torch.randn(1, 10, 64))",
    ),
    row(
        35,
        "GroupedQueryAttention",
        "attention whose heads share keys and values",
        _AINSLIE,
        "transformers' LlamaAttention",
        "GroupedQueryAttention(64, 8, 2)(torch.randn(1, 10, 64))",
    ),
    row(
        36,
        "RelativeWindowAttention",
        "window attention with a bias for each relative offset",
        _LIU,
        "torchvision's and timm's Swin",
        "RelativeWindowAttention(96, 3, 7)(torch.randn(1, 49, 96))",
    ),
    row(
        37,
        "SparseMultiHeadAttention",
        "sparse attention in fixed or strided patterns",
        _CHILD,
        "dense attention, masked",
        "SparseMultiHeadAttention(64, 8, 16)(torch.randn(1, 64, 64))",
    ),
    row(38, "KVCache", "stores the keys and values of past tokens", _VASWANI, "transformers' DynamicCache"),
    row(
        39,
        "PositionalEncoding",
        "adds sinusoids of the position",
        _VASWANI,
        "a loop over positions",
        "PositionalEncoding(64, 512)(torch.randn(1, 10, 64))",
    ),
    row(
        40,
        "RotaryEncoding",
        "rotates queries and keys by their position",
        _SU,
        "transformers' Llama; complex numbers",
        "RotaryEncoding(32, 512)(torch.randn(1, 8, 10, 32))",
    ),
    row(
        41,
        "PatchEmbedding",
        "splits an image into patches and embeds them",
        _DOSOVITSKIY,
        "torch.nn.functional.unfold",
        "PatchEmbedding(3, 768, 16)(torch.randn(1, 3, 224, 224))",
    ),
    row(
        42,
        "RelativePositionBias2d",
        "a learned bias for each relative offset",
        _LIU,
        "a loop over pairs",
        "RelativePositionBias2d(7, 7, 3)()",
    ),
)
