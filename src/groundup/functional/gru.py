"""The gated recurrent unit.

Why: like an LSTM it keeps a sum, h_t = z h_{t-1} + (1 - z) h̃, through which gradients pass unchanged while z is near 1,
but with one state and two gates, three quarters of the weights.

Legend: B batch, T time, I inputs, H hidden units; x_t the input, h_t the state at time t; r the reset gate, z the
update gate, h̃ the candidate.  weight_ih stacks W_r, W_z, W;  weight_hh U_r, U_z, U;  bias_ih and bias_hh likewise.
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


@fused_by(kernels.gru_step, rules.step)
def gru_step(
    x: Float[Tensor, "N I"],
    h: Float[Tensor, "N H"],
    weight_ih: Float[Tensor, "3*H I"],
    weight_hh: Float[Tensor, "3*H H"],
    bias_ih: Float[Tensor, " 3*H"] | None = None,
    bias_hh: Float[Tensor, " 3*H"] | None = None,
    reset_after: bool = True,
    complement: bool = False,
) -> Float[Tensor, "N H"]:
    """h_t of one step:

        r = σ(W_r x_t + U_r h_{t-1})
        z = σ(W_z x_t + U_z h_{t-1})
        h̃ = tanh(W x_t + U (r ⊙ h_{t-1}))        reset_after=False, equation 8 of the paper
        h̃ = tanh(W x_t + r ⊙ (U h_{t-1}))        reset_after=True, PyTorch's and cuDNN's, one product for all of U
        h_t = z h_{t-1} + (1 - z) h̃
        h_t = (1 - z) h_{t-1} + z h̃              complement=True, Bahdanau et al. 2015, arXiv:1409.0473, A.1.1

    Each product has a bias, inside the parentheses of r ⊙ (...). The two forms of h̃ agree where U is diagonal and has
    no bias, and not in general.

    Why r: it lets the candidate ignore the state, as at the start of a new sentence.

    Args:
        x: x_t.
        h: h_{t-1}.
        weight_ih, weight_hh, bias_ih, bias_hh: stacked as the head of this file says; both biases, or neither.
        reset_after, complement: the form, as above.

    Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder, arXiv:1406.1078, section 2.3, equations
    5 to 8.

    Example:
        >>> import torch
        >>> gru_step(torch.ones(2, 3), torch.zeros(2, 4), torch.randn(12, 3), torch.randn(12, 4)).shape
        torch.Size([2, 4])
    """
    return update_gru(linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh, reset_after, complement)


@fused_by(kernels.gru, rules.sequence, values=rules.lengths)
def gru(
    x: Float[Tensor, "B T I"],
    h: Float[Tensor, "B H"],
    weight_ih: Float[Tensor, "3*H I"],
    weight_hh: Float[Tensor, "3*H H"],
    bias_ih: Float[Tensor, " 3*H"] | None = None,
    bias_hh: Float[Tensor, " 3*H"] | None = None,
    reset_after: bool = True,
    complement: bool = False,
    lengths: Int[Tensor, " B"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B H"]]:
    """(h_1 … h_T, the last state): `gru_step` along the time axis, W x_t as one product for all t.

    Args:
        x: a batch of sequences.
        h: h_0.
        weight_ih … complement: see `gru_step`.
        lengths: of each sequence, from 0 to T; outputs after its end are 0. None is T for all.
        reverse: from each sequence's end to its start.

    Example:
        >>> import torch
        >>> output, h = gru(torch.ones(2, 5, 3), torch.zeros(2, 4), torch.randn(12, 3), torch.randn(12, 4))
        >>> output.shape, torch.equal(output[:, -1], h)
        (torch.Size([2, 5, 4]), True)
    """
    output, (h,) = scan(
        lambda wx_t, states: (update_gru(wx_t, states[0], weight_hh, bias_hh, reset_after, complement),),
        linear(blank_padding(x, lengths), weight_ih, bias_ih),
        (h,),
        lengths,
        reverse,
    )
    return output, h


def update_gru(
    wx: Tensor, h: Tensor, weight_hh: Tensor, bias_hh: Tensor | None, reset_after: bool, complement: bool
) -> Tensor:
    """Return h_t by equations 5 to 8; `wx` holds W_r x_t, W_z x_t and W x_t, each with its bias."""
    a_r, a_z, a = wx.chunk(3, -1)
    if reset_after:
        u_r, u_z, u = linear(h, weight_hh, bias_hh).chunk(3, -1)
        r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
        candidate = tanh(a + r * u)
    else:
        gates = 2 * h.size(-1)  # the rows of U_r and U_z; below them are U's
        b_gates, b = (None, None) if bias_hh is None else (bias_hh[:gates], bias_hh[gates:])
        u_r, u_z = linear(h, weight_hh[:gates], b_gates).chunk(2, -1)
        r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
        candidate = tanh(a + linear(r * h, weight_hh[gates:], b))
    return (1 - z) * h + z * candidate if complement else z * h + (1 - z) * candidate
