"""Recurrent layers one above the other, in one direction or both: SimpleRNN, LSTM, GRU, and the frame they share.

Schuster and Paliwal 1997, Bidirectional Recurrent Neural Networks, IEEE Transactions on Signal Processing 45;
Graves, Mohamed and Hinton 2013, Speech Recognition with Deep Recurrent Neural Networks, arXiv:1303.5778, section 2;
dropout between layers: Zaremba et al. 2014, Recurrent Neural Network Regularization, arXiv:1409.2329.

    x ─┬─ layer 0 →  ─┐        ─┬─ layer 1 →  ─┐
       └─ layer 0 ←  ─┴ concat ─┴─ layer 1 ←  ─┴ concat ─ output

Legend: B batch, T time, I inputs, H hidden units, L layers, D directions (1 or 2).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.functional.dropout import dropout
from groundup.functional.gru import gru
from groundup.functional.lstm import lstm
from groundup.functional.recurrence import States, check_lengths, rnn
from groundup.layers.keywords import TorchKeywords
from groundup.layers.recurrent_cells import GRU_cell, LSTM_cell, RecurrentCell, RNN_cell, State, as_state

_TANH, _RELU = partial(rnn, nonlinearity="tanh"), partial(rnn, nonlinearity="relu")
#: What PyTorch calls them: the cell whose parameters each layer has, and the function that takes it through time.
MODES: dict[str, tuple[type[RecurrentCell], Any]] = {
    "RNN_TANH": (RNN_cell, _TANH),
    "RNN_RELU": (RNN_cell, _RELU),
    "LSTM": (LSTM_cell, lstm),
    "GRU": (GRU_cell, gru),
}


class RNN_factory(TorchKeywords, nn.Module):
    """L layers of the unit `mode`: x (B, T, I) → output (B, T, D·H), and the last states of all layers (L·D, B, H).

    mode            "RNN_TANH", "RNN_RELU", "LSTM" (whose state is the pair (h, c)) or "GRU"
    bidirectional   every layer has a second unit that runs from the end to the beginning; a layer reads both outputs
                    of the one below it, concatenated. States come in the order layer 0 →, layer 0 ←, layer 1 →, …
    reverse         instead, all layers run from the end to the beginning
    dropout         the probability of dropping each output of a layer on the way to the layer above
    batch_first     False: x (T, B, I) → (T, B, D·H); states are as they are
    cell_options    further ones of the cell, as LSTM_cell's peephole, RNN_cell's layer_norm, GRU_cell's reset_after

    A single sequence (T, I) may come without a batch; its states are then (L·D, H). lengths (B,): how many steps of
    each sequence are real; padding never touches a state, and the output over it is 0 (see `groundup.layers.RNN`).
    As `torch.nn.RNNBase`, with its names and shapes of parameters, but for three things: batch_first=True is the
    default, lengths take the place of packed sequences, and there is no proj_size.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reverse: bool = False,
        **cell_options: Any,
    ) -> None:
        super().__init__()
        self.mode = checks.choice("mode", mode, tuple(MODES))
        self.input_size = checks.integer("input_size", input_size)
        self.hidden_size = checks.integer("hidden_size", hidden_size)
        self.num_layers = checks.integer("num_layers", num_layers)
        self.dropout = checks.probability("dropout", dropout)
        checks.require(
            not (bidirectional and reverse), "bidirectional already runs both ways: leave reverse out, or bidirectional"
        )
        self.bias, self.batch_first, self.bidirectional, self.reverse = bias, batch_first, bidirectional, reverse
        self.output_size = hidden_size * (1 + bidirectional)
        self.cell_options = cell_options
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            for suffix in self.suffixes:
                for name, parameter in self._cell(layer, device, dtype).named_parameters():
                    self.register_parameter(f"{name}_l{layer}{suffix}", parameter)

    def _cell(self, layer: int, device: Any, dtype: Any) -> RecurrentCell:
        """A cell of this layer, for its parameters and how they begin."""
        cell = MODES[self.mode][0]
        size = self.input_size if layer == 0 else self.output_size
        return cell(size, self.hidden_size, self.bias, device=device, dtype=dtype, **self.cell_options)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        for layer in range(self.num_layers):
            for suffix in self.suffixes:
                like = self.get_parameter(f"weight_ih_l{layer}{suffix}")
                for name, fresh in self._cell(layer, like.device, like.dtype).named_parameters():
                    self.get_parameter(f"{name}_l{layer}{suffix}").copy_(fresh)

    def forward(
        self, x: Float[Tensor, "*batch T I"], state: State | None = None, lengths: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "*batch T DH"], State]:
        layout = "(B, T, input_size), or (T, input_size)" if self.batch_first else "(T, B, input_size)"
        checks.rank("x", checks.floating("x", x), 2, 3, layout=layout)
        checks.size("x", x, -1, self.input_size, "features, the input_size")
        if x.dim() == 2:  # a single sequence
            output, states = self._run(x[None], self._begin(x[None], state, single=True), lengths)
            return output[0], as_state(tuple(s[:, 0] for s in states))
        x = x if self.batch_first else x.transpose(0, 1)
        output, states = self._run(x, self._begin(x, state), lengths)
        return output if self.batch_first else output.transpose(0, 1), as_state(states)

    def _run(self, x: Tensor, begin: States, lengths: Tensor | None) -> tuple[Tensor, States]:
        """x (B, T, I) and states (L·D, B, H) → (B, T, D·H) and states (L·D, B, H)."""
        check_lengths(x, lengths)
        through_time = MODES[self.mode][1]
        options = {k: v for k, v in self.cell_options.items() if k == "reset_after"}  # others show in the parameters
        last: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            directions = []
            for suffix in self.suffixes:
                states = tuple(s[len(last)] for s in begin)
                reverse = self.reverse or suffix == "_reverse"
                weights = self.weights(f"_l{layer}{suffix}")
                output, *states = through_time(x, *states, **weights, **options, lengths=lengths, reverse=reverse)
                directions.append(output)
                last.append(states)
            x = torch.cat(directions, -1) if self.bidirectional else directions[0]
            if layer < self.num_layers - 1 and self.dropout > 0:  # drawn step by step, in whatever order x lies
                x = dropout(x.transpose(0, 1).contiguous(), self.dropout, self.training).transpose(0, 1)
        return x, tuple(torch.stack(of_layers) for of_layers in zip(*last))

    def weights(self, suffix: str) -> dict[str, Tensor | None]:
        """What the function of a unit takes by name, for the unit with this suffix, as "_l0" or "_l1_reverse"."""
        return {name: getattr(self, name + suffix, None) for name in MODES[self.mode][0].weight_names}

    def _begin(self, x: Tensor, state: State | None, single: bool = False) -> States:
        """`state` as a tuple of (L·D, B, H); zeros like x if it is None."""
        names = MODES[self.mode][0].state_names
        rows = self.num_layers * len(self.suffixes)
        if state is None:
            return tuple(x.new_zeros(rows, x.size(0), self.hidden_size) for _ in names)
        states = state if isinstance(state, tuple) else (state,)
        if len(states) != len(names):
            raise TypeError(f"state must be a tuple ({', '.join(names)}) of {len(names)} tensors, got {len(states)}")
        expected = (rows, self.hidden_size) if single else (rows, x.size(0), self.hidden_size)
        for name, value in zip(names, states):
            if tuple(checks.tensor(name, value).shape) != expected:
                raise ValueError(
                    f"{name} must have the shape {expected} (layers times directions, ...), got {tuple(value.shape)}"
                )
        return tuple(s[:, None] for s in states) if single else states

    def arguments(self) -> dict[str, Any]:
        """The arguments with which `RNN_factory` builds these layers, whatever subclass built them."""
        names = ("mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout")
        return {name: getattr(self, name) for name in (*names, "bidirectional", "reverse")} | self.cell_options

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"
        defaults = {"bias": True, "batch_first": True, "dropout": 0.0, "bidirectional": False, "reverse": False}
        for name, default in defaults.items():
            text += "" if getattr(self, name) == default else f", {name}={getattr(self, name)}"
        return text + "".join(f", {name}={value}" for name, value in self.cell_options.items())


class SimpleRNN(RNN_factory):
    """h_t = f(W x_t + U h_{t-1} + b) in L layers, f tanh or relu: `RNN_factory` as `torch.nn.RNN`, batch_first=False.

    layer_norm=True: each layer's sum is layer-normalised (see `groundup.layers.RNN_cell`).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reverse: bool = False,
        layer_norm: bool = False,
    ) -> None:
        mode = f"RNN_{checks.choice('nonlinearity', nonlinearity, ('tanh', 'relu')).upper()}"
        rest = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)
        super().__init__(mode, *rest, reverse=reverse, layer_norm=layer_norm)
        self.nonlinearity = nonlinearity


class LSTM(RNN_factory):
    """Long short-term memory in L layers: `RNN_factory` as `torch.nn.LSTM`, batch_first=False; state is (h, c).

    peephole=True lets the gates see the memory, forget_bias is how the forget gates begin (see
    `groundup.layers.LSTM_cell`).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reverse: bool = False,
        peephole: bool = False,
        forget_bias: float | None = None,
    ) -> None:
        rest = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)
        super().__init__("LSTM", *rest, reverse=reverse, peephole=peephole, forget_bias=forget_bias)


class GRU(RNN_factory):
    """Gated recurrent units in L layers: `RNN_factory` as `torch.nn.GRU`, batch_first=False.

    reset_after=False: the reset gate acts before the candidate's product (see `groundup.layers.GRU_cell`).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reverse: bool = False,
        reset_after: bool = True,
    ) -> None:
        rest = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)
        super().__init__("GRU", *rest, reverse=reverse, reset_after=reset_after)
