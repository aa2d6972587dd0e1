"""Rules of recurrent units: biases and peepholes that are complete, and lengths of sequences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from groundup import checks


def step(call: Any) -> None:
    if (call.bias_ih is None) != (call.bias_hh is None):
        raise ValueError("bias_ih and bias_hh must be given together, or both be None")


def lstm_step(call: Any) -> None:
    step(call)
    missing = [peephole is None for peephole in (call.weight_ci, call.weight_cf, call.weight_co)]
    checks.require(all(missing) or not any(missing), "weight_ci, weight_cf, weight_co must be given together")


def sequence(call: Any) -> None:
    step(call)
    check_length_types(call.x, call.lengths)


def lstm(call: Any) -> None:
    lstm_step(call)
    check_length_types(call.x, call.lengths)


def lengths(call: Any) -> None:
    """The values of `lengths`, which are asked at every call."""
    check_length_values(call.x, call.lengths)


def check_lengths(x: Tensor, lengths: Tensor | None) -> None:
    """Raise unless there is an integer in [0, T] for each sequence of x (B, T, ...)."""
    check_length_types(x, lengths)
    check_length_values(x, lengths)


def check_length_types(x: Tensor, lengths: Tensor | None) -> None:
    if lengths is None:
        return
    if checks.tensor("lengths", lengths).dtype not in (torch.int64, torch.int32):
        raise TypeError(f"lengths must be int64 or int32, got {lengths.dtype}; convert with lengths.long()")
    if lengths.shape != x.shape[:1]:
        raise ValueError(f"lengths must have shape ({x.size(0)},), one for each sequence, got {tuple(lengths.shape)}")
    if lengths.device != x.device:
        raise ValueError(f"lengths must be on x's device {x.device}, got {lengths.device}; move with lengths.to")


def check_length_values(x: Tensor, lengths: Tensor | None) -> None:
    if lengths is not None and lengths.numel() > 0 and checks.can_read_values(lengths):
        low, high = (int(bound) for bound in lengths.aminmax())
        if low < 0 or high > x.size(1):
            raise ValueError(f"lengths must lie in [0, {x.size(1)}], got {low if low < 0 else high}")
