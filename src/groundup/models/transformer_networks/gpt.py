"""GPT-2 and GPT-3: a stack of pre-norm blocks that see only the past, trained to predict the next token.

Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, section 4.1;
Radford et al. 2019, Language Models are Unsupervised Multitask Learners, section 2.3 and table 2;
Brown et al. 2020, Language Models are Few-Shot Learners, arXiv:2005.14165, section 2.1 and table 2.1;
Child et al. 2019, Generating Long Sequences with Sparse Transformers, arXiv:1904.10509.

    tokens ─ embedding ─ + learned positions ─ blocks ─ LayerNorm ─ tied head ─ scores of the next token
    block:   x + attention(norm(x)), then x + W₂ gelu(W₁ norm(x))

             blocks           attention
    GPT-2    12, 24, 36, 48   every token sees all tokens before it
    GPT-3    12 to 96         so in blocks 0, 2, 4, …; in blocks 1, 3, 5, … it sees a band of the last 256

Shapes: B batch, T tokens, E embed_dim, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.attention import Mask
from groundup.functional.linear import linear
from groundup.functional.positions import token_positions
from groundup.functional.sparse_attention import Pattern
from groundup.layers import Dropout, Embedding, KVCache, LayerNorm, MultiHeadAttention, SparseMultiHeadAttention
from groundup.layers.sparse_attention import Combine
from groundup.models.transformer_networks.block import FeedForward, TransformerBlock
from groundup.models.transformer_networks.causal import CausalLanguageModel, LanguageState

_RADFORD = (
    "Radford et al. 2019, Language Models are Unsupervised Multitask Learners, "
    "https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf"
)


@component(
    106,
    "pre-norm causal block with GELU",
    paper=_RADFORD,
    oracle="transformers' GPT2Block",
    example="GPT_TransformerBlock(768, 12)(torch.randn(1, 1024, 768))",
)
class GPT_TransformerBlock(TransformerBlock):
    """x (B, T, E) -> (B, T, E): h = x + attention(norm(x)), then h + W₂ gelu(W₁ norm(h)). 12 E² + 13 E parameters.

    Attention is causal: a token sees itself and the tokens before it. Otherwise the model would read the token that it
    is trained to predict, and could not generate text.

    Args:
        embed_dim: E.
        num_heads: heads of the attention, each with E / num_heads features.
        hidden_dim: features between W₁ and W₂; 4 E by default.
        dropout: probability of dropping an attention weight, and a feature of what each part adds.
        eps: of the norms.
        device, dtype: of the parameters.

    Example:
        >>> GPT_TransformerBlock(8, 2)(torch.randn(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int | None = None,
        dropout: float = 0.1,
        eps: float = 1e-5,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout, **factory)
        hidden_dim = 4 * embed_dim if hidden_dim is None else hidden_dim
        super().__init__(
            self_attn=attention,
            feed_forward=FeedForward(embed_dim, hidden_dim, "gelu_tanh", **factory),
            norm=lambda: LayerNorm(embed_dim, eps, **factory),
            dropout=dropout,
        )

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "B T E"], mask: Mask | None = None, cache: KVCache | None = None
    ) -> Float[Tensor, "B T E"]:
        """Compute the block; `mask` is True for keys that may be attended to, `cache` holds those of earlier calls."""
        x = x + self.dropout(self.self_attn(self.self_attn_norm(x), mask=mask, is_causal=True, cache=cache))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


@component(
    108,
    "causal language model, 124 million to 1.6 billion parameters",
    paper=_RADFORD,
    oracle="transformers' GPT2LMHeadModel",
    example="GPT2()(torch.randint(50257, (1, 1024)))",
    figures={"parameters": "117, 345, 762 and 1542 × 10⁶ (table 2, misprinted)"},
)
class GPT2(CausalLanguageModel):
    """tokens (B, T) -> logits (B, T, V), T up to `context`.

    Why the initialisation: every block adds two parts to x, so that the variance of x grows with the number of layers
    L. Drawing the last matrix of each part from N(0, 0.02² / 2L) keeps it constant (section 2.3). All other matrices
    are drawn from N(0, 0.02²), and the positions from N(0, 0.01²), as in the authors' code.

    Args:
        vocab_size: V.
        context: the largest number of tokens, and the number of learned positions.
        embed_dim: E.
        num_layers: L, the number of blocks.
        num_heads: heads of the attention.
        hidden_dim: features inside the feed-forward network; 4 E by default.
        dropout: of the embeddings, the attention weights and what each part adds; 0.1 as in 2018.
        eps: of the norms.
        tie_embeddings: whether the head uses the matrix of the embedding.
        device, dtype: of the parameters.

    Example:
        >>> model = GPT2(vocab_size=100, context=16, embed_dim=32, num_layers=2, num_heads=4)
        >>> model(torch.randint(0, 100, (2, 10))).shape
        torch.Size([2, 10, 100])
    """

    format: ClassVar[str | None] = "gpt2"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # table 2                             parameters   the paper
        "gpt2": {},  #                                                                            124,439,808      117 M
        "gpt2-medium": {"embed_dim": 1024, "num_layers": 24, "num_heads": 16},  #                 354,823,168      345 M
        "gpt2-large": {"embed_dim": 1280, "num_layers": 36, "num_heads": 20},  #                  774,030,080      762 M
        "gpt2-xl": {"embed_dim": 1600, "num_layers": 48, "num_heads": 25},  #                   1,557,611,200    1,542 M
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
        self.blocks = nn.ModuleList(self.build_block(i, embed_dim, num_heads, options) for i in depth)
        self.norm = LayerNorm(embed_dim, eps, **factory)
        self.reset_parameters()

    def build_block(self, index: int, embed_dim: int, num_heads: int, options: dict[str, Any]) -> TransformerBlock:
        """Build block number `index`, counted from 0."""
        return GPT_TransformerBlock(embed_dim, num_heads, **options)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        init.normal_(self.position_embedding.weight, std=0.01)
        for block in self.blocks:
            for last in (block.self_attn.out_proj, block.feed_forward.linear2):  # type: ignore[union-attr]
                init.normal_(last.weight, std=0.02 / sqrt(2 * len(self.blocks)))  # type: ignore[arg-type, union-attr]

    def forward(
        self, tokens: Int[Tensor, "B T"], state: LanguageState | None = None, pre_logits: bool = False
    ) -> Float[Tensor, "B T _"]:
        """Compute the scores of the token after each token.

        Args:
            tokens: indices in [0, vocab_size).
            state: from `begin`; the tokens then follow those it has seen, and are added to it.
            pre_logits: return the input of the head (B, T, E), for `linear_cross_entropy` with `head_weight`.
        """
        start, mask, caches = self.locate(tokens, state)
        positions = token_positions(start, tokens.size(1), tokens.size(0), tokens.device)  # T, or B, T
        x = self.dropout(self.token_embedding(tokens) + self.position_embedding(positions))  # B, T, E
        for block, cache in zip(self.blocks, caches):
            x = block(x, mask=mask, cache=cache)  # B, T, E
        x = self.norm(x)  # B, T, E
        return x if pre_logits else linear(x, self.head_weight)  # B, T, V


@component(
    107,
    "GPT block with banded or patterned sparse attention",
    paper="Child et al. 2019, Generating Long Sequences with Sparse Transformers, arXiv:1904.10509",
    oracle="transformers' GPT2Block under an explicit mask; GPT-Neo's banded attention",
    example="GPT_SparseTransformerBlock(768, 12, 128)(torch.randn(1, 1024, 768))",
)
class GPT_SparseTransformerBlock(TransformerBlock):
    """A GPT block in which a token sees only a part of the past. By default a band: itself and `block_size` before it.

    A band costs T · block_size instead of T²: long sequences become affordable, and distant tokens still reach each
    other through the dense blocks between.

    Args:
        block_size, columns, pattern, combine: the part of the past, see `groundup.layers.SparseMultiHeadAttention`.
        embed_dim, num_heads, hidden_dim, dropout, eps, device, dtype: as for `GPT_TransformerBlock`.

    Example:
        >>> GPT_SparseTransformerBlock(8, 2, block_size=3)(torch.randn(2, 5, 8)).shape
        torch.Size([2, 5, 8])
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
        sparsity = (block_size, columns, pattern, combine)
        attention = SparseMultiHeadAttention(embed_dim, num_heads, *sparsity, dropout=dropout, **factory)
        hidden_dim = 4 * embed_dim if hidden_dim is None else hidden_dim
        super().__init__(
            self_attn=attention,
            feed_forward=FeedForward(embed_dim, hidden_dim, "gelu_tanh", **factory),
            norm=lambda: LayerNorm(embed_dim, eps, **factory),
            dropout=dropout,
        )

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "B T E"], mask: Tensor | None = None, cache: KVCache | None = None
    ) -> Float[Tensor, "B T E"]:
        """Compute the block; the arguments are those of `GPT_TransformerBlock`."""
        x = x + self.dropout(self.self_attn(self.self_attn_norm(x), mask=mask, cache=cache))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


def _size(num_layers: int, embed_dim: int, num_heads: int) -> dict[str, Any]:
    return {"num_layers": num_layers, "embed_dim": embed_dim, "num_heads": num_heads}


@component(
    109,
    "alternating dense and banded layers, to 175 billion parameters",
    paper="Brown et al. 2020, Language Models are Few-Shot Learners, arXiv:2005.14165",
    oracle="GPT-2's blocks of transformers, every other under a banded mask",
    example="GPT3()(torch.randint(50257, (1, 2048)))",
    figures={"parameters": "125 × 10⁶ to 175 × 10⁹ (table 2.1)"},
)
class GPT3(GPT2):
    """tokens (B, T) -> logits (B, T, V), T up to `context`: a larger GPT-2, in which blocks 1, 3, 5, … are banded.

    Table 2.1 of the paper misprints two rows. XL: 24 heads of 128 features are not 2048; here 16 are. 13B: 40 heads of
    128 are not 5140; here 20 of 257 are, so that the width and the parameter count remain the table's.

    Args:
        window: the number of tokens that a token of a banded block sees, itself included. The paper says "locally
            banded sparse" and gives no width; 256 is GPT-Neo's.
        vocab_size, context, embed_dim, num_layers, num_heads, hidden_dim, dropout, eps, tie_embeddings, device,
            dtype: as for `GPT2`.

    Example:
        >>> model = GPT3(vocab_size=100, context=16, embed_dim=32, num_layers=2, num_heads=4, window=4)
        >>> model(torch.randint(0, 100, (2, 10))).shape
        torch.Size([2, 10, 100])
    """

    format = None  # its weights were never published

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # table 2.1                           parameters
        "small": _size(12, 768, 12),  #                                                          125,226,240
        "medium": _size(24, 1024, 16),  #                                                        355,871,744
        "large": _size(24, 1536, 16),  #                                                         760,300,032
        "xl": _size(24, 2048, 16),  #                                                          1,315,723,264
        "2.7b": _size(32, 2560, 32),  #                                                        2,651,553,280
        "6.7b": _size(32, 4096, 32),  #                                                        6,658,404,352
        "13b": _size(40, 5140, 20),  #                                                        12,952,938,780
        "175b": _size(96, 12288, 96),  #                                                     174,604,259,328
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
        sizes = (vocab_size, context, embed_dim, num_layers, num_heads, hidden_dim)
        super().__init__(*sizes, dropout, eps, tie_embeddings, device, dtype)

    def build_block(self, index: int, embed_dim: int, num_heads: int, options: dict[str, Any]) -> TransformerBlock:
        """Build block number `index`: dense if it is even, banded if it is odd."""
        if index % 2 == 0:
            return GPT_TransformerBlock(embed_dim, num_heads, **options)
        return GPT_SparseTransformerBlock(embed_dim, num_heads, self.window - 1, **options)
