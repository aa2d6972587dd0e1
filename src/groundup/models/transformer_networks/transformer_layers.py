"""The layers and stacks of the Transformer of 2017, with the constructors of PyTorch's.

Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762, sections 3.1 and 3.2.3.

Shapes: B batch, S tokens of the source, T of the target, E d_model.
Masks are those of functional/attention.py: True = may attend; (T, S), or (B, 1, 1, S) for padded tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.attention import Mask
from groundup.kernels.elementwise import name_activation
from groundup.layers import KVCache, LayerNorm, MultiHeadAttention
from groundup.layers.cache import product_dtype
from groundup.layers.keywords import TorchKeywords
from groundup.models.transformer_networks.block import FeedForward, TransformerBlock

_VASWANI = "Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762"


class _TorchBlock(TransformerBlock):
    """A block with the constructor of PyTorch's Transformer layers, whose state_dicts it loads."""

    #: PyTorch's names of the parts, and ours.
    torch_names: ClassVar[dict[str, str]]
    has_cross_attention: ClassVar[bool]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        attention_bias: bool = True,
    ) -> None:
        checks.require(batch_first is True, f"batch_first must be True, as inputs are here, got {batch_first}")
        factory: dict[str, Any] = {"device": device, "dtype": dtype}

        def attention() -> MultiHeadAttention:
            return MultiHeadAttention(d_model, nhead, bias and attention_bias, dropout, **factory)

        super().__init__(
            self_attn=attention(),
            feed_forward=FeedForward(d_model, dim_feedforward, name_activation(activation), dropout, bias, **factory),
            norm=lambda: LayerNorm(d_model, layer_norm_eps, bias=bias, **factory),
            cross_attn=attention() if self.has_cross_attention else None,
            norm_first=norm_first,
            dropout=dropout,
        )
        self.embed_dim = d_model

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in [name for name in state_dict if name.startswith(prefix)]:
            part, _, parameter = name.removeprefix(prefix).partition(".")
            if part in self.torch_names:
                state_dict[f"{prefix}{self.torch_names[part]}.{parameter}"] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def check_input(self, name: str, x: Tensor) -> None:
        """Raise `TypeError` or `ValueError` unless x is a floating-point tensor (B, tokens, d_model)."""
        checks.rank(name, checks.floating(name, x), 3, layout="(B, places, d_model)")
        checks.size(name, x, 2, self.embed_dim, "features (d_model)")


_SHARED_NAMES = {"norm1": "self_attn_norm", "linear1": "feed_forward.linear1", "linear2": "feed_forward.linear2"}


@component(
    101,
    "self-attention and feed-forward with residual connections",
    paper=_VASWANI,
    oracle="torch.nn.TransformerEncoderLayer",
    example="TransformerEncoderLayer(512, 8)(torch.randn(1, 10, 512))",
)
class TransformerEncoderLayer(_TorchBlock):
    """Self-attention, then a feed-forward network, each added to its input: src (B, S, E) -> (B, S, E). Section 3.1.

    Differs from PyTorch: batch_first=True is the default and the only choice; and the call takes `mask`, in which True
    means that a token may attend, where `src_mask` says that it may not: `src_mask=m` there is `mask=~m` here.

    Args:
        d_model: E.
        nhead: heads of the attention.
        dim_feedforward: hidden features of the feed-forward network.
        dropout: of the attention weights, the hidden features, and what each part adds.
        activation: "relu", "gelu", "gelu_tanh" or "silu", or PyTorch's function or layer of these; no other callable.
        layer_norm_eps: of the norms.
        batch_first: True.
        norm_first: pre-norm if True; the paper's is post-norm.
        bias: whether linear layers and norms have biases.
        device, dtype: of the parameters.
        attention_bias: False leaves out the biases of the attention's projections, as the paper's equations do.

    Example:
        >>> TransformerEncoderLayer(d_model=8, nhead=2)(torch.randn(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    torch_names: ClassVar = _SHARED_NAMES | {"norm2": "feed_forward_norm"}
    has_cross_attention = False

    def forward(  # type: ignore[override]
        self, src: Float[Tensor, "B S E"], mask: Mask | None = None, is_causal: bool = False
    ) -> Float[Tensor, "B S E"]:
        """Compute the layer; `mask` and `is_causal` are those of the self-attention."""
        self.check_input("src", src)
        return super().forward(src, mask=mask, is_causal=is_causal)


@component(
    103,
    "causal self-attention, attention to a memory, feed-forward",
    paper=_VASWANI,
    oracle="torch.nn.TransformerDecoderLayer",
    example="TransformerDecoderLayer(512, 8)(torch.randn(1, 10, 512), torch.randn(1, 12, 512))",
)
class TransformerDecoderLayer(_TorchBlock):
    """Causal self-attention, attention to the memory, and a feed-forward network, each added to its input.

    tgt (B, T, E), memory (B, S, E) -> (B, T, E). Section 3.1. The arguments and the differences from PyTorch are those
    of `TransformerEncoderLayer`; also, self-attention is causal unless is_causal=False.

    Example:
        >>> layer = TransformerDecoderLayer(d_model=8, nhead=2)
        >>> layer(torch.randn(2, 5, 8), memory=torch.randn(2, 7, 8)).shape
        torch.Size([2, 5, 8])
    """

    torch_names: ClassVar = _SHARED_NAMES | {
        "norm2": "cross_attn_norm",
        "norm3": "feed_forward_norm",
        "multihead_attn": "cross_attn",
    }
    has_cross_attention = True

    def forward(  # type: ignore[override]
        self,
        tgt: Float[Tensor, "B T E"],
        memory: Float[Tensor, "B S E"],
        mask: Mask | None = None,
        memory_mask: Mask | None = None,
        is_causal: bool = True,
        cache: KVCache | None = None,
        memory_cache: KVCache | None = None,
    ) -> Float[Tensor, "B T E"]:
        """Compute the layer.

        Args:
            mask: of the self-attention; memory_mask: of the attention to the memory.
            cache: keys and values of the target so far; memory_cache: those of the memory, computed once.
        """
        self.check_input("tgt", tgt)
        self.check_input("memory", memory)
        return super().forward(tgt, memory, memory_mask, memory_cache, mask=mask, is_causal=is_causal, cache=cache)


class _Stack(TorchKeywords, nn.Module):
    """`num_layers` copies of `layer`, initialised independently (PyTorch's are equal), and a last norm if given."""

    def __init__(self, layer: nn.Module, num_layers: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        copies = [copy.deepcopy(layer) for _ in range(checks.integer("num_layers", num_layers))]
        self.layers = nn.ModuleList(copies)
        self.norm = norm
        for part in self.layers.modules():
            if callable(reset := getattr(part, "reset_parameters", None)):
                reset()


@component(
    102,
    "a stack of encoder layers",
    paper=_VASWANI,
    oracle="torch.nn.TransformerEncoder",
    example="TransformerEncoder(TransformerEncoderLayer(512, 8), 6)(torch.randn(1, 10, 512))",
)
class TransformerEncoder(_Stack):
    """A stack of encoder layers: src (B, S, E) -> memory (B, S, E).

    Args:
        layer: copied `num_layers` times; each copy is initialised independently.
        num_layers: the number of layers.
        norm: applied to the result; pre-norm layers need one.

    Example:
        >>> encoder = TransformerEncoder(TransformerEncoderLayer(d_model=8, nhead=2), num_layers=2)
        >>> encoder(torch.randn(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def forward(
        self, src: Float[Tensor, "B S E"], mask: Mask | None = None, is_causal: bool = False
    ) -> Float[Tensor, "B S E"]:
        """Compute the memory; `mask` is (B, 1, 1, S) for padded tokens, or any that attention takes."""
        x = src
        for layer in self.layers:
            x = layer(x, mask, is_causal)
        return x if self.norm is None else self.norm(x)


class DecoderState(NamedTuple):
    """The tokens a decoder has seen: the keys and values, of the target and of the memory, of each layer."""

    caches: list[KVCache]
    memory_caches: list[KVCache]
    memory: Tensor
    memory_mask: Tensor | None

    @property
    def length(self) -> int:
        """The number of tokens of the target seen so far."""
        return self.caches[0].length


@component(
    104,
    "a stack of decoder layers",
    paper=_VASWANI,
    oracle="torch.nn.TransformerDecoder",
    example="TransformerDecoder(TransformerDecoderLayer(512, 8), 6)(*[torch.randn(1, 10, 512)] * 2)",
)
class TransformerDecoder(_Stack):
    """A stack of decoder layers: tgt (B, T, E), memory (B, S, E) -> (B, T, E). The arguments are those of the encoder.

    Example:
        >>> decoder = TransformerDecoder(TransformerDecoderLayer(d_model=8, nhead=2), num_layers=2)
        >>> decoder(torch.randn(2, 5, 8), memory=torch.randn(2, 7, 8)).shape
        torch.Size([2, 5, 8])
    """

    def forward(
        self,
        tgt: Float[Tensor, "B T E"],
        memory: Float[Tensor, "B S E"],
        mask: Mask | None = None,
        memory_mask: Mask | None = None,
        is_causal: bool = True,
        state: DecoderState | None = None,
    ) -> Float[Tensor, "B T E"]:
        """Compute the stack; with a `state` from `begin`, tgt follows the tokens seen, and is added to them."""
        x = tgt
        for i, layer in enumerate(self.layers):
            caches = (None, None) if state is None else (state.caches[i], state.memory_caches[i])
            x = layer(x, memory, mask, memory_mask, is_causal, *caches)
        return x if self.norm is None else self.norm(x)

    def begin(self, memory: Float[Tensor, "B S E"], max_len: int, memory_mask: Tensor | None = None) -> DecoderState:
        """Return the state before the first token, with room for `max_len` tokens."""
        checks.rank("memory", checks.floating("memory", memory), 3, layout="(B, places, d_model)")
        B, S, _ = memory.shape
        first: Any = self.layers[0]
        heads, features = first.self_attn.num_heads, first.self_attn.head_dim

        def caches(tokens: int) -> list[KVCache]:
            return [KVCache(B, heads, tokens, features, memory.device, product_dtype(memory)) for _ in self.layers]

        return DecoderState(caches(max_len), caches(S), memory, memory_mask)
