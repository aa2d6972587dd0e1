"""Independent recurrences: PyTorch's, one sequence at a time, and loops over single numbers' equations.

They contain our cell only for the names of its parameters, and never call it.
"""

import torch
from torch import nn

from groundup import layers as L


def torch_recurrence(cell):
    """nn.RNN, nn.LSTM or nn.GRU over a batch of one sequence, with a cell's parameters."""
    bias = cell.bias_ih is not None
    options = {"bias": bias, "batch_first": True}
    if isinstance(cell, L.RNN_cell):
        net = nn.RNN(cell.input_size, cell.hidden_size, nonlinearity=cell.nonlinearity, **options)
    else:
        net = (nn.LSTM if isinstance(cell, L.LSTM_cell) else nn.GRU)(cell.input_size, cell.hidden_size, **options)
    weights = {f"{name}_l0": p for name, p in cell.named_parameters()}
    return lambda x, states: torch.func.functional_call(
        net, weights, (x[None], tuple(s[None, None] for s in states) if len(states) > 1 else states[0][None, None])
    )


class SequenceOracle(nn.Module):
    """RNN(cell, reverse) by PyTorch: each sequence alone, cut to its length, turned by hand, then padded with zeros."""

    def __init__(self, cell, reverse=False):
        super().__init__()
        self.cell, self.reverse = cell, reverse

    def forward(self, x, state=None, lengths=None):
        count = 2 if isinstance(self.cell, L.LSTM_cell) else 1
        if state is None:
            state = tuple(x.new_zeros(x.size(0), self.cell.hidden_size) for _ in range(count))
        states = state if isinstance(state, tuple) else (state,)
        net, outputs, finals = torch_recurrence(self.cell), [], []
        for b, sequence in enumerate(x):
            length = x.size(1) if lengths is None else int(lengths[b])
            begin = [s[b] for s in states]
            padding = x.new_zeros(x.size(1) - length, self.cell.hidden_size)
            if length == 0:
                outputs.append(padding)
                finals.append(begin)
                continue
            real = sequence[:length].flip(0) if self.reverse else sequence[:length]
            y, last = net(real, begin)
            y = y[0].flip(0) if self.reverse else y[0]
            outputs.append(torch.cat([y, padding]))
            finals.append([s[0, 0] for s in (last if isinstance(last, tuple) else (last,))])
        final = tuple(torch.stack(column) for column in zip(*finals))
        return torch.stack(outputs), final if count > 1 else final[0]


def blocks(cell, count):
    """(W, U, b) of each of `count` stacked units, the two biases added up."""
    bias = 0 * cell.weight_ih[:, 0] if cell.bias_ih is None else cell.bias_ih + cell.bias_hh
    return list(zip(cell.weight_ih.chunk(count), cell.weight_hh.chunk(count), bias.chunk(count)))


class PeepholeOracle(nn.Module):
    """Graves 2013, equations 7 to 11, sample by sample; W_c· as the diagonal matrices they stand for."""

    def __init__(self, *arguments, **options):
        super().__init__()
        made = L.LSTM_cell(*arguments, peephole=True, **options)
        for name, p in made.named_parameters():
            self.register_parameter(name, p)
        for name in ("bias_ih", "bias_hh"):
            if getattr(made, name) is None:
                self.register_parameter(name, None)

    def forward(self, x, state=None):
        size = self.weight_hh.size(1)
        (w_xi, w_hi, b_i), (w_xf, w_hf, b_f), (w_xc, w_hc, b_c), (w_xo, w_ho, b_o) = blocks(self, 4)
        w_ci, w_cf, w_co = (torch.diag(w) for w in (self.weight_ci, self.weight_cf, self.weight_co))
        hs, cs = [], []
        for n, x_t in enumerate(x):
            h, c = (x.new_zeros(size), x.new_zeros(size)) if state is None else (state[0][n], state[1][n])
            i = torch.sigmoid(w_xi @ x_t + w_hi @ h + w_ci @ c + b_i)
            f = torch.sigmoid(w_xf @ x_t + w_hf @ h + w_cf @ c + b_f)
            c = f * c + i * torch.tanh(w_xc @ x_t + w_hc @ h + b_c)
            o = torch.sigmoid(w_xo @ x_t + w_ho @ h + w_co @ c + b_o)
            hs.append(o * torch.tanh(c))
            cs.append(c)
        return torch.stack(hs), torch.stack(cs)


class ResetBeforeOracle(nn.GRUCell):
    """Cho et al. 2014, equations 5 to 8, sample by sample."""

    def forward(self, x, state=None):
        (w_r, u_r, b_r), (w_z, u_z, b_z), (w, u, b) = blocks(self, 3)
        hs = []
        for n, x_t in enumerate(x):
            h = x.new_zeros(self.hidden_size) if state is None else state[n]
            r = torch.sigmoid(w_r @ x_t + u_r @ h + b_r)
            z = torch.sigmoid(w_z @ x_t + u_z @ h + b_z)
            candidate = torch.tanh(w @ x_t + u @ (r * h) + b)
            hs.append(z * h + (1 - z) * candidate)
        return torch.stack(hs)


class LayerNormalisedOracle(nn.RNNCell):
    """Ba et al. 2016, equation 4: nn.LayerNorm between the sum and the nonlinearity."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.weight_ln = nn.Parameter(torch.ones(self.hidden_size))
        self.bias_ln = nn.Parameter(torch.zeros(self.hidden_size))

    def forward(self, x, state):
        ((w, u, b),) = blocks(self, 1)
        a = nn.functional.layer_norm(x @ w.T + state @ u.T + b, (self.hidden_size,), self.weight_ln, self.bias_ln)
        return torch.relu(a) if self.nonlinearity == "relu" else torch.tanh(a)
