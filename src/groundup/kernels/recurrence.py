"""PyTorch's recurrent kernels (oneDNN or ATen on a CPU, cuDNN on a GPU): cells, and sequences of one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from groundup.kernels.support import refuses


def _sequence_refusal(x: Tensor, lengths: Tensor | None) -> str | None:
    if x.size(1) == 0:
        return "an empty sequence"
    if lengths is None:
        return None
    if torch.compiler.is_compiling() or lengths.is_meta:
        return "lengths whose values are not known"
    return "an empty sequence" if lengths.numel() == 0 or bool((lengths == 0).any()) else None


def _reversed(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Time backwards, each sequence inside its own length."""
    if lengths is None:
        return x.flip(1)
    t = torch.arange(x.size(1), device=x.device)
    source = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    return torch.take_along_dim(x, source[:, :, None], 1)


def _sequence(
    kernel: Callable[..., Any],
    x: Tensor,
    states: Sequence[Tensor],
    parameters: Sequence[Tensor | None],
    lengths: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, ...]:
    """(output, *states) of one layer in one direction."""
    present = [p for p in parameters if p is not None]
    if reverse:
        x = _reversed(x, lengths)
    hidden = [s[None] for s in states]
    options = (present, len(present) == 4, 1, 0.0, torch.is_grad_enabled(), False)  # cuDNN: no gradient if not training
    if lengths is None:
        output, *hidden = kernel(x, hidden if len(hidden) > 1 else hidden[0], *options, True)
    else:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        assert packed.sorted_indices is not None  # there are none only where the caller has sorted
        assert packed.unsorted_indices is not None
        hidden = [s.index_select(1, packed.sorted_indices) for s in hidden]
        data, *hidden = kernel(packed.data, packed.batch_sizes, hidden if len(hidden) > 1 else hidden[0], *options)
        hidden = [s.index_select(1, packed.unsorted_indices) for s in hidden]
        output, _ = pad_packed_sequence(PackedSequence(data, *packed[1:]), True, total_length=x.size(1))
    if reverse:
        output = _reversed(output, lengths)
    return output, *(s[0] for s in hidden)


def _rnn_step_refusal(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    weight_ln: Tensor | None = None,
    bias_ln: Tensor | None = None,
    nonlinearity: str = "tanh",
) -> str | None:
    return None if weight_ln is None else "layer normalisation"


@refuses(_rnn_step_refusal)
def rnn_step(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    weight_ln: Tensor | None = None,
    bias_ln: Tensor | None = None,
    nonlinearity: str = "tanh",
) -> Tensor:
    cell = torch.rnn_relu_cell if nonlinearity == "relu" else torch.rnn_tanh_cell
    return cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh)


def _rnn_refusal(
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
) -> str | None:
    return _sequence_refusal(x, lengths) if weight_ln is None else "layer normalisation"


@refuses(_rnn_refusal)
def rnn(
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
) -> tuple[Tensor, ...]:
    kernel = torch.rnn_relu if nonlinearity == "relu" else torch.rnn_tanh
    return _sequence(kernel, x, (h,), (weight_ih, weight_hh, bias_ih, bias_hh), lengths, reverse)


def _lstm_step_refusal(
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
) -> str | None:
    return None if weight_ci is None else "peepholes"


@refuses(_lstm_step_refusal)
def lstm_step(
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
) -> tuple[Tensor, Tensor]:
    return torch.lstm_cell(x, (h, c), weight_ih, weight_hh, bias_ih, bias_hh)


def _lstm_refusal(
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
) -> str | None:
    if weight_ci is not None:
        return "peepholes"
    if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
        return "being compiled: oneDNN's LSTM has no derivative there"
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return "autocast on a CPU: oneDNN's LSTM fails where the processor lacks the type"
    return _sequence_refusal(x, lengths)


@refuses(_lstm_refusal)
def lstm(
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
) -> tuple[Tensor, ...]:
    return _sequence(torch.lstm, x, (h, c), (weight_ih, weight_hh, bias_ih, bias_hh), lengths, reverse)


def _form_refusal(reset_after: bool, complement: bool) -> str | None:
    if not reset_after:
        return "reset_after=False"
    return "complement=True" if complement else None


def _gru_step_refusal(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    reset_after: bool = True,
    complement: bool = False,
) -> str | None:
    return _form_refusal(reset_after, complement)


@refuses(_gru_step_refusal)
def gru_step(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    reset_after: bool = True,
    complement: bool = False,
) -> Tensor:
    return torch.gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh)


def _gru_refusal(
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
) -> str | None:
    return _form_refusal(reset_after, complement) or _sequence_refusal(x, lengths)


@refuses(_gru_refusal)
def gru(
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
) -> tuple[Tensor, ...]:
    return _sequence(torch.gru, x, (h,), (weight_ih, weight_hh, bias_ih, bias_hh), lengths, reverse)
