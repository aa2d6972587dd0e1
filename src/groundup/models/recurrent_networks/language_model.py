"""LangModel: a recurrent network that predicts the next token from all tokens before it.

Mikolov et al. 2010, Recurrent Neural Network Based Language Model, Interspeech; Graves 2013, Generating Sequences With
Recurrent Neural Networks, arXiv:1308.0850; dropout: Zaremba et al. 2014, arXiv:1409.2329; tied weights: Press and Wolf
2017, Using the Output Embedding to Improve Language Models, arXiv:1608.05859.

    token ─ embedding ─ dropout ─ recurrent layers ─ dropout ─ linear ─ scores of the next token

Shapes: B batch, T time steps, P tokens of a prompt, L layers, V vocab_size, E the core's input_size, H its output_size.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.dropout import dropout
from groundup.functional.recurrence import States
from groundup.layers.embedding import Embedding
from groundup.layers.linear import Linear
from groundup.layers.recurrent import State
from groundup.models.recurrent_networks.stacked import RNN_factory
from groundup.weights import Pretrained


class OneHot(nn.Module):
    """Indices (...) -> vectors (..., V) of the type of `like`: 1 at the index, 0 elsewhere."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size

    def forward(self, indices: Int[Tensor, "*shape"], like: Tensor) -> Float[Tensor, "*shape V"]:
        checks.indices("tokens", indices, self.vocab_size, "vocab_size")
        return (indices[..., None] == torch.arange(self.vocab_size, device=indices.device)).to(like.dtype)


@component(
    72,
    "recurrent language model: predicts the next token",
    paper=("Mikolov et al. 2010, Recurrent Neural Network Based Language Model, doi:10.21437/Interspeech.2010-343"),
    oracle="torch.nn.LSTM between Embedding and Linear",
    example="LangModel(10000, LSTM(64, 128, batch_first=True))(torch.randint(10000, (1, 35)))",
)
class LangModel(Pretrained, nn.Module):
    """tokens (B, T) -> (logits (B, T, V) of the token after each, the core's state after the last).

    A model of n words knows nothing beyond them; the state of a recurrent network has no such limit. A core that runs
    backwards or both ways sees the words to come: it can fill in a missing word, but not generate text.

    Args:
        vocab_size: V.
        core: recurrent layers, such as LSTM(E, H, num_layers=2); or the arguments with which `RNN_factory` builds them,
            {"mode": "LSTM", "input_size": E, …}, as `save_pretrained` writes them.
        one_hot: one-hot vectors instead of an embedding; E must be V.
        tied: the head uses the matrix of the embedding: head.weight is embedding.weight, and E must be H.
        dropout: probability of dropping a feature, below and above the core.
        device, dtype: of the parameters.

    `step` and `read` are for `groundup.generation`, whose `generate(model, prompts)` calls both:

        start, state = model.read(prompt)
        text = sample(model.step, start, state, max_len=200)

    Example:
        >>> from groundup.models import LSTM
        >>> model = LangModel(100, LSTM(16, 32, num_layers=2, batch_first=True))
        >>> logits, (h, c) = model(torch.randint(0, 100, (2, 7)))
        >>> logits.shape, h.shape
        (torch.Size([2, 7, 100]), torch.Size([2, 2, 32]))
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(
        self,
        vocab_size: int,
        core: RNN_factory | Mapping[str, Any],
        one_hot: bool = False,
        tied: bool = False,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        if isinstance(core, Mapping):
            core = RNN_factory(**{**core, "device": device, "dtype": dtype})
        if not isinstance(core, RNN_factory):
            raise TypeError(f"core must be recurrent layers, as LSTM(128, 256) is, got {type(core).__name__}")
        E, H = core.input_size, core.output_size
        checks.require(not one_hot or vocab_size == E, f"one_hot needs a core of input_size {vocab_size}, got {E}")
        checks.require(not (one_hot and tied), "tied shares the embedding, which one_hot replaces; choose one")
        checks.require(not tied or E == H, f"tied needs a core whose input_size {E} is its output_size {H}")
        self.dropout = checks.probability("dropout", dropout)
        self.embedding = OneHot(vocab_size) if one_hot else Embedding(vocab_size, E, device=device, dtype=dtype)
        self.core = core
        self.head = Linear(H, vocab_size, device=device, dtype=dtype)
        self.tied = tied
        if tied:
            self.head.weight = cast(Embedding, self.embedding).weight
            self.head.reset_parameters()  # the values of a linear layer, so that the first scores are small

    def forward(
        self, tokens: Int[Tensor, "B T"], state: State | None = None, lengths: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B T V"], State]:
        """Compute the scores; `state` and `lengths` are those of the core."""
        checks.rank("tokens", checks.tensor("tokens", tokens), 2, layout="(B, T)")
        embedding, core = self.embedding, self.core
        x = embedding(tokens, self.head.weight) if isinstance(embedding, OneHot) else embedding(tokens)
        x = dropout(x, self.dropout, self.training)
        if core.batch_first:
            output, state = core(x, state, lengths)
        else:
            output, state = core(x.transpose(0, 1), state, lengths)
            output = output.transpose(0, 1)
        return self.head(dropout(output, self.dropout, self.training)), state

    def step(self, tokens: Int[Tensor, " B"], state: States | None) -> tuple[Float[Tensor, "B V"], States]:
        """Read one more token per row; return the scores of the next token, and the states (B, L, H), batch first."""
        self._check_direction()
        logits, after = self(tokens[:, None], None if state is None else _swap_axes(state))
        return logits[:, 0], as_rows(after)

    @torch.no_grad()
    def read(
        self, prompt: Int[Tensor, "B P"], lengths: Int[Tensor, " B"] | None = None
    ) -> tuple[Int64[Tensor, " B"], States]:
        """Return the last token of each prompt, and the states after the tokens before it, from which to decode.

        Args:
            prompt: tokens (B, P).
            lengths: the number of real tokens of each prompt, at least one.
        """
        self._check_direction()
        checks.rank("prompt", checks.tensor("prompt", prompt), 2, layout="(B, P)")
        if lengths is None:
            lengths = torch.full_like(prompt[:, 0], prompt.size(1))
        checks.require(
            bool((lengths > 0).all()), "every prompt needs a token; start with a line break if there is none"
        )
        last = prompt.gather(1, lengths.long()[:, None] - 1)[:, 0]
        _, state = self(prompt, lengths=lengths - 1)
        return last.long(), as_rows(state)

    def _check_direction(self) -> None:
        """Raise `ValueError` for a core that reads tokens before they are generated."""
        direction = "both ways" if self.core.bidirectional else "backwards"
        checks.require(
            not self.core.bidirectional and not self.core.reverse,
            f"core runs {direction}: its scores depend on the tokens that are to come, so it cannot decode",
        )

    def save_pretrained(self, folder: str | Path, *args: Any, **options: Any) -> Path:
        """Save the model as `Pretrained` does; the core is written as the arguments of `RNN_factory`."""
        if "core" in self.init_arguments:
            kind = type(self.core)
            checks.require(
                kind.forward is RNN_factory.forward and kind._run_layers is RNN_factory._run_layers,
                f"core is a {kind.__name__}, whose forward config.json cannot hold: save its state_dict, with "
                "groundup.weights.save_weights, and load it with load_weights",
            )
            self.init_arguments = {**self.init_arguments, "core": self.core.arguments()}
        return super().save_pretrained(folder, *args, **options)

    def extra_repr(self) -> str:
        return f"{self.vocab_size}, dropout={self.dropout}" + (", tied=True" if self.tied else "")


def as_rows(state: State) -> States:
    """Return the states of all layers with the batch first, as decoding needs them: a tuple of (B, L, H)."""
    return _swap_axes(state if isinstance(state, tuple) else (state,))


def _swap_axes(states: States) -> States:
    """Swap the axes of layers and batch: (L, B, H) to (B, L, H), or back."""
    return tuple(s.transpose(0, 1) for s in states)
