"""The gated recurrent unit.

Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder, arXiv:1406.1078, section 2.3, equations
5 to 8.

Legend: B batch, T time, I inputs, H hidden units; x_t the input, h_t the state at time t; r the reset gate, z the
update gate, h̃ the candidate.  weight_ih stacks W_r, W_z, W;  weight_hh U_r, U_z, U;  bias_ih and bias_hh likewise.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from groundup.backend import fused_by
from groundup.functional.activations import sigmoid, tanh
from groundup.functional.linear import linear
from groundup.functional.recurrence import blank_padding, check_lengths, check_operands, scan
from groundup.kernels import recurrence as kernels


def _check_step(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    reset_after: bool = True,
    complement: bool = False,
) -> None:
    check_operands(x, "(N, I)", {"h": h}, weight_ih, weight_hh, bias_ih, bias_hh)


def _check_sequence(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    reset_after: bool = True,
    complement: bool = False,
    lengths: Tensor | None = None,
    reverse: bool = False,
) -> None:
    check_operands(x, "(B, T, I)", {"h": h}, weight_ih, weight_hh, bias_ih, bias_hh)
    check_lengths(x, lengths)


def _update(
    wx: Tensor, h: Tensor, weight_hh: Tensor, bias_hh: Tensor | None, reset_after: bool, complement: bool
) -> Tensor:
    """Equations 5 to 8, of which `wx` holds W_r x_t, W_z x_t and W x_t, each with its bias."""
    a_r, a_z, a = wx.chunk(3, -1)
    if reset_after:
        u_r, u_z, u = linear(h, weight_hh, bias_hh).chunk(3, -1)
        r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
        candidate = tanh(a + r * u)
    else:
        gates = 2 * h.size(-1)  # rows of U_r and U_z; below them U's
        b_gates, b = (None, None) if bias_hh is None else (bias_hh[:gates], bias_hh[gates:])
        u_r, u_z = linear(h, weight_hh[:gates], b_gates).chunk(2, -1)
        r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
        candidate = tanh(a + linear(r * h, weight_hh[gates:], b))
    return (1 - z) * h + z * candidate if complement else z * h + (1 - z) * candidate


@fused_by(kernels.gru_step, check=_check_step)
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
        h̃ = tanh(W x_t + U (r ⊙ h_{t-1}))        reset_after=False, the paper's equation 8
        h̃ = tanh(W x_t + r ⊙ (U h_{t-1}))        reset_after=True, PyTorch's and cuDNN's, one product for all of U
        h_t = z h_{t-1} + (1 - z) h̃
        h_t = (1 - z) h_{t-1} + z h̃              complement=True, Bahdanau et al. 2015, arXiv:1409.0473, A.1.1

    A bias goes with each product, inside ⊙ in the last but one. The two forms agree where U is diagonal and has no
    bias, and not in general.
    """
    return _update(linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh, reset_after, complement)


@fused_by(kernels.gru, check=_check_sequence)
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
    """(h_1 ... h_T, the last state): `gru_step` along the time axis, W x_t as one product for all t."""
    output, (h,) = scan(
        lambda wx_t, states: (_update(wx_t, states[0], weight_hh, bias_hh, reset_after, complement),),
        linear(blank_padding(x, lengths), weight_ih, bias_ih),
        (h,),
        lengths,
        reverse,
    )
    return output, h
