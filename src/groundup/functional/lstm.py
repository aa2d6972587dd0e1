"""Long short-term memory.

Why: in a plain recurrent unit the gradient passes through a matrix product and a tanh at every step, and vanishes. An
LSTM's memory c_t is a sum: the gradient passes from c_t to c_{t-1} multiplied by the forget gate alone, and where that
gate is open it stays as it is for hundreds of steps.

Legend: B batch, T time, I inputs, H hidden units; x_t the input, h_t the output, c_t the memory at time t;
i, f, o the input, forget and output gates.  weight_ih stacks W_xi, W_xf, W_xc, W_xo;  weight_hh W_hi, W_hf, W_hc, W_ho;
bias_ih + bias_hh is b_i, b_f, b_c, b_o.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from groundup.backend import fused_by
from groundup.functional.activations import sigmoid, tanh
from groundup.functional.linear import linear
from groundup.functional.recurrence import blank_padding, scan
from groundup.kernels import recurrence as kernels
from groundup.rules import recurrence as rules


@fused_by(kernels.lstm_step, rules.lstm_step)
def lstm_step(
    x: Float[Tensor, "N I"],
    h: Float[Tensor, "N H"],
    c: Float[Tensor, "N H"],
    weight_ih: Float[Tensor, "4*H I"],
    weight_hh: Float[Tensor, "4*H H"],
    bias_ih: Float[Tensor, " 4*H"] | None = None,
    bias_hh: Float[Tensor, " 4*H"] | None = None,
    weight_ci: Float[Tensor, " H"] | None = None,
    weight_cf: Float[Tensor, " H"] | None = None,
    weight_co: Float[Tensor, " H"] | None = None,
) -> tuple[Float[Tensor, "N H"], Float[Tensor, "N H"]]:
    """(h_t, c_t) of one step:

        i_t = σ(W_xi x_t + W_hi h_{t-1} + W_ci c_{t-1} + b_i)
        f_t = σ(W_xf x_t + W_hf h_{t-1} + W_cf c_{t-1} + b_f)
        c_t = f_t c_{t-1} + i_t tanh(W_xc x_t + W_hc h_{t-1} + b_c)
        o_t = σ(W_xo x_t + W_ho h_{t-1} + W_co c_t + b_o)
        h_t = o_t tanh(c_t)

    Why three gates: i decides what is written into the memory, f what is kept, o what is shown. Without f the memory
    grows without bound on long sequences.

    Args:
        x: x_t.
        h, c: h_{t-1} and c_{t-1}.
        weight_ih, weight_hh, bias_ih, bias_hh: stacked as the head of this file says; both biases, or neither.
        weight_ci, weight_cf, weight_co: the peepholes, through which gates see the memory: diagonal matrices, hence
            vectors. None leaves them out, as most libraries do.

    Hochreiter and Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9; the forget gate: Gers et al. 2000;
    the equations: Graves 2013, Generating Sequences With Recurrent Neural Networks, arXiv:1308.0850, (7) to (11).

    Example:
        >>> import torch
        >>> x, h, c = torch.ones(2, 3), torch.zeros(2, 4), torch.zeros(2, 4)
        >>> h, c = lstm_step(x, h, c, torch.randn(16, 3), torch.randn(16, 4))
        >>> h.shape, c.shape
        (torch.Size([2, 4]), torch.Size([2, 4]))
    """
    wx = linear(x, weight_ih, bias_ih)
    return update_lstm(wx, h, c, weight_hh, bias_hh, weight_ci, weight_cf, weight_co)


@fused_by(kernels.lstm, rules.lstm, values=rules.lengths)
def lstm(
    x: Float[Tensor, "B T I"],
    h: Float[Tensor, "B H"],
    c: Float[Tensor, "B H"],
    weight_ih: Float[Tensor, "4*H I"],
    weight_hh: Float[Tensor, "4*H H"],
    bias_ih: Float[Tensor, " 4*H"] | None = None,
    bias_hh: Float[Tensor, " 4*H"] | None = None,
    weight_ci: Float[Tensor, " H"] | None = None,
    weight_cf: Float[Tensor, " H"] | None = None,
    weight_co: Float[Tensor, " H"] | None = None,
    lengths: Int[Tensor, " B"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B H"], Float[Tensor, "B H"]]:
    """(h_1 … h_T, the last h, the last c): `lstm_step` along the time axis, W_x· x_t as one product for all t.

    Args:
        x: a batch of sequences.
        h, c: h_0 and c_0.
        weight_ih … weight_co: see `lstm_step`.
        lengths: of each sequence, from 0 to T; outputs after its end are 0. None is T for all.
        reverse: from each sequence's end to its start.

    Example:
        >>> import torch
        >>> x, state = torch.ones(2, 5, 3), torch.zeros(2, 4)
        >>> output, h, c = lstm(x, state, state, torch.randn(16, 3), torch.randn(16, 4))
        >>> output.shape, torch.equal(output[:, -1], h)
        (torch.Size([2, 5, 4]), True)
    """
    output, (h, c) = scan(
        lambda wx_t, hc: update_lstm(wx_t, hc[0], hc[1], weight_hh, bias_hh, weight_ci, weight_cf, weight_co),
        linear(blank_padding(x, lengths), weight_ih, bias_ih),
        (h, c),
        lengths,
        reverse,
    )
    return output, h, c


def update_lstm(
    wx: Tensor,
    h: Tensor,
    c: Tensor,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    weight_ci: Tensor | None,
    weight_cf: Tensor | None,
    weight_co: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return (h_t, c_t) by equations 7 to 11; `wx` holds W_x· x_t + b."""
    a_i, a_f, a_c, a_o = (wx + linear(h, weight_hh, bias_hh)).chunk(4, -1)  # + W_h· h_{t-1}
    if weight_ci is not None and weight_cf is not None:
        a_i, a_f = a_i + weight_ci * c, a_f + weight_cf * c  # these gates see the memory as it was
    i = sigmoid(a_i)
    f = sigmoid(a_f)
    c = f * c + i * tanh(a_c)
    if weight_co is not None:
        a_o = a_o + weight_co * c  # this one sees the memory as it is now
    o = sigmoid(a_o)
    return o * tanh(c), c
