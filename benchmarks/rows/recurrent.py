"""Recurrent cells and sequences through them, against `torch.nn`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.harness import Row
from groundup import layers
from rows.units import Apply, Unit

BATCH, TIME, INPUTS, HIDDEN = 32, 64, 128, 256
UNROLLED = "64 steps unrolled into one graph take minutes to compile"


class Output(nn.Module):
    """The output of a recurrent layer without its last state; with `lengths`, of padded sequences."""

    def __init__(self, layer: nn.Module, lengths: Tensor | None = None) -> None:
        super().__init__()
        self.layer, self.lengths = layer, lengths

    def forward(self, x: Tensor) -> Tensor:
        if self.lengths is None:
            return self.layer(x)[0]
        if isinstance(self.layer, layers.RNN):
            return self.layer(x, lengths=self.lengths.to(x.device))[0]
        packed = pack_padded_sequence(x, self.lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.layer(packed)[0], batch_first=True, total_length=TIME)[0]


def sequence(name: str, cell: Callable[[], layers.RecurrentCell], padded: bool = False) -> Row:
    """RNN(cell) against `torch.nn`'s layer of this name; `padded`: of lengths from 1 to TIME, packed by the peer."""

    def side(make: Callable[[], nn.Module]) -> Callable[[], Unit]:
        def build() -> Unit:
            lengths = torch.arange(BATCH, device="cpu") * 2 + 1 if padded else None
            return Apply(Output(make(), lengths), lambda: [torch.randn(BATCH, TIME, INPUTS)], backward=True)

        return build

    return Row(
        "recurrent",
        f"{name} {INPUTS} → {HIDDEN}" + (", lengths 1 to 63" if padded else ""),
        size=f"{BATCH} × {TIME} × {INPUTS}",
        work="forward + backward",
        against=f"nn.{name}" + (", packed" if padded else ""),
        ours=side(lambda: layers.RNN(cell())),
        peer=side(lambda: getattr(nn, name)(INPUTS, HIDDEN, batch_first=True)),
        not_compiled=UNROLLED,
    )


def of_cell(name: str, peer: str) -> Row:
    """One step; of an LSTM's two states the outcome shows h, whose gradient goes through c."""

    def side(cell: Callable[[int, int], nn.Module]) -> Callable[[], Unit]:
        def build() -> Unit:
            made = cell(INPUTS, HIDDEN)
            return Apply(
                Output(made) if name == "LSTM_cell" else made, lambda: [torch.randn(BATCH, INPUTS)], backward=True
            )

        return build

    return Row(
        "recurrent",
        f"{name} {INPUTS} → {HIDDEN}",
        size=f"{BATCH} × {INPUTS}",
        work="forward + backward",
        against=f"nn.{peer}",
        ours=side(getattr(layers, name)),
        peer=side(getattr(nn, peer)),
    )


ROWS = [
    sequence("LSTM", lambda: layers.LSTM_cell(INPUTS, HIDDEN)),
    sequence("GRU", lambda: layers.GRU_cell(INPUTS, HIDDEN)),
    sequence("RNN", lambda: layers.RNN_cell(INPUTS, HIDDEN)),
    sequence("LSTM", lambda: layers.LSTM_cell(INPUTS, HIDDEN), padded=True),
    of_cell("RNN_cell", "RNNCell"),
    of_cell("LSTM_cell", "LSTMCell"),
    of_cell("GRU_cell", "GRUCell"),
]
