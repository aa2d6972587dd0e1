"""The Transformer of Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762: an encoder and a decoder.

    source ─ embed ─ + sinusoids ─ encoder: 6 blocks ─────────────┐ memory
    target ─ embed ─ + sinusoids ─ decoder: 6 blocks that read it ┴ tied head ─ scores of the next token

    encoder block:  x + self-attention, then + feed-forward
    decoder block:  x + causal self-attention, then + attention to the memory, then + feed-forward

Shapes: B batch, S tokens of the source, T of the target, E d_model, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.attention import Mask
from groundup.functional.linear import linear
from groundup.layers import Embedding, LayerNorm, PositionalEncoding
from groundup.layers.keywords import TorchKeywords
from groundup.models.presets import Presets
from groundup.models.transformer_networks.transformer_layers import (
    DecoderState,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from groundup.rules.recurrence import check_lengths
from groundup.weights import Pretrained


@component(
    105,
    "encoder and decoder for translation, with tied embeddings",
    paper="Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762",
    oracle="torch.nn.Transformer between embeddings",
    example="Transformer()(torch.randint(37000, (1, 25)), torch.randint(37000, (1, 25)))",
    figures={
        "parameters": "65 × 10⁶ base, 213 × 10⁶ big (table 3)",
        "BLEU, English to German": "27.3 base, 28.4 big (table 2)",
    },
)
class Transformer(TorchKeywords, Pretrained, Presets, nn.Module):
    """source (B, S) and target (B, T), tokens -> logits (B, T, V): scores of the token after each token of the target.

    Why attention alone: a recurrent network carries a word through every step between it and the word that needs it,
    one step after the other. Attention connects any two words directly, and all words at once.

    Embeddings are drawn from N(0, 1/E) and multiplied by √E, so that they have the size of the sinusoids added to them;
    all other matrices are Glorot-uniform.

    Args:
        vocab_size: tokens of both languages together, as the paper's 37,000 byte pairs: one table embeds the source
            and the target and, transposed, makes the scores (section 3.4).
        target_vocab_size: gives the target a vocabulary and a table of its own, tied to the head alone.
        d_model: E.
        nhead: heads of the attention.
        num_encoder_layers, num_decoder_layers: the number of blocks.
        dim_feedforward: hidden features of the feed-forward networks.
        dropout: of the embeddings, the attention weights, the hidden features, and what each part of a block adds.
        activation: of the feed-forward networks, see `TransformerEncoderLayer`.
        layer_norm_eps: of the norms.
        norm_first: pre-norm, with a norm at the end of both stacks; the paper's is post-norm, without.
        bias: whether linear layers and norms have biases.
        attention_bias: False leaves out those of the attention's projections, as the paper's equations do.
        pad_id: the token that fills up short sentences; no token attends to it.
        max_len: positions computed in advance; later ones are computed when needed.
        device, dtype: of the parameters.

    Example:
        >>> model = Transformer(100, d_model=32, nhead=4, num_encoder_layers=1, num_decoder_layers=1)
        >>> source, target = torch.randint(1, 100, (2, 7)), torch.randint(1, 100, (2, 5))
        >>> model(source, target).shape
        torch.Size([2, 5, 100])
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # table 3               parameters   the paper
        "base": {},  #                                                              63,082,496        65 M
        "base_without_attention_bias": {"attention_bias": False},  #                63,045,632
        "big": {"d_model": 1024, "nhead": 16, "dim_feedforward": 4096, "dropout": 0.3},  #  214,245,376       213 M
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
        self.embed_dim = checks.integer("d_model", d_model)
        self.pad_id = None if pad_id is None else checks.integer("pad_id", pad_id, 0)
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.embedding = Embedding(vocab_size, d_model, **factory)
        self.target_embedding = None if target_vocab_size is None else Embedding(target_vocab_size, d_model, **factory)
        for table in (self.embedding, self.target_table):
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
        for table in dict.fromkeys((self.embedding, self.target_table)):  # one table is drawn once
            init.normal_(table.weight, std=1 / sqrt(self.embed_dim))

    @property
    def target_table(self) -> Embedding:
        """The table that embeds the target: the source's, unless the target has its own."""
        return self.embedding if self.target_embedding is None else self.target_embedding

    def forward(
        self,
        source: Int[Tensor, "B S"],
        target: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"] | None = None,
        pre_logits: bool = False,
    ) -> Float[Tensor, "B T _"]:
        """Compute the scores of the token after each token of the target.

        Args:
            lengths: the number of words of each source; by default all tokens but the padding.
            pre_logits: return the input of the head (B, T, E), for `linear_cross_entropy` with `target_table.weight`.
        """
        memory, memory_mask = self.encode(source, lengths)  # B, S, E
        x = self.decode(target, memory, memory_mask)  # B, T, E
        return x if pre_logits else self.head(x)  # B, T, V

    def encode(
        self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B S E"], Bool[Tensor, "B 1 1 S"] | None]:
        """Return the memory of a source, and the mask of its words: the first `lengths`, or all but the padding."""
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
        """Return the input of the head. Padding of the target needs no mask: no word attends to a later token."""
        seen = 0 if state is None else state.length
        x = self.embed("target", target, self.target_table, seen)
        return self.decoder(x, memory, memory_mask=memory_mask, state=state)

    def embed(self, name: str, tokens: Tensor, table: Embedding, position: int = 0) -> Float[Tensor, "B T E"]:
        """Look tokens up in a table, multiply by √E, and add the sinusoids from `position` on. Sections 3.4 and 3.5."""
        checks.rank(name, checks.indices(name, tokens, table.num_embeddings, "the vocabulary"), 2, layout="(B, tokens)")
        return self.positions(table(tokens) * sqrt(self.embed_dim), position)

    def head(self, x: Float[Tensor, "*B E"]) -> Float[Tensor, "*B V"]:
        """Compute the scores: products with the embeddings of the target's tokens."""
        return linear(x, self.target_table.weight)

    def begin(
        self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None, max_len: int | None = None
    ) -> DecoderState:
        """Return the state before the first token of a translation, of at most `max_len` tokens (the model's)."""
        memory, memory_mask = self.encode(source, lengths)
        return self.decoder.begin(memory, self.positions.max_len if max_len is None else max_len, memory_mask)

    def step(self, tokens: Int[Tensor, " B"], state: DecoderState) -> tuple[Float[Tensor, "B V"], DecoderState]:
        """Read one more token per row; return the scores of the next token, and the state."""
        x = self.decode(tokens[:, None], state.memory, state.memory_mask, state)
        return self.head(x[:, -1]), state
