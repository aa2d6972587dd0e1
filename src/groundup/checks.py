"""Checks of arguments: an error names the argument, what came, and what to do.

Each check returns the value, converted to its final type, so that a constructor reads `self.p = probability("p", p)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor


def require(condition: bool, message: str) -> None:
    """Raise `ValueError(message)` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


def integer(name: str, value: Any, minimum: int = 1) -> int:
    """Return an int of at least `minimum`; a bool or a float raises `TypeError`."""
    if type(value) is int and value >= minimum:  # the usual case, without asking the abstract class
        return value
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {value!r} ({type(value).__name__})")
    require(int(value) >= minimum, f"{name} must be at least {minimum}, got {value}")
    return int(value)


def integers(name: str, values: Any, count: int, minimum: int = 1, each: str = "") -> tuple[int, ...]:
    """Return `count` ints of at least `minimum`; `each` says what each one belongs to, as in "one per layer"."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{name} must be {count} ints{each and ', ' + each}, got {values!r} ({type(values).__name__})")
    require(len(values) == count, f"{name} must be {count} ints{each and ', ' + each}, got {tuple(values)}")
    return tuple(integer(name, value, minimum) for value in values)


def real(name: str, value: Any, minimum: float | None = None, maximum: float | None = None) -> float:
    """Return a finite number in [minimum, maximum]."""
    if type(value) is float and minimum is not None and maximum is not None and minimum <= value <= maximum:
        return value  # the usual case, without asking the abstract class
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    low, high = -float("inf") if minimum is None else minimum, float("inf") if maximum is None else maximum
    if not isfinite(value) or not low <= float(value) <= high:
        raise ValueError(f"{name} must be a finite number in [{low}, {high}], got {value}")
    return float(value)


def probability(name: str, value: Any) -> float:
    """Return a number in [0, 1]."""
    return real(name, value, 0.0, 1.0)


def choice(name: str, value: Any, options: Sequence[str]) -> str:
    """Return one of `options`."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")
    return str(value)


def pair(name: str, value: Any, minimum: int = 1) -> tuple[int, int]:
    """Return (vertical, horizontal), each at least `minimum`; an int counts for both axes."""
    if type(value) is tuple and len(value) == 2:
        return integer(name, value[0], minimum), integer(name, value[1], minimum)
    if isinstance(value, Integral):
        return (integer(name, value, minimum),) * 2
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{name} must be an int or a pair (vertical, horizontal) of ints, got {value!r}")
    return integer(name, value[0], minimum), integer(name, value[1], minimum)


def tensor(name: str, value: Any) -> Tensor:
    """Return a `torch.Tensor`; an array or a list raises `TypeError`."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}; convert with torch.as_tensor")
    return value


def floating(name: str, value: Any) -> Tensor:
    """Return a floating-point tensor. Integer images are a frequent mistake, which would fail far from here."""
    if not tensor(name, value).is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {value.dtype}; convert with {name}.float()")
    return value


def rank(name: str, value: Tensor, *ranks: int, layout: str) -> Tensor:
    """Return a tensor whose number of axes is one of `ranks`; `layout` names them, as in "(N, C, H, W)"."""
    if value.dim() not in ranks:
        is_sample = (value.dim() + 1,) == ranks and layout.startswith(("(N, ", "(B, "))
        remedy = f"; a single sample gets its batch axis with {name}.unsqueeze(0)" if is_sample else ""
        raise ValueError(f"{name} must have shape {layout}, got {value.dim()} axes: {tuple(value.shape)}{remedy}")
    return value


def size(name: str, value: Tensor, axis: int, expected: int, meaning: str) -> Tensor:
    """Return a tensor whose `axis` has the size `expected`; `meaning` says what that axis is."""
    if value.size(axis) != expected:
        raise ValueError(
            f"{name} must have {expected} {meaning} (axis {axis}), got {value.size(axis)}: shape {tuple(value.shape)}"
        )
    return value


def channels(name: str, value: Tensor, expected: int, as_in: str = "") -> Tensor:
    """Return images (..., C, H, W) with C = `expected`; `as_in` says where the number comes from."""
    if value.size(-3) != expected:
        last = value.dim() == 4 and value.size(-1) == expected
        remedy = f"; the channels come before height and width: pass {name}.permute(0, 3, 1, 2)" if last else ""
        raise ValueError(
            f"{name} must have {expected} channels (axis {value.dim() - 3}){as_in}, got {value.size(-3)}: "
            f"shape {tuple(value.shape)}{remedy}"
        )
    return value


def can_read_values(value: Tensor) -> bool:
    """Return True if a check may read the values at low cost: a plain tensor on the CPU that is not being traced."""
    return (
        value.device.type == "cpu"
        and type(value) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not torch._C._functorch.is_functorch_wrapped_tensor(value)
    )


def is_transformed() -> bool:
    """Return True if a transform of torch.func (vmap, grad, ...) is active; False while compiling (one always is)."""
    return not torch.compiler.is_compiling() and torch._C._functorch.peek_interpreter_stack() is not None


def index_type(name: str, value: Tensor) -> Tensor:
    """Return a tensor of int64 or int32, the types that PyTorch's look-ups take."""
    if value.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{name} must be int64 or int32, got {value.dtype}; convert with {name}.long()")
    return value


def indices(name: str, value: Any, count: int, of: str) -> Tensor:
    """Return int64 or int32 indices, each in [0, count); `of` names the count, as in "num_users".

    Values that cannot be read at low cost are not checked; there the look-up itself fails for a wrong index.
    """
    index_type(name, tensor(name, value))
    if value.numel() > 0 and can_read_values(value):
        low, high = (int(bound) for bound in value.aminmax())
        if low < 0 or high >= count:
            raise ValueError(f"{name} must lie in [0, {count - 1}], {of} being {count}, got {low if low < 0 else high}")
    return value


def labels(name: str, target: Tensor, num_classes: int, ignore_index: int | None = None) -> Tensor:
    """Return class indices, each in [0, num_classes) or equal to `ignore_index`.

    Values that cannot be read at low cost are not checked; there the kernel's own assertion fails.
    """
    if target.numel() == 0 or not can_read_values(target):
        return target
    low, high = (int(bound) for bound in target.aminmax())
    if low >= 0 and high < num_classes:
        return target
    wrong = (target < 0) | (target >= num_classes)
    if ignore_index is not None:
        wrong &= target != ignore_index
    if wrong.any():
        raise ValueError(
            f"{name} holds the label {int(target[wrong][0])}, but there are {num_classes} classes: labels must lie "
            f"in [0, {num_classes - 1}]" + ("" if ignore_index is None else f" or be ignore_index = {ignore_index}")
        )
    return target


def signs(name: str, target: Tensor) -> Tensor:
    """Return labels of two classes, each -1 or +1. Values that cannot be read at low cost are not checked."""
    if can_read_values(target) and not ((target == 1) | (target == -1)).all():
        raise ValueError(f"{name} must hold only -1 and +1; for labels in {{0, 1}} pass 2 * y - 1")
    return target
