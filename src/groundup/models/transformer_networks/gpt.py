"""GPT-2: a stack of pre-norm blocks that see only the past, trained to tell the next token.

Radford et al. 2019, Language Models are Unsupervised Multitask Learners, section 2.3 and table 2;
Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, section 4.1.

    tokens ─ embed ─ + learned positions ─ blocks: 12, 24, 36 or 48 ─ LayerNorm ─ tied head ─ scores of the next token

Legend: B batch, T tokens, E embed_dim, V vocabulary, L num_layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init
from groundup.functional.attention import Mask
from groundup.functional.position import places
from groundup.layers import Dropout, Embedding, KVCache, LayerNorm, MultiHeadAttention
from groundup.models.transformer_networks.block import FeedForward, TransformerBlock
from groundup.models.transformer_networks.causal import CausalLanguageModel


class GPT_TransformerBlock(TransformerBlock):
    """x (B, T, E) -> (B, T, E): pre-norm, causal, GELU in its tanh form, 4 E features between. 12 E² + 13 E weights."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int | None = None,
        dropout: float = 0.1,
        eps: float = 1e-5,
        attention: nn.Module | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        hidden = 4 * checks.integer("embed_dim", embed_dim) if hidden_dim is None else hidden_dim
        super().__init__(
            MultiHeadAttention(embed_dim, num_heads, dropout=dropout, **factory) if attention is None else attention,
            FeedForward(embed_dim, hidden, "gelu_tanh", **factory),
            lambda: LayerNorm(embed_dim, eps, **factory),
            dropout=dropout,
        )

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "B T E"], mask: Mask | None = None, cache: KVCache | None = None
    ) -> Float[Tensor, "B T E"]:
        return super().forward(x, mask=mask, is_causal=True, cache=cache)


class GPT2(CausalLanguageModel):
    """tokens (B, T) -> logits (B, T, V), T up to `context`.

    Matrices begin N(0, 0.02²), positions N(0, 0.01²) as in the authors' code, and what is added to the stream, the
    last matrices of attention and feed-forward, N(0, 0.02² / 2L): section 2.3, which scales them by 1/√(layers).
    dropout, of the embeddings, the attention's weights and what each part adds, is 2018's 0.1.

    Parameters: 124,439,808 · 354,823,168 · 774,030,080 · 1,557,611,200 (the paper: 117, 345, 762, 1542 million).
    """

    format: ClassVar[str | None] = "gpt2"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "gpt2": {},
        "gpt2-medium": {"embed_dim": 1024, "num_layers": 24, "num_heads": 16},
        "gpt2-large": {"embed_dim": 1280, "num_layers": 36, "num_heads": 20},
        "gpt2-xl": {"embed_dim": 1600, "num_layers": 48, "num_heads": 25},
    }

    def __init__(
        self,
        vocab_size: int = 50257,
        context: int = 1024,
        embed_dim: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        hidden_dim: int | None = None,
        dropout: float = 0.1,
        eps: float = 1e-5,
        tie_embeddings: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        super().__init__(vocab_size, context, embed_dim, tie_embeddings, **factory)
        self.position_embedding = Embedding(context, embed_dim, **factory)
        self.dropout = Dropout(checks.probability("dropout", dropout))
        options = {"hidden_dim": hidden_dim, "dropout": dropout, "eps": eps, **factory}
        depth = range(checks.integer("num_layers", num_layers))
        self.blocks = nn.ModuleList(self.block(i, embed_dim, num_heads, options) for i in depth)
        self.norm = LayerNorm(embed_dim, eps, **factory)
        self.reset_parameters()

    def block(self, index: int, embed_dim: int, num_heads: int, options: dict[str, Any]) -> TransformerBlock:
        """The block number `index`, from 0."""
        return GPT_TransformerBlock(embed_dim, num_heads, **options)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        init.normal_(self.position_embedding.weight, std=0.01)
        for block in self.blocks:
            for last in (block.self_attn.out_proj, block.feed_forward.linear2):  # type: ignore[union-attr]
                init.normal_(last.weight, std=0.02 / sqrt(2 * len(self.blocks)))  # type: ignore[arg-type, union-attr]

    def embed(self, tokens: Int[Tensor, "B T"], position: int | Tensor) -> Float[Tensor, "B T E"]:
        where = places(position, tokens.size(1), tokens.size(0), tokens.device)
        return self.dropout(self.token_embedding(tokens) + self.position_embedding(where))
