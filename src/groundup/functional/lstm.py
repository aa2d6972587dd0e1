"""Long short-term memory.

Hochreiter and Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9; the forget gate: Gers et al. 2000;
the equations, with peepholes: Graves 2013, Generating Sequences With Recurrent Neural Networks, arXiv:1308.0850,
equations 7 to 11.

Legend: B batch, T time, I inputs, H hidden units; x_t the input, h_t the output, c_t the memory at time t;
i, f, o the input, forget and output gates.  weight_ih stacks W_xi, W_xf, W_xc, W_xo;  weight_hh W_hi, W_hf, W_hc, W_ho;
bias_ih + bias_hh is b_i, b_f, b_c, b_o.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.activations import sigmoid, tanh
from groundup.functional.linear import linear
from groundup.functional.recurrence import blank_padding, check_lengths, check_operands, scan
from groundup.kernels import recurrence as kernels


def _check_step(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    weight_ci: Tensor | None = None,
    weight_cf: Tensor | None = None,
    weight_co: Tensor | None = None,
    layout: str = "(N, I)",
) -> None:
    check_operands(x, layout, {"h": h, "c": c}, weight_ih, weight_hh, bias_ih, bias_hh)
    missing = [peephole is None for peephole in (weight_ci, weight_cf, weight_co)]
    checks.require(all(missing) or not any(missing), "weight_ci, weight_cf, weight_co must be given together")


def _check_sequence(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    weight_ci: Tensor | None = None,
    weight_cf: Tensor | None = None,
    weight_co: Tensor | None = None,
    lengths: Tensor | None = None,
    reverse: bool = False,
) -> None:
    peepholes = (weight_ci, weight_cf, weight_co)
    _check_step(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh, *peepholes, layout="(B, T, I)")
    check_lengths(x, lengths)


def _update(
    wx: Tensor,
    h: Tensor,
    c: Tensor,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    weight_ci: Tensor | None,
    weight_cf: Tensor | None,
    weight_co: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Equations 7 to 11, of which `wx` holds W_x· x_t + b."""
    a_i, a_f, a_c, a_o = (wx + linear(h, weight_hh, bias_hh)).chunk(4, -1)  # + W_h· h_{t-1}
    if weight_ci is not None and weight_cf is not None:
        a_i, a_f = a_i + weight_ci * c, a_f + weight_cf * c  # the gates look at the memory as it was
    i = sigmoid(a_i)
    f = sigmoid(a_f)
    c = f * c + i * tanh(a_c)
    if weight_co is not None:
        a_o = a_o + weight_co * c  # and at the memory as it is now
    o = sigmoid(a_o)
    return o * tanh(c), c


@fused_by(kernels.lstm_step, check=_check_step)
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

    The peepholes W_ci, W_cf and W_co are diagonal, hence vectors; without them, the unit of most libraries.
    """
    wx = linear(x, weight_ih, bias_ih)
    return _update(wx, h, c, weight_hh, bias_hh, weight_ci, weight_cf, weight_co)


@fused_by(kernels.lstm, check=_check_sequence)
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
    """(h_1 ... h_T, the last h, the last c): `lstm_step` along the time axis, W_x· x_t as one product for all t."""
    output, (h, c) = scan(
        lambda wx_t, hc: _update(wx_t, hc[0], hc[1], weight_hh, bias_hh, weight_ci, weight_cf, weight_co),
        linear(blank_padding(x, lengths), weight_ih, bias_ih),
        (h, c),
        lengths,
        reverse,
    )
    return output, h, c
