"""Seq2Seq: one network reads a sequence into a vector, another writes a sequence from it.

Sutskever, Vinyals and Le 2014, Sequence to Sequence Learning with Neural Networks, arXiv:1409.3215.

    C  B  A ─ LSTM layers ─ their last states ─ LSTM layers ─ W  X  Y  Z  end
    the source, backwards                       start  W  X  Y  Z

Why the source is read backwards: its first words are then near the first of the target, which depend on them most.

Shapes: B batch, S source length, T target length, V target_vocab, E embedding_dim, H hidden_size, L num_layers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.dropout import dropout
from groundup.functional.recurrence import States
from groundup.layers.embedding import Embedding
from groundup.layers.recurrent import State
from groundup.models.presets import Presets
from groundup.models.recurrent_networks.language_model import LangModel, as_rows
from groundup.models.recurrent_networks.stacked import LSTM
from groundup.weights import Pretrained

_SUTSKEVER = "Sutskever et al. 2014, Sequence to Sequence Learning with Neural Networks, arXiv:1409.3215"


@component(
    74,
    "reads a sequence into a state",
    paper=_SUTSKEVER,
    oracle="torch.nn.LSTM on reversed sources",
    example="Encoder(10000)(torch.randint(10000, (1, 20)))",
)
class Encoder(nn.Module):
    """source (B, S) -> (output (B, S, H) of the top layer, the last states (h, c) of all layers (L, B, H)).

    Args:
        vocab_size: tokens of the source language.
        embedding_dim: E.
        hidden_size: H.
        num_layers: L.
        dropout: of the embeddings and between layers.
        reverse: read each source from its own end to its start (section 3.3); the output is in the source's order.
        device, dtype: of the parameters.

    Example:
        >>> output, (h, c) = Encoder(100, 16, 32, num_layers=2)(torch.randint(0, 100, (3, 7)))
        >>> output.shape, h.shape
        (torch.Size([3, 7, 32]), torch.Size([2, 3, 32]))
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
        """Read the sources; padding after the first `lengths` tokens reaches neither states nor gradients."""
        checks.rank("source", checks.tensor("source", source), 2, layout="(B, S)")
        return self.core(dropout(self.embedding(source), self.dropout, self.training), lengths=lengths)


@component(
    75,
    "writes a sequence from a state",
    paper=_SUTSKEVER,
    oracle="torch.nn.LSTM",
    example="Decoder(10000)(torch.randint(10000, (1, 20)))",
)
class Decoder(LangModel):
    """target (B, T), state -> (logits (B, T, V) of the token after each, state): a LangModel that starts from a state.

    Args:
        vocab_size: V, tokens of the target language.
        embedding_dim, hidden_size, num_layers, dropout, device, dtype: as for `Encoder`.

    Example:
        >>> source, target = torch.randint(0, 100, (3, 7)), torch.randint(0, 50, (3, 5))
        >>> _, state = Encoder(100, 16, 32, num_layers=2)(source)
        >>> logits, _ = Decoder(50, 16, 32, num_layers=2)(target, state)
        >>> logits.shape
        torch.Size([3, 5, 50])
    """

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


@component(
    76,
    "encoder and decoder for translation",
    paper=_SUTSKEVER,
    oracle="torch.nn's layers, composed",
    example="Seq2Seq(160000, 80000)(torch.randint(160000, (1, 20)), torch.randint(80000, (1, 20)))",
    figures={"parameters": "384,000,000, biases not counted (section 3.4)"},
)
class Seq2Seq(Pretrained, Presets, nn.Module):
    """source (B, S), target (B, T) -> logits (B, T, V) of the token after each: p(y_{t+1} | y_1 … y_t, x).

    The whole source passes through one vector of fixed size, so that long sentences lose words: this is the problem
    that attention solves (`BahdanauAttention`). The target starts with a start token and leaves the end out. To
    translate:

        found = beam_search(model.step, start, model.begin(source, lengths), width=5, max_len=50, stop=END)

    All parameters are drawn uniformly from ±0.08 (section 3.4). Differs from the paper: two biases per gate, as in
    PyTorch.

    Args:
        source_vocab, target_vocab: tokens of the two languages; 160,000 and 80,000 in the paper: 384,000,000 weights.
        embedding_dim: E.
        hidden_size: H.
        num_layers: L.
        dropout: of the embeddings, between layers, and before the head.
        reverse: read the source backwards.
        device, dtype: of the parameters.

    Example:
        >>> model = Seq2Seq(100, 50, embedding_dim=16, hidden_size=32, num_layers=2)
        >>> model(torch.randint(0, 100, (3, 7)), torch.randint(0, 50, (3, 5))).shape
        torch.Size([3, 5, 50])
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
        """Compute the scores; `lengths` (B,) is the number of real tokens of each source."""
        _, state = self.encoder(source, lengths)  # (h, c), each L, B, H
        logits, _ = self.decoder(target, state)  # B, T, V
        return logits

    def begin(self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None) -> States:
        """Return the decoder's first state, for `step`."""
        return as_rows(self.encoder(source, lengths)[1])

    def step(self, tokens: Int[Tensor, " B"], state: States) -> tuple[Float[Tensor, "B V"], States]:
        """Read one more token per row; return the scores of the next token, and the state."""
        return self.decoder.step(tokens, state)
