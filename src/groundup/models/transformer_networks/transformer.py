"""The Transformer of Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762: an encoder and a decoder.

    source ─ embed ─ + sinusoids ─ encoder: 6 blocks ─────────────┐ memory
    target ─ embed ─ + sinusoids ─ decoder: 6 blocks that read it ┴ tied head ─ scores of the next token

Legend: B batch, S tokens of the source, T of the target, E d_model, V vocabulary.
Masks are those of functional/attention.py: True = may attend; (T, S), or (B, 1, 1, S) for padded tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init
from groundup.functional.attention import Mask
from groundup.functional.linear import linear
from groundup.functional.recurrence import check_lengths
from groundup.kernels.activations import name_of
from groundup.layers import Embedding, KVCache, LayerNorm, MultiHeadAttention, PositionalEncoding
from groundup.layers.cache import product_dtype
from groundup.layers.keywords import TorchKeywords
from groundup.models.presets import Presets
from groundup.models.transformer_networks.block import FeedForward, TransformerBlock
from groundup.weights import Pretrained


class _TorchBlock(TransformerBlock):
    """A block with the constructor of PyTorch's Transformer layers; their states load as they are.

    activation       "relu", "gelu", "gelu_tanh" or "silu", or PyTorch's function or layer of these; no other callable
    batch_first      True, which alone is to be had here
    attention_bias   False leaves the biases of the attention's projections out, as the paper's equations do

    Differs from PyTorch's: batch first by default; a call has arguments of its own, `mask` for `src_mask` and
    `src_key_padding_mask`, and a mask says who may attend, not who may not.
    """

    #: PyTorch's names of the parts.
    torch_names: ClassVar[dict[str, str]]
    decoder: ClassVar[bool]

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
            attention(),
            FeedForward(d_model, dim_feedforward, name_of(activation), dropout, bias, **factory),
            lambda: LayerNorm(d_model, layer_norm_eps, bias=bias, **factory),
            attention() if self.decoder else None,
            norm_first,
            dropout,
        )
        self.d_model = d_model

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in [name for name in state_dict if name.startswith(prefix)]:
            part, _, what = name.removeprefix(prefix).partition(".")
            if part in self.torch_names:
                state_dict[f"{prefix}{self.torch_names[part]}.{what}"] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def checked(self, name: str, x: Tensor) -> None:
        checks.rank(name, checks.floating(name, x), 3, layout="(B, places, d_model)")
        checks.size(name, x, 2, self.d_model, "features (d_model)")


_SHARED_NAMES = {"norm1": "self_attn_norm", "linear1": "feed_forward.linear1", "linear2": "feed_forward.linear2"}


class TransformerEncoderLayer(_TorchBlock):
    """x + self-attention, then + feed-forward: src (B, S, E) -> (B, S, E). Section 3.1.

    The constructor is that of PyTorch's layer with batch_first=True. The call is not: True in `mask` means that a
    place may attend, in PyTorch that it may not, so `src_mask=m` there is `mask=~m` here.
    """

    torch_names: ClassVar = _SHARED_NAMES | {"norm2": "feed_forward_norm"}
    decoder = False

    def forward(  # type: ignore[override]
        self, src: Float[Tensor, "B S E"], mask: Mask | None = None, is_causal: bool = False
    ) -> Float[Tensor, "B S E"]:
        self.checked("src", src)
        return super().forward(src, mask=mask, is_causal=is_causal)


class TransformerDecoderLayer(_TorchBlock):
    """x + causal self-attention, then + attention to the memory, then + feed-forward. Section 3.1.

    tgt (B, T, E), memory (B, S, E) -> (B, T, E). cache and memory_cache hold the keys and values of the target so far
    and of the memory. The constructor is that of PyTorch's layer with batch_first=True; the call differs: it is causal
    unless is_causal=False, and True in `mask` and `memory_mask` means that a place may attend.
    """

    torch_names: ClassVar = _SHARED_NAMES | {
        "norm2": "cross_attn_norm",
        "norm3": "feed_forward_norm",
        "multihead_attn": "cross_attn",
    }
    decoder = True

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
        self.checked("tgt", tgt)
        self.checked("memory", memory)
        return super().forward(tgt, memory, memory_mask, memory_cache, mask=mask, is_causal=is_causal, cache=cache)


class _Stack(TorchKeywords, nn.Module):
    """`num_layers` layers like `layer`, each initialised by itself (PyTorch copies one), and a last norm if given."""

    def __init__(self, layer: nn.Module, num_layers: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        copies = [copy.deepcopy(layer) for _ in range(checks.integer("num_layers", num_layers))]
        self.layers = nn.ModuleList(copies)
        self.norm = norm
        for part in self.layers.modules():
            if callable(reset := getattr(part, "reset_parameters", None)):
                reset()


class TransformerEncoder(_Stack):
    """src (B, S, E) -> memory (B, S, E). mask: of padded tokens (B, 1, 1, S), or any that attention takes."""

    def forward(
        self, src: Float[Tensor, "B S E"], mask: Mask | None = None, is_causal: bool = False
    ) -> Float[Tensor, "B S E"]:
        x = src
        for layer in self.layers:
            x = layer(x, mask, is_causal)
        return x if self.norm is None else self.norm(x)


class DecoderState(NamedTuple):
    """What the decoder has seen: of each layer the keys and values of the target and of the memory, and the memory."""

    caches: list[KVCache]
    memory_caches: list[KVCache]
    memory: Tensor
    memory_mask: Tensor | None

    @property
    def length(self) -> int:
        """How many tokens of the target have been seen."""
        return self.caches[0].length


class TransformerDecoder(_Stack):
    """tgt (B, T, E), memory (B, S, E) -> (B, T, E). state: of `begin`, when tgt is what follows the tokens seen."""

    def forward(
        self,
        tgt: Float[Tensor, "B T E"],
        memory: Float[Tensor, "B S E"],
        mask: Mask | None = None,
        memory_mask: Mask | None = None,
        is_causal: bool = True,
        state: DecoderState | None = None,
    ) -> Float[Tensor, "B T E"]:
        x = tgt
        for i, layer in enumerate(self.layers):
            caches = (None, None) if state is None else (state.caches[i], state.memory_caches[i])
            x = layer(x, memory, mask, memory_mask, is_causal, *caches)
        return x if self.norm is None else self.norm(x)

    def begin(self, memory: Float[Tensor, "B S E"], max_len: int, memory_mask: Tensor | None = None) -> DecoderState:
        """The state before the first token, with room for `max_len` of them."""
        checks.rank("memory", checks.floating("memory", memory), 3, layout="(B, places, d_model)")
        B, S, _ = memory.shape
        first: Any = self.layers[0]
        heads, features = first.self_attn.num_heads, first.self_attn.head_dim

        def caches(places: int) -> list[KVCache]:
            return [KVCache(B, heads, places, features, memory.device, product_dtype(memory)) for _ in self.layers]

        return DecoderState(caches(max_len), caches(S), memory, memory_mask)


_BIG = {"d_model": 1024, "nhead": 16, "dim_feedforward": 4096, "dropout": 0.3}


class Transformer(TorchKeywords, Pretrained, Presets, nn.Module):
    """source (B, S) and target (B, T), tokens -> logits (B, T, V): what comes after each token of the target.

    vocab_size           of both languages together, as the paper's 37,000 byte pairs: one table embeds the source and
                         the target and, transposed, makes the scores (section 3.4)
    target_vocab_size    with a vocabulary of its own, the target has a table of its own, tied to the head alone
    pad_id               the token that fills short sentences up; nothing attends to it
    norm_first           pre-norm, with a norm at the end of both stacks; the paper's is post-norm, without
    max_len              positions kept ready; the sinusoids have no end

    Embeddings are multiplied by √E and begin N(0, 1/E); all other matrices begin Glorot-uniform.
    Parameters: base 63,082,496, big 214,245,376 with 37,000 tokens (table 3: 65 and 213
    million); without the biases of attention, as the equations have it, base is 63,045,632.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "base": {},
        "base_without_attention_bias": {"attention_bias": False},
        "big": _BIG,
    }

    def __init__(
        self,
        vocab_size: int = 37000,
        target_vocab_size: int | None = None,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
        attention_bias: bool = True,
        pad_id: int | None = 0,
        max_len: int = 512,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.d_model = checks.integer("d_model", d_model)
        self.pad_id = None if pad_id is None else checks.integer("pad_id", pad_id, 0)
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.embedding = Embedding(vocab_size, d_model, **factory)
        self.target_embedding = None if target_vocab_size is None else Embedding(target_vocab_size, d_model, **factory)
        for table in {self.embedding, self.target_table}:
            if pad_id is not None and pad_id >= table.num_embeddings:
                raise ValueError(f"pad_id must lie in a vocabulary of {table.num_embeddings}, got {pad_id}")
        self.positions = PositionalEncoding(d_model, max_len, dropout, device)
        sizes = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        options = {"norm_first": norm_first, "bias": bias, "attention_bias": attention_bias, **factory}

        def norm() -> LayerNorm | None:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **factory) if norm_first else None

        encoder_layer = TransformerEncoderLayer(*sizes, **options)
        decoder_layer = TransformerDecoderLayer(*sizes, **options)
        self.encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm())
        self.decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm())
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for p in self.parameters():
            if p.dim() > 1:
                init.xavier_uniform_(p)
        for table in {self.embedding, self.target_table}:
            init.normal_(table.weight, std=1 / sqrt(self.d_model))

    @property
    def target_table(self) -> Embedding:
        """What embeds the target: the source's table, unless the target has one."""
        return self.embedding if self.target_embedding is None else self.target_embedding

    def forward(
        self,
        source: Int[Tensor, "B S"],
        target: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"] | None = None,
        pre_logits: bool = False,
    ) -> Float[Tensor, "B T _"]:
        """The scores; with `pre_logits`, what the head sees: for `linear_cross_entropy` with `target_table.weight`."""
        memory, memory_mask = self.encode(source, lengths)
        x = self.decode(target, memory, memory_mask)
        return x if pre_logits else self.head(x)

    def encode(
        self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B S E"], Bool[Tensor, "B 1 1 S"] | None]:
        """The memory of a source, and which of its places are words: the first `lengths`, or all but the padding."""
        checks.rank("source", checks.tensor("source", source), 2, layout="(B, tokens)")
        check_lengths(source, lengths)
        mask = None
        if lengths is not None:
            mask = (torch.arange(source.size(1), device=source.device) < lengths[:, None])[:, None, None]
        elif self.pad_id is not None:
            mask = (source != self.pad_id)[:, None, None]
        return self.encoder(self.embed("source", source, self.embedding), mask), mask

    def decode(
        self,
        target: Int[Tensor, "B T"],
        memory: Float[Tensor, "B S E"],
        memory_mask: Mask | None = None,
        state: DecoderState | None = None,
    ) -> Float[Tensor, "B T E"]:
        """What the head sees. Padding comes after a target's words, which do not look there."""
        seen = 0 if state is None else state.length
        x = self.embed("target", target, self.target_table, seen)
        return self.decoder(x, memory, memory_mask=memory_mask, state=state)

    def embed(self, name: str, tokens: Tensor, table: Embedding, position: int = 0) -> Float[Tensor, "B T E"]:
        checks.rank(name, checks.indices(name, tokens, table.num_embeddings, "the vocabulary"), 2, layout="(B, tokens)")
        return self.positions(table(tokens) * sqrt(self.d_model), position)

    def head(self, x: Float[Tensor, "*B E"]) -> Float[Tensor, "*B V"]:
        """The scores: the embedding of the target, transposed."""
        return linear(x, self.target_table.weight)

    def begin(
        self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None, max_len: int | None = None
    ) -> DecoderState:
        """The state in which decoding a translation of `source` starts, of at most `max_len` tokens (the model's)."""
        memory, memory_mask = self.encode(source, lengths)
        return self.decoder.begin(memory, self.positions.max_len if max_len is None else max_len, memory_mask)

    def step(self, tokens: Int[Tensor, " B"], state: DecoderState) -> tuple[Float[Tensor, "B V"], DecoderState]:
        """One token more: its scores and the state that has seen it, for `groundup.generation`."""
        x = self.decode(tokens[:, None], state.memory, state.memory_mask, state)
        return self.head(x[:, -1]), state
