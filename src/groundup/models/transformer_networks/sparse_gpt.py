"""GPT-3: GPT-2, larger, in which every other layer sees only a band of the past.

Brown et al. 2020, Language Models are Few-Shot Learners, arXiv:2005.14165, section 2.1 and table 2.1;
Child et al. 2019, Generating Long Sequences with Sparse Transformers, arXiv:1904.10509.

    tokens ─ embed ─ + learned positions ─ dense, banded, dense, banded … ─ LayerNorm ─ tied head

Legend: B batch, T tokens, E embed_dim, V vocabulary, l block_size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.functional.sparse_attention import Pattern
from groundup.layers import KVCache, SparseMultiHeadAttention
from groundup.layers.sparse_attention import Combine
from groundup.models.transformer_networks.block import TransformerBlock
from groundup.models.transformer_networks.gpt import GPT2, GPT_TransformerBlock


class GPT_SparseTransformerBlock(GPT_TransformerBlock):
    """A GPT block whose tokens see a part of the past, chosen by `SparseMultiHeadAttention`'s block_size and pattern.

    By default a band: each token sees itself and the `block_size` tokens before it, which costs T · l, not T².
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        columns: int = 1,
        pattern: Pattern = "strided",
        combine: Combine = "local",
        hidden_dim: int | None = None,
        dropout: float = 0.1,
        eps: float = 1e-5,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        attention = SparseMultiHeadAttention(
            embed_dim, num_heads, block_size, columns, pattern, combine, dropout=dropout, **factory
        )
        super().__init__(embed_dim, num_heads, hidden_dim, dropout, eps, attention, **factory)

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "B T E"], mask: Tensor | None = None, cache: KVCache | None = None
    ) -> Float[Tensor, "B T E"]:
        return TransformerBlock.forward(self, x, mask=mask, cache=cache)


def _size(num_layers: int, embed_dim: int, num_heads: int) -> dict[str, Any]:
    return {"num_layers": num_layers, "embed_dim": embed_dim, "num_heads": num_heads}


class GPT3(GPT2):
    """tokens (B, T) -> logits (B, T, V), T up to `context`; blocks 1, 3, 5, … (from 0) are banded.

    window    how many tokens, itself included, a token of a banded layer sees. The paper says "locally banded sparse"
              and gives no width: 256 is GPT-Neo's.

    Table 2.1 misprints two rows. XL: 24 heads of 128 are not 2048; here 16 are. 13B: 40 heads of 128 are not 5140; here
    20 of 257 are, so that width and count stay the table's.

    Parameters: 125,226,240 · 355,871,744 · 760,300,032 · 1,315,723,264 · 2,651,553,280 · 6,658,404,352 ·
    12,952,938,780 · 174,604,259,328.
    """

    format = None  # it was never published

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": _size(12, 768, 12),
        "medium": _size(24, 1024, 16),
        "large": _size(24, 1536, 16),
        "xl": _size(24, 2048, 16),
        "2.7b": _size(32, 2560, 32),
        "6.7b": _size(32, 4096, 32),
        "13b": _size(40, 5140, 20),
        "175b": _size(96, 12288, 96),
    }

    def __init__(
        self,
        vocab_size: int = 50257,
        context: int = 2048,
        embed_dim: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        window: int = 256,
        hidden_dim: int | None = None,
        dropout: float = 0.1,
        eps: float = 1e-5,
        tie_embeddings: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.window = checks.integer("window", window, 2)
        super().__init__(
            vocab_size,
            context,
            embed_dim,
            num_layers,
            num_heads,
            hidden_dim,
            dropout,
            eps,
            tie_embeddings,
            device,
            dtype,
        )

    def block(self, index: int, embed_dim: int, num_heads: int, options: dict[str, Any]) -> TransformerBlock:
        if index % 2 == 0:
            return GPT_TransformerBlock(embed_dim, num_heads, **options)
        return GPT_SparseTransformerBlock(embed_dim, num_heads, self.window - 1, **options)
