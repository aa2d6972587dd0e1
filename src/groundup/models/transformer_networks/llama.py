"""LLaMA: RMSNorm, rotary positions, SwiGLU, no biases; in the largest, groups of heads share keys and values.

Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models, arXiv:2302.13971, section 2.2 and table 2;
Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models, arXiv:2307.09288, section 2.2 and table 1.

    tokens ─ embedding ─ blocks, which rotate their queries and keys ─ RMSNorm ─ head ─ scores of the next token
    block:   x + attention(norm(x)), then x + W₂ (silu(W norm(x)) ⊗ V norm(x))

                  GPT-2                  LLaMA 1               LLaMA 2
    norm          LayerNorm, eps 1e-5    RMSNorm, eps 1e-6     RMSNorm, eps 1e-5
    positions     learned, added to x    rotations of queries and keys
    attention     multi-head             multi-head            multi-head; 70B: 8 heads of keys and values
    feed-forward  GELU, F = 4 E          SwiGLU, F = 8/3 E     SwiGLU, F = 8/3 E; 70B: 28672
    biases, head  yes, tied              no, not tied          no, not tied
    context       1024                   2048                  4096

Shapes: B batch, T tokens, E embed_dim, F hidden_dim, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.attention import Mask
from groundup.functional.linear import linear
from groundup.layers import GroupedQueryAttention, KVCache, RMSNorm, RotaryEncoding
from groundup.layers.activation import compute_gated_width
from groundup.layers.multi_head_attention import Rotary
from groundup.models.transformer_networks.block import GatedFeedForward, TransformerBlock
from groundup.models.transformer_networks.causal import CausalLanguageModel, LanguageState

_TOUVRON = "Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models, arXiv:2302.13971"


@component(
    110,
    "RMSNorm, rotary grouped-query attention, SwiGLU",
    paper=_TOUVRON,
    oracle="transformers' LlamaDecoderLayer",
    example="LLaMA_TransformerBlock(4096, 32)(torch.randn(1, 1024, 4096), RotaryEncoding(128, 2048))",
)
class LLaMA_TransformerBlock(TransformerBlock):
    """x (B, T, E) -> (B, T, E): h = x + attention(norm(x)), then h + W₂ (silu(W norm(h)) ⊗ V norm(h)); no biases.

    Args:
        embed_dim: E.
        num_heads: heads of queries.
        num_kv_heads: heads of keys and values, each shared by num_heads / num_kv_heads heads of queries; num_heads by
            default. Fewer of them make the cache smaller, which limits the batch that can be decoded.
        hidden_dim: F; `compute_gated_width(embed_dim)` by default.
        eps: of the norms, inside the root.
        device, dtype: of the parameters.

    Example:
        >>> from groundup.layers import RotaryEncoding
        >>> x = torch.randn(2, 5, 8)
        >>> rotary = RotaryEncoding(head_dim=4, max_len=16).at(x, position=0)
        >>> LLaMA_TransformerBlock(8, 2)(x, rotary).shape
        torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        hidden_dim: int | None = None,
        eps: float = 1e-6,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        hidden_dim = compute_gated_width(embed_dim) if hidden_dim is None else hidden_dim
        super().__init__(
            self_attn=GroupedQueryAttention(embed_dim, num_heads, num_kv_heads, bias=False, **factory),
            feed_forward=GatedFeedForward(embed_dim, hidden_dim, **factory),
            norm=lambda: RMSNorm(embed_dim, eps, **factory),
        )

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "B T E"], rotary: Rotary, mask: Mask | None = None, cache: KVCache | None = None
    ) -> Float[Tensor, "B T E"]:
        """Compute the block.

        Args:
            rotary: rotates queries and keys to their positions, from `RotaryEncoding.at`.
            mask: True for the keys that a token may attend to, besides those after it, which it never may.
            cache: the keys and values of earlier calls.
        """
        attention = {"mask": mask, "is_causal": True, "rotary": rotary, "cache": cache}
        x = x + self.self_attn(self.self_attn_norm(x), **attention)
        return x + self.feed_forward(self.feed_forward_norm(x))


class LLaMA(CausalLanguageModel):
    """tokens (B, T) -> logits (B, T, V), T up to `context`, which costs no parameters.

    Why rotations: the score of a query and a key then depends on their distance alone, and positions need no
    parameters. Pairs of features that rotate together are D/2 apart, as in Hugging Face's files; in the paper and in
    Meta's files they are neighbours. The models are the same up to the order of the rows of W_Q and W_K, which reading
    Meta's files changes. The papers do not state the initial values; here matrices are drawn from N(0, 0.02²).

    Args:
        vocab_size: V.
        context: the largest number of tokens; the paper's by default.
        embed_dim: E.
        num_layers: the number of blocks.
        num_heads: heads of queries.
        num_kv_heads: heads of keys and values; num_heads by default.
        hidden_dim: F; `compute_gated_width(embed_dim)` by default.
        eps: of the norms, inside the root as in the authors' code; the paper's by default.
        base: of the angles of the rotations, see `groundup.layers.RotaryEncoding`.
        tie_embeddings: whether the head uses the matrix of the embedding.
        device, dtype: of the parameters.

    Example:
        >>> model = LLaMA(vocab_size=100, context=16, embed_dim=32, num_layers=2, num_heads=4, num_kv_heads=2)
        >>> model(torch.randint(0, 100, (2, 10))).shape
        torch.Size([2, 10, 100])
    """

    format = "llama"
    paper_context: ClassVar[int] = 2048
    paper_eps: ClassVar[float] = 1e-6

    def __init__(
        self,
        vocab_size: int = 32000,
        context: int | None = None,
        embed_dim: int = 4096,
        num_layers: int = 32,
        num_heads: int = 32,
        num_kv_heads: int | None = None,
        hidden_dim: int | None = None,
        eps: float | None = None,
        base: float = 10000.0,
        tie_embeddings: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        context = self.paper_context if context is None else context
        eps = self.paper_eps if eps is None else eps
        super().__init__(vocab_size, context, embed_dim, tie_embeddings, **factory)
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        hidden_dim = compute_gated_width(embed_dim) if hidden_dim is None else hidden_dim
        # A saved config states these four as numbers.
        self.init_arguments |= {"num_kv_heads": num_kv_heads, "hidden_dim": hidden_dim, "context": context, "eps": eps}
        sizes = (embed_dim, num_heads, num_kv_heads, hidden_dim, eps)
        depth = range(checks.integer("num_layers", num_layers))
        self.blocks = nn.ModuleList(LLaMA_TransformerBlock(*sizes, **factory) for _ in depth)
        self.rotary = RotaryEncoding(embed_dim // num_heads, context, base, device=device)
        self.norm = RMSNorm(embed_dim, eps, **factory)
        self.reset_parameters()

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
        x = self.token_embedding(tokens)  # B, T, E
        rotary = self.rotary.at(x, start)  # the angles of these positions, the same in every block
        for block, cache in zip(self.blocks, caches):
            x = block(x, rotary, mask=mask, cache=cache)  # B, T, E
        x = self.norm(x)  # B, T, E
        return x if pre_logits else linear(x, self.head_weight)  # B, T, V


_7B: dict[str, Any] = {}
_13B = {"embed_dim": 5120, "num_layers": 40, "num_heads": 40}
_33B = {"embed_dim": 6656, "num_layers": 60, "num_heads": 52}
_65B = {"embed_dim": 8192, "num_layers": 80, "num_heads": 64}
_70B = _65B | {"num_kv_heads": 8, "hidden_dim": compute_gated_width(8192, 4096, 1.3)}


@component(
    111,
    "causal language model, 7 to 65 billion parameters",
    paper=_TOUVRON,
    oracle="transformers' LlamaForCausalLM",
    example="LLaMA1()(torch.randint(32000, (1, 2048)))",
    figures={"parameters": "6.7, 13.0, 32.5 and 65.2 × 10⁹ (table 2)"},
)
class LLaMA1(LLaMA):
    """The models of the first paper; the arguments are those of `LLaMA`.

    Example:
        >>> sum(p.numel() for p in LLaMA1.preset("7b", device="meta").parameters())
        6738415616
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # table 2       parameters   the paper
        "7b": _7B,  #                                                    6,738,415,616       6.7 B
        "13b": _13B,  #                                                 13,015,864,320      13.0 B
        "33b": _33B,  #                                                 32,528,943,616      32.5 B
        "65b": _65B,  #                                                 65,285,660,672      65.2 B
    }


@component(
    112,
    "LLaMA with twice the context and grouped queries at 70 billion",
    paper="Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models, arXiv:2307.09288",
    oracle="transformers' LlamaForCausalLM",
    example="LLaMA2()(torch.randint(32000, (1, 4096)))",
    figures={"parameters": "7, 13 and 70 × 10⁹ (table 1)"},
)
class LLaMA2(LLaMA):
    """The models of the second paper: twice the context; the 70B has 8 heads of keys and values, and F = 28672.

    The arguments are those of `LLaMA`.

    Example:
        >>> model = LLaMA2(vocab_size=100, embed_dim=32, num_layers=1, num_heads=4)
        >>> model.context, model.norm.eps
        (4096, 1e-05)
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # table 1       parameters
        "7b": _7B,  #                                                    6,738,415,616
        "13b": _13B,  #                                                 13,015,864,320
        "70b": _70B,  #                                                 68,976,648,192
    }
    paper_context, paper_eps = 4096, 1e-5
