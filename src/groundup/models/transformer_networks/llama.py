"""LLaMA: RMSNorm, rotary positions, SwiGLU, no biases; in the largest, keys and values shared by groups of heads.

Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models, arXiv:2302.13971, section 2.2 and table 2;
Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models, arXiv:2307.09288, section 2.2 and table 1.

    tokens ─ embed ─ blocks: 32, 40, 60 or 80, each turning its queries and keys ─ RMSNorm ─ head ─ scores of the next

Legend: B batch, T tokens, E embed_dim, F hidden_dim, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional.attention import Mask
from groundup.layers import GroupedQueryAttention, KVCache, RMSNorm, RotaryEncoding
from groundup.layers.activation import gated_width
from groundup.layers.multi_head_attention import Rotary
from groundup.models.transformer_networks.block import GatedFeedForward, TransformerBlock
from groundup.models.transformer_networks.causal import CausalLanguageModel


class LLaMA_TransformerBlock(TransformerBlock):
    """x (B, T, E) -> (B, T, E): pre-norm, causal, queries and keys turned by `rotary`, nowhere a bias."""

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
        kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        hidden = gated_width(embed_dim) if hidden_dim is None else hidden_dim
        super().__init__(
            GroupedQueryAttention(embed_dim, num_heads, kv_heads, bias=False, **factory),
            GatedFeedForward(embed_dim, hidden, **factory),
            lambda: RMSNorm(embed_dim, eps, **factory),
        )

    def forward(  # type: ignore[override]
        self,
        x: Float[Tensor, "B T E"],
        rotary: Rotary,
        mask: Mask | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T E"]:
        return super().forward(x, mask=mask, is_causal=True, rotary=rotary, cache=cache)


class LLaMA(CausalLanguageModel):
    """tokens (B, T) -> logits (B, T, V), T up to `context`, which costs no parameter.

    num_kv_heads    heads of keys and values, each shared by num_heads / num_kv_heads heads of queries; all, if None
    hidden_dim      F; `gated_width(embed_dim)` if None
    context, eps    the paper's if None; eps stands within the root of RMSNorm, as in the authors' code
    base            of the rotations' angles

    Pairs of features that turn are D/2 apart, as in Hugging Face's files. In the paper and in Meta's they are
    neighbours: the same model, but for the order of rows of W_Q and W_K, which reading Meta's files sees to.
    The papers do not say how training begins: here matrices are N(0, 0.02²).
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
        kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        hidden = gated_width(embed_dim) if hidden_dim is None else hidden_dim
        # Files of configuration state them.
        self.init_arguments |= {"num_kv_heads": kv_heads, "hidden_dim": hidden, "context": context, "eps": eps}
        options = (embed_dim, num_heads, kv_heads, hidden, eps)
        depth = range(checks.integer("num_layers", num_layers))
        self.blocks = nn.ModuleList(LLaMA_TransformerBlock(*options, **factory) for _ in depth)
        self.rotary = RotaryEncoding(embed_dim // num_heads, context, base, device=device)
        self.norm = RMSNorm(embed_dim, eps, **factory)
        self.reset_parameters()


_7B: dict[str, Any] = {}
_13B = {"embed_dim": 5120, "num_layers": 40, "num_heads": 40}
_33B = {"embed_dim": 6656, "num_layers": 60, "num_heads": 52}
_65B = {"embed_dim": 8192, "num_layers": 80, "num_heads": 64}
_70B = _65B | {"num_kv_heads": 8, "hidden_dim": gated_width(8192, 4096, 1.3)}


class LLaMA1(LLaMA):
    """Parameters: 6,738,415,616 · 13,015,864,320 · 32,528,943,616 · 65,285,660,672.

    Table 2 says 6.7, 13.0, 32.5 and 65.2 · 10⁹.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"7b": _7B, "13b": _13B, "33b": _33B, "65b": _65B}


class LLaMA2(LLaMA):
    """Twice the context; the 70B shares keys and values, 8 heads of them, and has F = 28672.

    Parameters: 6,738,415,616 · 13,015,864,320 · 68,976,648,192.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"7b": _7B, "13b": _13B, "70b": _70B}
    paper_context, paper_eps = 4096, 1e-5
