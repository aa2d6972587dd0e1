"""Seq2Seq: one network reads a sequence into a vector, another writes a sequence from it.

Sutskever, Vinyals and Le 2014, Sequence to Sequence Learning with Neural Networks, arXiv:1409.3215.

    C  B  A ─ LSTM layers ─ their last states ─ LSTM layers ─ W  X  Y  Z  end
    the source, backwards                       start  W  X  Y  Z

The source is read backwards: its first words, which the first of the target most depend on, are then near them.

Legend: B batch, S source length, T target length, V target_vocab, E embedding_dim, H hidden_size, L num_layers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init
from groundup.functional.dropout import dropout
from groundup.functional.recurrence import States
from groundup.layers.embedding import Embedding
from groundup.layers.recurrent_cells import State
from groundup.models.presets import Presets
from groundup.models.recurrent_networks.language_model import LangModel, as_rows
from groundup.models.recurrent_networks.stacked import LSTM
from groundup.weights import Pretrained


class Encoder(nn.Module):
    """source (B, S) → (output (B, S, H) of the top layer, the states (h, c) of all layers (L, B, H) at its end).

    reverse   read each source from its own end to its beginning (section 3.3); the output is in the source's order
    lengths   (B,): how many tokens of each source are real; padding touches neither states nor gradients
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int = 1000,
        hidden_size: int = 1000,
        num_layers: int = 4,
        dropout: float = 0.0,
        reverse: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        self.dropout = checks.probability("dropout", dropout)
        self.embedding = Embedding(vocab_size, embedding_dim, **options)
        self.core = LSTM(
            embedding_dim, hidden_size, num_layers, batch_first=True, dropout=dropout, reverse=reverse, **options
        )

    def forward(
        self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B S H"], State]:
        checks.rank("source", checks.tensor("source", source), 2, layout="(B, S)")
        return self.core(dropout(self.embedding(source), self.dropout, self.training), lengths=lengths)


class Decoder(LangModel):
    """target (B, T), state → (logits (B, T, V) of the token after each, state): a LangModel that begins in a state."""

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int = 1000,
        hidden_size: int = 1000,
        num_layers: int = 4,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        core = LSTM(embedding_dim, hidden_size, num_layers, batch_first=True, dropout=dropout, **options)
        super().__init__(vocab_size, core, dropout=dropout, **options)


class Seq2Seq(Pretrained, Presets, nn.Module):
    """source (B, S), target (B, T) → logits (B, T, V) of what follows each target token: p(y_{t+1} | y_1 … y_t, x).

    target begins with a start token and leaves the end out; lengths (B,) are the source's. To translate:

        found = beam_search(model.step, start, model.begin(source, lengths), width=5, max_len=50, stop=END)

    The paper's: 4 layers of 1000, vectors of 1000, 160,000 source and 80,000 target words: 384,000,000 weights. All
    parameters begin uniform in ±0.08 (section 3.4). Differs from the paper: two biases a gate, as PyTorch has them.
    """

    presets: ClassVar = {"paper": {"source_vocab": 160_000, "target_vocab": 80_000}}

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        embedding_dim: int = 1000,
        hidden_size: int = 1000,
        num_layers: int = 4,
        dropout: float = 0.0,
        reverse: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.encoder = Encoder(source_vocab, embedding_dim, hidden_size, num_layers, dropout, reverse, **options)
        self.decoder = Decoder(target_vocab, embedding_dim, hidden_size, num_layers, dropout, **options)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for parameter in self.parameters():
            init.uniform_(parameter, -0.08, 0.08)

    def forward(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T V"]:
        _, state = self.encoder(source, lengths)
        logits, _ = self.decoder(target, state)
        return logits

    def begin(self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None) -> States:
        """The decoder's first state, as `step` takes it."""
        return as_rows(self.encoder(source, lengths)[1])

    def step(self, tokens: Int[Tensor, " B"], state: States) -> tuple[Float[Tensor, "B V"], States]:
        """One more target token: see `groundup.generation`."""
        return self.decoder.step(tokens, state)
