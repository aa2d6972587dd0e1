"""PyTorch's recurrent kernels (oneDNN or ATen on a CPU, cuDNN on a GPU): cells, and sequences of one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from groundup.kernels.support import refuses, takes_call


def _parameters(call: Any) -> Any:
    return call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh


def _sequence_refusal(call: Any) -> str | None:
    if call.x.size(1) == 0:
        return "an empty sequence"
    lengths = call.lengths
    if lengths is None:
        return None
    if torch.compiler.is_compiling() or lengths.is_meta:
        return "lengths whose values are not known"
    return "an empty sequence" if lengths.numel() == 0 or bool((lengths == 0).any()) else None


def _sequence(kernel: Callable[..., Any], call: Any, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return (output, *states) of one layer in one direction."""
    x, lengths = call.x, call.lengths
    present = [p for p in _parameters(call) if p is not None]
    if call.reverse:
        x = reverse_time(x, lengths)
    hidden = [s[None] for s in states]
    options = (present, len(present) == 4, 1, 0.0, torch.is_grad_enabled(), False)  # cuDNN: gradients only in training
    if lengths is None:
        output, *hidden = kernel(x, hidden if len(hidden) > 1 else hidden[0], *options, True)
    else:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        assert packed.sorted_indices is not None  # None only if the caller has sorted
        assert packed.unsorted_indices is not None
        hidden = [s.index_select(1, packed.sorted_indices) for s in hidden]
        data, *hidden = kernel(packed.data, packed.batch_sizes, hidden if len(hidden) > 1 else hidden[0], *options)
        hidden = [s.index_select(1, packed.unsorted_indices) for s in hidden]
        output, _ = pad_packed_sequence(PackedSequence(data, *packed[1:]), True, total_length=x.size(1))
    if call.reverse:
        output = reverse_time(output, lengths)
    return output, *(s[0] for s in hidden)


def reverse_time(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return x with time reversed, each sequence within its own length."""
    if lengths is None:
        return x.flip(1)
    t = torch.arange(x.size(1), device=x.device)
    source = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    return torch.take_along_dim(x, source[:, :, None], 1)


@refuses(lambda call: None if call.weight_ln is None else "layer normalisation")
@takes_call
def rnn_step(call: Any) -> Tensor:
    cell = torch.rnn_relu_cell if call.nonlinearity == "relu" else torch.rnn_tanh_cell
    return cell(call.x, call.h, *_parameters(call))


def _rnn_refusal(call: Any) -> str | None:
    return _sequence_refusal(call) if call.weight_ln is None else "layer normalisation"


@refuses(_rnn_refusal, by_state=True)
@takes_call
def rnn(call: Any) -> tuple[Tensor, ...]:
    return _sequence(torch.rnn_relu if call.nonlinearity == "relu" else torch.rnn_tanh, call, (call.h,))


@refuses(lambda call: None if call.weight_ci is None else "peepholes")
@takes_call
def lstm_step(call: Any) -> tuple[Tensor, Tensor]:
    return torch.lstm_cell(call.x, (call.h, call.c), *_parameters(call))


def _lstm_refusal(call: Any) -> str | None:
    if call.weight_ci is not None:
        return "peepholes"
    if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
        return "being compiled: oneDNN's LSTM has no derivative there"
    if call.x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return "autocast on a CPU: oneDNN's LSTM fails where the processor lacks the type"
    return _sequence_refusal(call)


@refuses(_lstm_refusal, by_state=True)
@takes_call
def lstm(call: Any) -> tuple[Tensor, ...]:
    return _sequence(torch.lstm, call, (call.h, call.c))


def _form_refusal(call: Any) -> str | None:
    if not call.reset_after:
        return "reset_after=False"
    return "complement=True" if call.complement else None


@refuses(_form_refusal)
@takes_call
def gru_step(call: Any) -> Tensor:
    return torch.gru_cell(call.x, call.h, *_parameters(call))


@refuses(lambda call: _form_refusal(call) or _sequence_refusal(call), by_state=True)
@takes_call
def gru(call: Any) -> tuple[Tensor, ...]:
    return _sequence(torch.gru, call, (call.h,))
