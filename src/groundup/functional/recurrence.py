"""Recurrence: the frame that takes a sequence through time, and the plain recurrent unit.

Elman 1990, Finding Structure in Time, Cognitive Science 14.

Legend: B batch, T time, I inputs, H hidden units; x_t the input and h_t the state at time t.
W is `weight_ih` (from the input), U is `weight_hh` (from the state), b_ih and b_hh are their biases.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.activations import relu, tanh
from groundup.functional.linear import linear
from groundup.functional.norm import layer_norm
from groundup.kernels import recurrence as kernels

States = tuple[Tensor, ...]


def scan(
    step: Callable[[Tensor, States], States],
    x: Shaped[Tensor, "B T *rest"],
    states: States,
    lengths: Int[Tensor, " B"] | None = None,
    reverse: bool = False,
) -> tuple[Shaped[Tensor, "B T H"], States]:
    """states ← step(x_t, states) for t = 0..T-1, or T-1..0 if `reverse`; the output at t is the first of the states.

    A sequence of the batch ends at its own length: beyond it the states stay what they are, and the output is 0. So
    the last states of all sequences stand at the end of the loop, and in reverse each begins at its own end.
    """
    steps = list(enumerate(x.unbind(1)))
    outputs = []
    for t, x_t in reversed(steps) if reverse else steps:
        following = step(x_t, states)
        if lengths is None:
            states = following
            outputs.append(states[0])
        else:
            inside = (t < lengths)[:, None]
            states = tuple(torch.where(inside, new, old) for new, old in zip(following, states))
            outputs.append(torch.where(inside, states[0], 0))
    if not outputs:
        return states[0][:, None][:, :0], states
    return torch.stack(outputs[::-1] if reverse else outputs, 1), states


def blank_padding(x: Float[Tensor, "B T *rest"], lengths: Int[Tensor, " B"] | None) -> Float[Tensor, "B T *rest"]:
    """Zeros where a sequence has ended: whatever stood there, NaN too, reaches neither a state nor a gradient."""
    if lengths is None:
        return x
    inside = torch.arange(x.size(1), device=x.device) < lengths[:, None]
    return torch.where(inside.view(*inside.shape, *[1] * (x.dim() - 2)), x, 0)


def check_lengths(x: Tensor, lengths: Tensor | None) -> None:
    """An integer in [0, T] for each sequence."""
    if lengths is None:
        return
    if checks.tensor("lengths", lengths).dtype not in (torch.int64, torch.int32):
        raise TypeError(f"lengths must be int64 or int32, got {lengths.dtype}; convert with lengths.long()")
    if lengths.shape != x.shape[:1]:
        raise ValueError(f"lengths must have shape ({x.size(0)},), one for each sequence, got {tuple(lengths.shape)}")
    if lengths.device != x.device:
        raise ValueError(f"lengths must be on x's device {x.device}, got {lengths.device}; move with lengths.to")
    if lengths.numel() > 0 and checks.readable(lengths):
        low, high = (int(bound) for bound in lengths.aminmax())
        if low < 0 or high > x.size(1):
            raise ValueError(f"lengths must lie in [0, {x.size(1)}], got {low if low < 0 else high}")


def check_operands(
    x: Tensor,
    layout: str,
    states: dict[str, Tensor],
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
) -> None:
    """What the steps and sequences of all three units need of their arguments."""
    checks.rank("x", checks.floating("x", x), layout.count(",") + 1, layout=layout)
    checks.size("x", x, -1, weight_ih.size(1), "features, as weight_ih has")
    expected = x.size(0), weight_hh.size(1)
    for name, value in states.items():
        if checks.tensor(name, value).shape != expected:
            raise ValueError(f"{name} must have the shape {expected}, (batch, hidden), got {tuple(value.shape)}")
    if (bias_ih is None) != (bias_hh is None):
        raise ValueError("bias_ih and bias_hh must be given together, or both be None")


def _check_step(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    weight_ln: Tensor | None = None,
    bias_ln: Tensor | None = None,
    nonlinearity: str = "tanh",
) -> None:
    check_operands(x, "(N, I)", {"h": h}, weight_ih, weight_hh, bias_ih, bias_hh)
    checks.choice("nonlinearity", nonlinearity, ("tanh", "relu"))


def _check_sequence(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    weight_ln: Tensor | None = None,
    bias_ln: Tensor | None = None,
    nonlinearity: str = "tanh",
    lengths: Tensor | None = None,
    reverse: bool = False,
) -> None:
    check_operands(x, "(B, T, I)", {"h": h}, weight_ih, weight_hh, bias_ih, bias_hh)
    checks.choice("nonlinearity", nonlinearity, ("tanh", "relu"))
    check_lengths(x, lengths)


def _update(
    wx: Tensor,
    h: Tensor,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    weight_ln: Tensor | None,
    bias_ln: Tensor | None,
    nonlinearity: str,
) -> Tensor:
    """h_t = f(a), a = (W x_t + b_ih) + (U h_{t-1} + b_hh), of which `wx` is the first half."""
    a = wx + linear(h, weight_hh, bias_hh)
    if weight_ln is not None:
        a = layer_norm(a, weight_ln.shape, weight_ln, bias_ln)
    return relu(a) if nonlinearity == "relu" else tanh(a)


@fused_by(kernels.rnn_step, check=_check_step)
def rnn_step(
    x: Float[Tensor, "N I"],
    h: Float[Tensor, "N H"],
    weight_ih: Float[Tensor, "H I"],
    weight_hh: Float[Tensor, "H H"],
    bias_ih: Float[Tensor, " H"] | None = None,
    bias_hh: Float[Tensor, " H"] | None = None,
    weight_ln: Float[Tensor, " H"] | None = None,
    bias_ln: Float[Tensor, " H"] | None = None,
    nonlinearity: str = "tanh",
) -> Float[Tensor, "N H"]:
    """h_t = f(W x_t + b_ih + U h_{t-1} + b_hh), f tanh or relu.

    With `weight_ln` = g and `bias_ln` = b the sum a is layer-normalised first: f(g (a - μ) / σ + b), Ba et al. 2016,
    arXiv:1607.06450, equation 4.
    """
    return _update(linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh, weight_ln, bias_ln, nonlinearity)


@fused_by(kernels.rnn, check=_check_sequence)
def rnn(
    x: Float[Tensor, "B T I"],
    h: Float[Tensor, "B H"],
    weight_ih: Float[Tensor, "H I"],
    weight_hh: Float[Tensor, "H H"],
    bias_ih: Float[Tensor, " H"] | None = None,
    bias_hh: Float[Tensor, " H"] | None = None,
    weight_ln: Float[Tensor, " H"] | None = None,
    bias_ln: Float[Tensor, " H"] | None = None,
    nonlinearity: str = "tanh",
    lengths: Int[Tensor, " B"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B H"]]:
    """(h_1 ... h_T, the last state): `rnn_step` along the time axis. W x_t needs no state: one product for all t."""
    output, (h,) = scan(
        lambda wx_t, states: (_update(wx_t, states[0], weight_hh, bias_hh, weight_ln, bias_ln, nonlinearity),),
        linear(blank_padding(x, lengths), weight_ih, bias_ih),
        (h,),
        lengths,
        reverse,
    )
    return output, h
