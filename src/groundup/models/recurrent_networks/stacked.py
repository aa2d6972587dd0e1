"""Stacked recurrent layers, in one or both directions: SimpleRNN, LSTM, GRU, and their common base, RNN_factory.

Schuster and Paliwal 1997, Bidirectional Recurrent Neural Networks, IEEE Transactions on Signal Processing 45;
Graves, Mohamed and Hinton 2013, Speech Recognition with Deep Recurrent Neural Networks, arXiv:1303.5778, section 2;
dropout between layers: Zaremba et al. 2014, Recurrent Neural Network Regularization, arXiv:1409.2329.

    x ─┬─ layer 0 →  ─┐        ─┬─ layer 1 →  ─┐
       └─ layer 0 ←  ─┴ concat ─┴─ layer 1 ←  ─┴ concat ─ output

Shapes: B batch, T time steps, I inputs, H hidden units, L layers, D directions (1 or 2).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.dropout import dropout
from groundup.functional.gru import gru
from groundup.functional.lstm import lstm
from groundup.functional.recurrence import States, rnn
from groundup.layers.keywords import TorchKeywords
from groundup.layers.recurrent import RecurrentCell, State, as_state
from groundup.layers.recurrent_cells import GRU_cell, LSTM_cell, RNN_cell
from groundup.rules.recurrence import check_lengths

_TANH, _RELU = partial(rnn, nonlinearity="tanh"), partial(rnn, nonlinearity="relu")
#: PyTorch's name -> the cell whose parameters each layer has, and the function that runs it over a sequence.
MODES: dict[str, tuple[type[RecurrentCell], Any]] = {
    "RNN_TANH": (RNN_cell, _TANH),
    "RNN_RELU": (RNN_cell, _RELU),
    "LSTM": (LSTM_cell, lstm),
    "GRU": (GRU_cell, gru),
}


@component(
    68,
    "stacked recurrent layers, in one or both directions",
    paper="Graves et al. 2013, Speech Recognition with Deep Recurrent Neural Networks, arXiv:1303.5778",
    oracle="torch.nn.RNNBase",
    example="RNN_factory('LSTM', 32, 64, num_layers=2)(torch.randn(1, 10, 32))",
)
class RNN_factory(TorchKeywords, nn.Module):
    """L recurrent layers: x (B, T, I) -> output (B, T, D·H), and the last states of all layers (L·D, B, H).

    Why layers: each reads the sequence of states below it, and can keep what changes more slowly. Why both directions:
    a state then knows the words after it, too; such a network can label a sequence, but not generate one.

    As `torch.nn.RNNBase`, with its names and shapes of parameters. Differs from it: batch_first=True is the default,
    `lengths` replace packed sequences, and there is no proj_size.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" (whose state is the pair (h, c)) or "GRU".
        input_size: I.
        hidden_size: H.
        num_layers: L.
        bias: whether the cells have biases.
        batch_first: if False, x is (T, B, I) and the output (T, B, D·H); states stay as they are.
        dropout: probability of dropping an output of a layer on its way to the next layer.
        bidirectional: adds to every layer a second cell that runs from the end to the start; the next layer reads both
            outputs, concatenated. States come in the order layer 0 →, layer 0 ←, layer 1 →, …
        device, dtype: of the parameters.
        reverse: run all layers from the end to the start instead.
        cell_options: of the cell: LSTM_cell's peephole and forget_bias, RNN_cell's layer_norm, GRU_cell's reset_after.

    Example:
        >>> output, (h, c) = RNN_factory("LSTM", 4, 8, num_layers=2, bidirectional=True)(torch.randn(3, 5, 4))
        >>> output.shape, h.shape
        (torch.Size([3, 5, 16]), torch.Size([4, 3, 8]))
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
        """Return a new cell of this layer, for its parameters and their initial values."""
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
        """Run all layers; return the output of the last one, and the last states.

        Args:
            x: (B, T, I), or a single sequence (T, I), whose states are (L·D, H).
            state: the first states; zeros by default.
            lengths: the number of real steps of each sequence. Padding changes no state, and the output over it is 0.
        """
        layout = "(B, T, input_size), or (T, input_size)" if self.batch_first else "(T, B, input_size)"
        checks.rank("x", checks.floating("x", x), 2, 3, layout=layout)
        checks.size("x", x, -1, self.input_size, "features, the input_size")
        if x.dim() == 2:  # a single sequence
            output, states = self._run_layers(x[None], self._first_states(x[None], state, single=True), lengths)
            return output[0], as_state(tuple(s[:, 0] for s in states))
        x = x if self.batch_first else x.transpose(0, 1)
        output, states = self._run_layers(x, self._first_states(x, state), lengths)
        return output if self.batch_first else output.transpose(0, 1), as_state(states)

    def _run_layers(self, x: Tensor, first: States, lengths: Tensor | None) -> tuple[Tensor, States]:
        """Map x (B, T, I) and states (L·D, B, H) to the output (B, T, D·H) and the last states (L·D, B, H)."""
        check_lengths(x, lengths)
        run = MODES[self.mode][1]
        options = {k: v for k, v in self.cell_options.items() if k == "reset_after"}  # the others add parameters
        last: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            directions = []
            for suffix in self.suffixes:
                states = tuple(s[len(last)] for s in first)
                reverse = self.reverse or suffix == "_reverse"
                weights = self.weights(f"_l{layer}{suffix}")
                output, *states = run(x, *states, **weights, **options, lengths=lengths, reverse=reverse)
                directions.append(output)
                last.append(states)
            x = torch.cat(directions, -1) if self.bidirectional else directions[0]
            if layer < self.num_layers - 1 and self.dropout > 0:  # drawn step by step, whatever the layout of x
                x = dropout(x.transpose(0, 1).contiguous(), self.dropout, self.training).transpose(0, 1)
        return x, tuple(torch.stack(of_layers) for of_layers in zip(*last))

    def weights(self, suffix: str) -> dict[str, Tensor | None]:
        """Return the weights of the cell with this suffix, "_l0" or "_l1_reverse", by their names in the cell."""
        return {name: getattr(self, name + suffix, None) for name in MODES[self.mode][0].weight_names}

    def _first_states(self, x: Tensor, state: State | None, single: bool = False) -> States:
        """Return `state` as a tuple of (L·D, B, H), after checks; zeros of the type of x if it is None."""
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
        """Return the arguments with which `RNN_factory` builds these layers, whichever subclass built them."""
        names = ("mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout")
        return {name: getattr(self, name) for name in (*names, "bidirectional", "reverse")} | self.cell_options

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"
        defaults = {"bias": True, "batch_first": True, "dropout": 0.0, "bidirectional": False, "reverse": False}
        for name, default in defaults.items():
            text += "" if getattr(self, name) == default else f", {name}={getattr(self, name)}"
        return text + "".join(f", {name}={value}" for name, value in self.cell_options.items())


@component(
    69,
    "stacked layers of the plain recurrent unit",
    paper="Elman 1990, Finding Structure in Time, doi:10.1207/s15516709cog1402_1",
    oracle="torch.nn.RNN, packed",
    example="SimpleRNN(32, 64, num_layers=2, batch_first=True)(torch.randn(1, 10, 32))",
)
class SimpleRNN(RNN_factory):
    """h_t = f(W x_t + U h_{t-1} + b) in L layers, f tanh or relu: as `torch.nn.RNN`, batch_first=False.

    Over many steps the gradient of h_t is multiplied by U again and again, and vanishes or explodes: such a network
    learns dependencies of about ten steps.

    Args:
        nonlinearity: f: "tanh" or "relu".
        layer_norm: normalise the sum before f (see `groundup.layers.RNN_cell`).
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, reverse: as for
            `RNN_factory`.

    Example:
        >>> output, h = SimpleRNN(4, 8)(torch.randn(5, 3, 4))
        >>> output.shape, h.shape
        (torch.Size([5, 3, 8]), torch.Size([1, 3, 8]))
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


@component(
    70,
    "stacked layers of long short-term memory",
    paper="Hochreiter and Schmidhuber 1997, Long Short-Term Memory, doi:10.1162/neco.1997.9.8.1735",
    oracle="torch.nn.LSTM, packed",
    example="LSTM(32, 64, num_layers=2, batch_first=True)(torch.randn(1, 10, 32))",
)
class LSTM(RNN_factory):
    """Long short-term memory in L layers: as `torch.nn.LSTM`, batch_first=False; the state is the pair (h, c).

    The memory c is changed by addition and by a gate near 1, so that its gradient survives hundreds of steps.

    Args:
        peephole: let the gates see the memory.
        forget_bias: the initial bias of the forget gate; a positive one makes the layer remember from the start (see
            `groundup.layers.LSTM_cell`).
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, reverse: as for
            `RNN_factory`.

    Example:
        >>> output, (h, c) = LSTM(4, 8, num_layers=2)(torch.randn(5, 3, 4))
        >>> output.shape, c.shape
        (torch.Size([5, 3, 8]), torch.Size([2, 3, 8]))
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


@component(
    71,
    "stacked layers of gated recurrent units",
    paper="Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder, arXiv:1406.1078",
    oracle="torch.nn.GRU, packed; a loop",
    example="GRU(32, 64, num_layers=2, batch_first=True)(torch.randn(1, 10, 32))",
)
class GRU(RNN_factory):
    """Gated recurrent units in L layers: as `torch.nn.GRU`, batch_first=False.

    Two gates do what the three of an LSTM do, with one state and a quarter fewer parameters.

    Args:
        reset_after: whether the reset gate acts after the candidate's product with the state, as in cuDNN, or before
            it, as in the paper (see `groundup.layers.GRU_cell`).
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, reverse: as for
            `RNN_factory`.

    Example:
        >>> output, h = GRU(4, 8)(torch.randn(5, 3, 4))
        >>> output.shape, h.shape
        (torch.Size([5, 3, 8]), torch.Size([1, 3, 8]))
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
