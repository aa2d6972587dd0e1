"""Rows: recurrent cells, and sequences through them."""

import itertools

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from groundup import functional as G
from groundup import layers as L
from rows.benchmark import compare_calls
from rows.kit import Case, bad_inputs, both, draw, grid, label, randn, seeded_randn, simple
from rows.oracles.recurrent import LayerNormalisedOracle, PeepholeOracle, ResetBeforeOracle, SequenceOracle

I, H, T = 3, 4, 5
LENGTHS = torch.tensor([3, 5])


def with_state(batch=2, dtype=torch.float64):
    return seeded_randn(batch, I, dtype=dtype), seeded_randn(batch, H, dtype=dtype, seed=4)


def sequence_with_state(batch=2, dtype=torch.float64):
    return seeded_randn(batch, T, I, dtype=dtype), seeded_randn(batch, H, dtype=dtype, seed=4)


def sequence_with_lengths(batch=2, dtype=torch.float64):
    return *sequence_with_state(batch, dtype), LENGTHS[:batch]


CELLS = {
    "tanh": lambda: L.RNN_cell(I, H),
    "relu": lambda: L.RNN_cell(I, H, nonlinearity="relu", bias=False),
    "LSTM": lambda: L.LSTM_cell(I, H),
    "LSTM without bias": lambda: L.LSTM_cell(I, H, bias=False),
    "GRU": lambda: L.GRU_cell(I, H),
    "GRU without bias": lambda: L.GRU_cell(I, H, bias=False),
}

CASES = [
    *both("RNN_cell", nn.RNNCell, I, H, inputs=draw(I), grid=grid(bias=(True, False), nonlinearity=("tanh", "relu"))),
    *both(
        "RNN_cell", nn.RNNCell, I, H, inputs=with_state, grid=grid(bias=(True, False), nonlinearity=("tanh", "relu"))
    ),
    *[
        Case(
            "RNN_cell",
            label(layer_norm=True, **options),
            lambda o=options: L.RNN_cell(I, H, layer_norm=True, **o),
            with_state,
            lambda o=options: LayerNormalisedOracle(I, H, **o),
        )
        for options in grid(bias=(True, False), nonlinearity=("tanh", "relu"))
    ],
    *both("LSTM_cell", nn.LSTMCell, I, H, inputs=draw(I), grid=grid(bias=(True, False))),
    *[
        Case(
            "LSTM_cell",
            f"peephole=True,bias={bias}",
            lambda bias=bias: L.LSTM_cell(I, H, bias, peephole=True),
            draw(I),
            lambda bias=bias: PeepholeOracle(I, H, bias),
        )
        for bias in (True, False)
    ],
    *both("GRU_cell", nn.GRUCell, I, H, inputs=draw(I), grid=grid(bias=(True, False))),
    *both("GRU_cell", nn.GRUCell, I, H, inputs=with_state, grid=grid(bias=(True, False))),
    *[
        Case(
            "GRU_cell",
            f"reset_after=False,bias={bias}",
            lambda bias=bias: L.GRU_cell(I, H, bias, reset_after=False),
            with_state,
            lambda bias=bias: ResetBeforeOracle(I, H, bias),
        )
        for bias in (True, False)
    ],
    *[
        Case(
            "RNN",
            f"{name},reverse={reverse},{what}",
            lambda make=make, reverse=reverse: L.RNN(make(), reverse),
            inputs,
            lambda make=make, reverse=reverse: SequenceOracle(make(), reverse),
            # From float64's gradient, in bfloat16: PyTorch's kernel up to 0.04, the definition, whose tanh is four
            # rounded operations and five times in a row, up to 0.09.
            tolerance={torch.bfloat16: 0.15} if name == "tanh" else {},
        )
        for (name, make), reverse, (what, inputs) in itertools.product(
            CELLS.items(),
            (False, True),
            (("no state", draw(T, I)), ("state", sequence_with_state), ("lengths", sequence_with_lengths)),
        )
        if what == "no state" or "LSTM" not in name  # a state of two is given in tests/layers/test_recurrent.py
    ],
]


def weights(blocks, bias=True):
    rows = blocks * H
    return [
        randn(rows, I, seed=11),
        randn(rows, H, seed=12),
        *([randn(rows, seed=13), randn(rows, seed=14)] if bias else [None, None]),
    ]


def cell_oracle(kernel):
    return lambda x, h, w, u, b=None, b2=None, *rest, **options: kernel(x, h, w, u, b, b2)


def lstm_cell(x, h, c, *parameters):
    return torch.lstm_cell(x, (h, c), *parameters)


def sequence(kernel):
    """PyTorch's kernel of one layer, in our signature."""

    def oracle(x, *operands, reverse=False, lengths=None, **options):
        count = 2 if kernel is torch.lstm else 1
        states, parameters = operands[:count], [p for p in operands[count:] if p is not None]
        hidden = [s[None] for s in states]
        hidden = hidden if count > 1 else hidden[0]
        x = x.flip(1) if reverse else x
        y, *last = kernel(x, hidden, parameters, len(parameters) == 4, 1, 0.0, True, False, True)
        return y.flip(1) if reverse else y, *(s[0] for s in last)

    return oracle


step_x, sequence_x, h0, c0 = randn(2, I), randn(2, T, I), randn(2, H, seed=4), randn(2, H, seed=5)
peepholes = [randn(H, seed=seed) for seed in (15, 16, 17)]
gain = [randn(H, seed=15), randn(H, seed=16)]

FUNCTION_CASES = [
    *[
        case
        for bias in (True, False)
        for case in (
            simple(G.rnn_step, cell_oracle(torch.rnn_tanh_cell), step_x, h0, *weights(1, bias), label=f"bias={bias}"),
            simple(G.lstm_step, lstm_cell, step_x, h0, c0, *weights(4, bias), label=f"bias={bias}"),
            simple(G.gru_step, cell_oracle(torch.gru_cell), step_x, h0, *weights(3, bias), label=f"bias={bias}"),
        )
    ],
    *[
        case
        for bias, reverse in itertools.product((True, False), (False, True))
        for case in (
            simple(
                G.rnn,
                sequence(torch.rnn_tanh),
                sequence_x,
                h0,
                *weights(1, bias),
                label=f"bias={bias},reverse={reverse}",
                reverse=reverse,
            ),
            simple(
                G.lstm,
                sequence(torch.lstm),
                sequence_x,
                h0,
                c0,
                *weights(4, bias),
                label=f"bias={bias},reverse={reverse}",
                reverse=reverse,
            ),
            simple(
                G.gru,
                sequence(torch.gru),
                sequence_x,
                h0,
                *weights(3, bias),
                label=f"bias={bias},reverse={reverse}",
                reverse=reverse,
            ),
        )
    ],
    simple(G.rnn, sequence(torch.rnn_relu), sequence_x, h0, *weights(1), nonlinearity="relu", smooth=False),
    simple(G.rnn_step, cell_oracle(torch.rnn_relu_cell), step_x, h0, *weights(1), nonlinearity="relu", smooth=False),
    simple(G.rnn_step, None, step_x, h0, *weights(1), *gain, label="layer norm"),
    simple(G.lstm_step, None, step_x, h0, c0, *weights(4), *peepholes, label="peepholes"),
    simple(G.gru_step, None, step_x, h0, *weights(3), reset_after=False),
    *[
        case
        for reverse in (False, True)
        for case in (
            simple(G.rnn, None, sequence_x, h0, *weights(1), *gain, label=f"layer norm,{reverse}", reverse=reverse),
            simple(
                G.lstm, None, sequence_x, h0, c0, *weights(4), *peepholes, label=f"peepholes,{reverse}", reverse=reverse
            ),
            simple(
                G.gru,
                None,
                sequence_x,
                h0,
                *weights(3),
                label=f"lengths,{reverse}",
                reverse=reverse,
                reset_after=False,
                lengths=lambda dtype: LENGTHS,
            ),
        )
    ],
]

x2, x3 = torch.ones(2, I), torch.ones(2, T, I)
cell = L.LSTM_cell(I, H)
net = L.RNN(cell)
named = dict(cell.named_parameters())
peep = {f"weight_c{gate}": torch.ones(H) for gate in "if"}

REQUIRED = {"RNN_cell": (3, 4), "LSTM_cell": (3, 4), "GRU_cell": (3, 4)}

BAD_INPUTS = bad_inputs(
    RNN_cell=[
        (lambda: L.RNN_cell(0, 2), "input_size must be at least 1, got 0"),
        (lambda: L.RNN_cell(2, 2.0), "TypeError: hidden_size must be an int, got 2.0"),
        (lambda: L.RNN_cell(2, 2, nonlinearity="sin"), "nonlinearity must be one of 'tanh', 'relu'"),
        (lambda: L.RNN_cell(I, H)(x3), "x must have shape (N, input_size) or (input_size,), got 3"),
        (lambda: L.RNN_cell(I, H)(x2.long()), "TypeError: x must be a floating-point tensor"),
        (lambda: L.RNN_cell(2, H)(x2), "x must have 2 features (axis -1), as weight_ih (H, I) has"),
        (lambda: L.RNN_cell(I, H)(x2, torch.ones(1, H)), "h must have shape (N, H) with N = 2"),
    ],
    LSTM_cell=[
        (lambda: L.LSTM_cell(1, 1, bias=False, forget_bias=1.0), "needs bias=True"),
        (lambda: L.LSTM_cell(1, 1, forget_bias="one"), "TypeError: forget_bias must be a number"),
        (lambda: cell(x2, torch.ones(2, H)), "TypeError: state must be a tuple (h, c) of 2 tensors, got 1"),
        (lambda: cell(x2, (torch.ones(2, H), None)), "TypeError: c must be a torch.Tensor, got NoneType"),
    ],
    GRU_cell=[
        (lambda: L.GRU_cell(2, -2), "hidden_size must be at least 1, got -2"),
        (lambda: L.GRU_cell(I, H)(x2, torch.ones(2, 5)), "h must have 4 hidden units (axis -1)"),
    ],
    RNN=[
        (lambda: L.RNN(nn.LSTMCell(1, 1)), "TypeError: cell must be a RecurrentCell"),
        (lambda: L.RecurrentCell(3, 4)(x2), "NotImplementedError: RecurrentCell must define step(x, states)"),
        (lambda: net(x2), "x must have shape (B, T, I), got 2 axes"),
        (lambda: net(torch.ones(2, 5, 2)), "x must have 3 features"),
        (lambda: net(x3, lengths=[5, 3]), "TypeError: lengths must be a torch.Tensor, got list"),
        (lambda: net(x3, lengths=torch.tensor([5.0, 3.0])), "TypeError: lengths must be an integer tensor"),
        (lambda: net(x3, lengths=torch.tensor([5])), "lengths must have shape (2,), one for each sequ"),
        (lambda: net(x3, lengths=torch.tensor([5, 6])), "lengths must lie in [0, 5], got 6"),
        (lambda: net(x3, lengths=torch.tensor([-1, 6])), "lengths must lie in [0, 5], got -1"),
        (lambda: net(x3, torch.ones(2, H)), "TypeError: state must be a tuple (h, c)"),
    ],
    lstm_step=[
        (
            lambda: G.lstm_step(x2, torch.ones(2, H), torch.ones(2, H), **named, **peep),
            "weight_ci, weight_cf, weight_co must be given together",
        )
    ],
    rnn_step=[
        (
            lambda: G.rnn_step(x2, torch.ones(2, H), torch.ones(H, I), torch.ones(H, H), torch.ones(H)),
            "bias_ih and bias_hh must be given together",
        )
    ],
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------


class Output(nn.Module):
    """The output of a recurrent layer or cell without its last state; with `lengths`, of padded sequences."""

    def __init__(self, layer, lengths=None):
        super().__init__()
        self.layer, self.lengths = layer, lengths

    def forward(self, x):
        if self.lengths is None:
            return self.layer(x)[0]
        if isinstance(self.layer, L.RNN):
            return self.layer(x, lengths=self.lengths.to(x.device))[0]
        packed = pack_padded_sequence(x, self.lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.layer(packed)[0], batch_first=True, total_length=x.size(1))[0]


def compare_sequences(name, cell, padded=False):
    """RNN(cell) against `torch.nn`'s layer of this name; `padded`: of lengths from 1 to 63, packed by the peer."""
    lengths = torch.arange(32) * 2 + 1 if padded else None
    return compare_calls(
        *("recurrent", f"{name} 128 → 256" + ", lengths 1 to 63" * padded, (32, 64, 128)),
        f"nn.{name}" + ", packed" * padded,
        lambda: Output(L.RNN(cell(128, 256)), lengths),
        lambda: Output(getattr(nn, name)(128, 256, batch_first=True), lengths),
        lambda: [torch.randn(32, 64, 128)],
        not_compiled="64 steps unrolled into one graph take minutes to compile",
    )


BENCHMARKS = [
    compare_sequences("LSTM", L.LSTM_cell),
    compare_sequences("GRU", L.GRU_cell),
    compare_sequences("RNN", L.RNN_cell),
    compare_sequences("LSTM", L.LSTM_cell, padded=True),
    *[  # the outcome of an LSTM shows h, whose gradient goes through c
        compare_calls(
            *("recurrent", f"{ours.__name__} 128 → 256", (32, 128), f"nn.{peer.__name__}"),
            *[lambda m=made, w=wrap: w(m(128, 256)) for made in (ours, peer)],
            lambda: [torch.randn(32, 128)],
        )
        for ours, peer, wrap in (
            (L.RNN_cell, nn.RNNCell, lambda cell: cell),
            (L.LSTM_cell, nn.LSTMCell, Output),
            (L.GRU_cell, nn.GRUCell, lambda cell: cell),
        )
    ],
]
