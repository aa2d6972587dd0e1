"""The Transformer block: attention, then a feed-forward network, each added to its input.

Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762, section 3;
Xiong et al. 2020, On Layer Normalization in the Transformer Architecture, arXiv:2002.04745, figure 1.

    post-norm   x ─┬─ part ─ + ─ norm ─      pre-norm   x ─┬─ norm ─ part ─ + ─
                   └─────────┘                             └────────────────┘

The models of this library use this block, and differ in its parts:

    model              file             norm               positions           attention          feed-forward
    Transformer 2017   transformer.py   LayerNorm, after   sinusoids, added    multi-head         ReLU
    GPT-2              gpt.py           LayerNorm, before  learned, added      multi-head         GELU (tanh)
    GPT-3              gpt.py           LayerNorm, before  learned, added      every 2nd banded   GELU (tanh)
    LLaMA              llama.py         RMSNorm, before    rotary              grouped queries    SwiGLU
    ViT                vit.py           LayerNorm, before  learned, added      multi-head         GELU
    Swin               swin.py          LayerNorm, before  bias of the scores  in windows         GELU

Shapes: B batch, T tokens, S tokens of the memory, E embed_dim, F hidden_dim.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional.activations import gelu, relu, silu
from groundup.kernels.recomputation import RecomputableModule, apply_recomputed
from groundup.layers import Dropout, KVCache, Linear, SwiGLU
from groundup.layers.keywords import TorchKeywords

#: (..., features) -> (..., features), element by element.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": relu,
    "gelu": gelu,
    "gelu_tanh": partial(gelu, approximate="tanh"),
    "silu": silu,
}


class FeedForward(nn.Module):
    """y = W₂ dropout(f(W₁ x + b₁)) + b₂, for each token alone: x and y (B, T, E). Vaswani et al., equation 2.

    Attention only averages the values of tokens, a linear operation; this network computes new features from the
    average. Without it, or without f, the weights of a block would be its only non-linearity.

    Args:
        embed_dim: E, features of x and y.
        hidden_dim: F, features between the two linear maps; usually 4 E.
        activation: f: "relu" (the paper's), "gelu", "gelu_tanh" (GPT-2's approximation) or "silu".
        dropout: probability of dropping a hidden feature in training.
        bias: False leaves out b₁ and b₂.
        device, dtype: of the parameters.

    Example:
        >>> FeedForward(8, 32, "gelu")(torch.randn(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        hidden_dim: int,
        activation: str = "relu",
        dropout: float = 0.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checks.integer("embed_dim", embed_dim)
        checks.integer("hidden_dim", hidden_dim)
        self.activation = checks.choice("activation", activation, tuple(ACTIVATIONS))
        checks.probability("dropout", dropout)
        self.linear1 = Linear(embed_dim, hidden_dim, bias, device, dtype)
        self.linear2 = Linear(hidden_dim, embed_dim, bias, device, dtype)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "*batch E"]) -> Float[Tensor, "*batch E"]:
        x = self.linear1(x)  # ..., F
        if self.activation == "relu":  # whose derivative is read from its result, kept in any case
            return self.linear2(self.dropout(relu(x)))
        return apply_recomputed(ACTIVATIONS[self.activation], x, lambda y: self.linear2(self.dropout(y)))

    def extra_repr(self) -> str:
        return f"activation={self.activation!r}"


class GatedFeedForward(SwiGLU):
    """y = W₂ (silu(W x) ⊗ V x), for each token alone: x and y (B, T, E). Shazeer 2020, arXiv:2002.05202, equation 6.

    The gate silu(W x) scales each hidden feature by a function of x, which lets the network multiply features where
    `FeedForward` can only add them. W is `gate_proj`, V `up_proj`, W₂ `down_proj`; with F = 2/3 · 4 E these three
    matrices have as many weights as the two of a `FeedForward` with F = 4 E.

    Args:
        embed_dim: E, features of x and y.
        hidden_dim: F, features of the gate.
        bias: whether the three linear maps have biases.
        device, dtype: of the parameters.

    Example:
        >>> GatedFeedForward(8, 24)(torch.randn(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        hidden_dim: int,
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        checks.integer("embed_dim", embed_dim)
        checks.integer("hidden_dim", hidden_dim)
        super().__init__(embed_dim, hidden_dim, bias, device, dtype)
        self.down_proj = Linear(hidden_dim, embed_dim, bias, device, dtype)

    def forward(self, x: Float[Tensor, "*batch E"]) -> Float[Tensor, "*batch E"]:
        return self.down_proj(super().forward(x))


class TransformerBlock(TorchKeywords, RecomputableModule):
    """x (B, T, E) -> (B, T, E): attention, cross-attention if there is any, and a feed-forward network.

    Why add: the gradient reaches every block through the sum, unchanged; without the residual connections a deep stack
    hardly trains. Why normalise: the sum grows with every block. Pre-norm, x + part(norm(x)), keeps the path of the
    sum free, so that deep stacks train without warm-up; post-norm, norm(x + part(x)), is the 2017 paper's and needs it.

    Args:
        self_attn: called with x and the keyword arguments of the call (mask, is_causal, rotary, cache).
        feed_forward: called with x.
        norm: builds one norm, a LayerNorm or RMSNorm of E features.
        cross_attn: called with (x, memory, mask=memory_mask, cache=memory_cache); makes this a decoder's block.
        norm_first: pre-norm if True, post-norm if False.
        dropout: probability of dropping a feature of what each part adds; or a module to use instead, such as
            StochasticDepth.

    Example:
        >>> from groundup.layers import LayerNorm, MultiHeadAttention
        >>> block = TransformerBlock(MultiHeadAttention(8, 2), FeedForward(8, 32), lambda: LayerNorm(8))
        >>> block(torch.randn(2, 5, 8), is_causal=True).shape
        torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        self_attn: nn.Module,
        feed_forward: nn.Module,
        norm: Callable[[], nn.Module],
        cross_attn: nn.Module | None = None,
        norm_first: bool = True,
        dropout: float | nn.Module = 0.0,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.self_attn, self.self_attn_norm = self_attn, norm()
        self.cross_attn = cross_attn
        if cross_attn is not None:
            self.cross_attn_norm = norm()
        self.feed_forward, self.feed_forward_norm = feed_forward, norm()
        self.dropout = dropout if isinstance(dropout, nn.Module) else Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B T E"],
        memory: Float[Tensor, "B S memory"] | None = None,
        memory_mask: Tensor | None = None,
        memory_cache: KVCache | None = None,
        **attention: Any,
    ) -> Float[Tensor, "B T E"]:
        """Compute the block. Raise `ValueError` unless `memory` is given exactly if there is cross-attention."""
        if (memory is not None) != (self.cross_attn is not None):
            has, came = ("no", "one") if self.cross_attn is None else ("a", "none")
            raise ValueError(f"memory: this block has {has} cross-attention to read it, and {came} was given")
        if memory_cache is not None and memory_cache.length > 0 and memory is not None:
            memory = memory[:, :0]  # the cache holds its keys and values already
        cross: dict[str, Any] = {"mask": memory_mask, "cache": memory_cache}
        if self.norm_first:
            x = x + self.dropout(self.self_attn(self.self_attn_norm(x), **attention))
            if self.cross_attn is not None:
                x = x + self.dropout(self.cross_attn(self.cross_attn_norm(x), memory, **cross))
            return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        x = self.self_attn_norm(x + self.dropout(self.self_attn(x, **attention)))
        if self.cross_attn is not None:
            x = self.cross_attn_norm(x + self.dropout(self.cross_attn(x, memory, **cross)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))

    def extra_repr(self) -> str:
        return f"norm_first={self.norm_first}"
