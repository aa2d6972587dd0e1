"""Recurrence: the loop that takes a sequence through time, and the plain recurrent unit.

Why: a sequence has any length, and its meaning depends on order. A recurrent unit applies the same weights at every
step, and its state carries what has been read so far.

Legend: B batch, T time, I inputs, H hidden units; x_t the input and h_t the state at time t.
W is `weight_ih` (from the input), U is `weight_hh` (from the state), b_ih and b_hh are their biases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from groundup.backend import fused_by
from groundup.functional.activations import relu, tanh
from groundup.functional.linear import linear
from groundup.functional.norm import layer_norm
from groundup.kernels import recurrence as kernels
from groundup.rules import recurrence as rules

States = tuple[Tensor, ...]
Nonlinearity = Literal["tanh", "relu"]


@fused_by(kernels.rnn_step, rules.step)
def rnn_step(
    x: Float[Tensor, "N I"],
    h: Float[Tensor, "N H"],
    weight_ih: Float[Tensor, "H I"],
    weight_hh: Float[Tensor, "H H"],
    bias_ih: Float[Tensor, " H"] | None = None,
    bias_hh: Float[Tensor, " H"] | None = None,
    weight_ln: Float[Tensor, " H"] | None = None,
    bias_ln: Float[Tensor, " H"] | None = None,
    nonlinearity: Nonlinearity = "tanh",
) -> Float[Tensor, "N H"]:
    """h_t = f(W x_t + b_ih + U h_{t-1} + b_hh), f tanh or relu

    The derivative of h_t with respect to h_0 is a product of t matrices diag(f') U: it shrinks or grows exponentially
    with t, which is why the plain unit learns dependencies over some ten steps and no more.

    Args:
        x: x_t.
        h: h_{t-1}.
        weight_ih, weight_hh: W and U.
        bias_ih, bias_hh: both, or neither.
        weight_ln, bias_ln: the gain g and shift b of a layer normalisation of the sum a, f(g (a - μ) / σ + b), which
            keeps a in the range where f is not flat. Ba et al. 2016, arXiv:1607.06450, equation 4.
        nonlinearity: f.

    Elman 1990, Finding Structure in Time, Cognitive Science 14.

    Example:
        >>> rnn_step(torch.ones(1, 1), torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1), nonlinearity="relu")
        tensor([[1.]])
    """
    return update_rnn(linear(x, weight_ih, bias_ih), h, weight_hh, bias_hh, weight_ln, bias_ln, nonlinearity)


@fused_by(kernels.rnn, rules.sequence, values=rules.lengths)
def rnn(
    x: Float[Tensor, "B T I"],
    h: Float[Tensor, "B H"],
    weight_ih: Float[Tensor, "H I"],
    weight_hh: Float[Tensor, "H H"],
    bias_ih: Float[Tensor, " H"] | None = None,
    bias_hh: Float[Tensor, " H"] | None = None,
    weight_ln: Float[Tensor, " H"] | None = None,
    bias_ln: Float[Tensor, " H"] | None = None,
    nonlinearity: Nonlinearity = "tanh",
    lengths: Int[Tensor, " B"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B H"]]:
    """(h_1 … h_T, the last state): `rnn_step` along the time axis. W x_t needs no state: one product for all t.

    Args:
        x: a batch of sequences.
        h: h_0.
        weight_ih … nonlinearity: see `rnn_step`.
        lengths: of each sequence, from 0 to T; outputs after its end are 0. None is T for all.
        reverse: from each sequence's end to its start.

    Example:
        >>> weight = torch.ones(1, 1)
        >>> rnn(torch.ones(1, 3, 1), torch.zeros(1, 1), weight, weight, nonlinearity="relu")[0].flatten()
        tensor([1., 2., 3.])
    """
    output, (h,) = scan(
        lambda wx_t, states: (update_rnn(wx_t, states[0], weight_hh, bias_hh, weight_ln, bias_ln, nonlinearity),),
        linear(blank_padding(x, lengths), weight_ih, bias_ih),
        (h,),
        lengths,
        reverse,
    )
    return output, h


def update_rnn(
    wx: Tensor,
    h: Tensor,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    weight_ln: Tensor | None,
    bias_ln: Tensor | None,
    nonlinearity: str,
) -> Tensor:
    """Return h_t = f(a), a = (W x_t + b_ih) + (U h_{t-1} + b_hh); `wx` is the first half."""
    a = wx + linear(h, weight_hh, bias_hh)
    if weight_ln is not None:
        a = layer_norm(a, weight_ln.shape, weight_ln, bias_ln)
    return relu(a) if nonlinearity == "relu" else tanh(a)


def scan(
    step: Callable[[Tensor, States], States],
    x: Shaped[Tensor, "B T *rest"],
    states: States,
    lengths: Int[Tensor, " B"] | None = None,
    reverse: bool = False,
) -> tuple[Shaped[Tensor, "B T H"], States]:
    """states ← step(x_t, states) for t = 0 … T - 1, or T - 1 … 0 if `reverse`; the output at t is the first state.

    A sequence of the batch ends at its own length: after it, its states stay as they are, and its outputs are 0. So the
    last states of all sequences are those at the end of the loop, and in reverse each sequence starts at its own end.

    Args:
        step: from (x_t, states) to the next states.
        x: a batch of sequences.
        states: at the start.
        lengths: of each sequence; None is T for all.
        reverse: from the end to the start.
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
    """Return x with zeros after the end of each sequence, so that no padding, NaN included, reaches a gradient."""
    if lengths is None:
        return x
    inside = torch.arange(x.size(1), device=x.device) < lengths[:, None]
    return torch.where(inside.view(*inside.shape, *[1] * (x.dim() - 2)), x, 0)
