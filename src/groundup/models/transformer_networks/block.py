"""The Transformer block: attention, then a feed-forward network, each added to what came before.

Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762, section 3;
Xiong et al. 2020, On Layer Normalization in the Transformer Architecture, arXiv:2002.04745, figure 1.

    post-norm   x ─┬─ part ─ + ─ norm ─      pre-norm   x ─┬─ norm ─ part ─ + ─
                   └─────────┘                             └────────────────┘

Every Transformer here is made of this one block and differs in its parts:

                     norm                  position            attention           feed-forward
    Vaswani 2017     LayerNorm, after      sinusoids, added    multi-head          ReLU
    GPT-2            LayerNorm, before     learned, added      multi-head          GELU (tanh)
    GPT-3, odd       LayerNorm, before     learned, added      banded              GELU (tanh)
    LLaMA            RMSNorm, before       rotary              grouped queries     SwiGLU
    ViT              LayerNorm, before     learned, added      multi-head          GELU

Legend: B batch, T places, S places of the memory, E embed_dim, F hidden_dim.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional.activations import gelu, relu, silu
from groundup.layers import Dropout, KVCache, Linear, SwiGLU
from groundup.layers.keywords import TorchKeywords

#: (..., features) -> (..., features), element by element.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": relu,
    "gelu": gelu,
    "gelu_tanh": partial(gelu, approximate="tanh"),
    "silu": silu,
}
LARGE = 2**20  # numbers, from which on their memory is worth a second pass


class FeedForward(nn.Module):
    """y = W₂ dropout(f(W₁ x + b₁)) + b₂ at every place alone: x and y (B, T, E), F features between.

    activation: "relu" (Vaswani et al., equation 2), "gelu", "gelu_tanh" (GPT-2's) or "silu".
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
        f, a = ACTIVATIONS[self.activation], self.linear1(x)
        y = f(a)
        with nullcontext() if self.activation == "relu" else _not_kept(y, lambda: f(a)):
            return self.linear2(self.dropout(y))

    def extra_repr(self) -> str:
        return f"activation={self.activation!r}"


def _not_kept(y: Tensor, again: Callable[[], Tensor]) -> AbstractContextManager[object]:
    """What is computed from y here does not keep it for its derivative, which makes it `again`.

    Where y is large: a pass over it is then short beside a product, and y, four times as wide as the model, the largest
    thing a block keeps. (A ReLU keeps its result itself.)
    """
    if torch.compiler.is_compiling():  # which decides itself what to keep, and can read nothing of what follows
        return nullcontext()
    others = torch._C._autograd._top_saved_tensors_default_hooks  # as of checkpointing, which keeps even less
    plain = type(y) is Tensor and not y.is_meta and not torch._C._functorch.is_functorch_wrapped_tensor(y)
    if not plain or y.numel() < LARGE or not y.requires_grad or others(False) is not None:
        return nullcontext()
    place = y.data_ptr()

    def pack(t: Tensor) -> Tensor | torch.Size:
        return t.shape if t.data_ptr() == place and t.is_contiguous() else t

    def unpack(kept: Tensor | torch.Size) -> Tensor:
        return kept if isinstance(kept, Tensor) else again().reshape(kept)

    return torch.autograd.graph.saved_tensors_hooks(pack, unpack)


class GatedFeedForward(SwiGLU):
    """y = W₂ (silu(W x) ⊗ V x) at every place alone. Shazeer 2020, arXiv:2002.05202, equation 6.

    W is `gate_proj`, V `up_proj`, W₂ `down_proj`. Of its three matrices, F = 2/3 · 4 E makes as many weights as the
    two of `FeedForward` with F = 4 E have.
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


class TransformerBlock(TorchKeywords, nn.Module):
    """x (B, T, E) -> (B, T, E): x + attention, then + cross-attention if there is any, then + feed-forward.

    self_attn      called with (x, **attention): mask, is_causal, rotary, cache, what it takes
    feed_forward   called with x
    norm           makes one norm: LayerNorm or RMSNorm of E features, with the eps of the model
    cross_attn     called with (x, memory, mask=memory_mask, cache=memory_cache): makes the block a decoder's
    norm_first     pre-norm: x + part(norm(x)); else post-norm: norm(x + part(x))
    dropout        of what each part adds, before it is added; or a module, as stochastic depth, in its place
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
        x = self._add(x, self.self_attn_norm, self.self_attn, **attention)
        if (memory is not None) != (self.cross_attn is not None):
            has, came = ("no", "one") if self.cross_attn is None else ("a", "none")
            raise ValueError(f"memory: this block has {has} cross-attention to read it, and {came} was given")
        if memory is not None and self.cross_attn is not None:
            if memory_cache is not None and memory_cache.length > 0:
                memory = memory[:, :0]  # its keys and values are there already
            x = self._add(x, self.cross_attn_norm, self.cross_attn, memory, mask=memory_mask, cache=memory_cache)
        return self._add(x, self.feed_forward_norm, self.feed_forward)

    def _add(self, x: Tensor, norm: nn.Module, part: nn.Module, *arguments: Any, **options: Any) -> Tensor:
        if self.norm_first:
            return x + self.dropout(part(norm(x), *arguments, **options))
        return norm(x + self.dropout(part(x, *arguments, **options)))

    def extra_repr(self) -> str:
        return f"norm_first={self.norm_first}"
