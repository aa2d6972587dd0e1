"""Checks of what a caller passes in: the invariant, what arrived, the remedy, in one sentence.

Each check returns the value, in its settled form, so that a constructor reads `self.p = probability("p", p)`.
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
    """An int of at least `minimum`; a bool or a float is a `TypeError`."""
    if type(value) is int and value >= minimum:  # the usual case, without asking the abstract class
        return value
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {value!r} ({type(value).__name__})")
    require(int(value) >= minimum, f"{name} must be at least {minimum}, got {value}")
    return int(value)


def integers(name: str, values: Any, count: int, minimum: int = 1, each: str = "") -> tuple[int, ...]:
    """`count` ints of at least `minimum`; `each` says of what, as in "one a layer"."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{name} must be {count} ints{each and ', ' + each}, got {values!r} ({type(values).__name__})")
    require(len(values) == count, f"{name} must be {count} ints{each and ', ' + each}, got {tuple(values)}")
    return tuple(integer(name, value, minimum) for value in values)


def real(name: str, value: Any, minimum: float | None = None, maximum: float | None = None) -> float:
    """A finite number within [minimum, maximum]."""
    if type(value) is float and minimum is not None and maximum is not None and minimum <= value <= maximum:
        return value  # the usual case, without asking the abstract class
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    low, high = -float("inf") if minimum is None else minimum, float("inf") if maximum is None else maximum
    if not isfinite(value) or not low <= float(value) <= high:
        raise ValueError(f"{name} must be a finite number in [{low}, {high}], got {value}")
    return float(value)


def probability(name: str, value: Any) -> float:
    """A number within [0, 1]."""
    return real(name, value, 0.0, 1.0)


def choice(name: str, value: Any, options: Sequence[str]) -> str:
    """One of `options`."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")
    return str(value)


def pair(name: str, value: Any, minimum: int = 1) -> tuple[int, int]:
    """An int for both axes, or (vertical, horizontal); each at least `minimum`."""
    if type(value) is tuple and len(value) == 2:
        return integer(name, value[0], minimum), integer(name, value[1], minimum)
    if isinstance(value, Integral):
        return (integer(name, value, minimum),) * 2
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{name} must be an int or a pair (vertical, horizontal) of ints, got {value!r}")
    return integer(name, value[0], minimum), integer(name, value[1], minimum)


def tensor(name: str, value: Any) -> Tensor:
    """A `torch.Tensor`, not an array or a list."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}; convert with torch.as_tensor")
    return value


def floating(name: str, value: Any) -> Tensor:
    """A floating-point tensor: integer images are a mistake that would otherwise surface far away."""
    if not tensor(name, value).is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {value.dtype}; convert with {name}.float()")
    return value


def rank(name: str, value: Tensor, *ranks: int, layout: str) -> Tensor:
    """A tensor with one of these numbers of axes; `layout` names them, as in "(N, C, H, W)"."""
    if value.dim() not in ranks:
        alone = (value.dim() + 1,) == ranks and layout.startswith(("(N, ", "(B, "))
        remedy = f"; a single sample gets its batch axis with {name}.unsqueeze(0)" if alone else ""
        raise ValueError(f"{name} must have shape {layout}, got {value.dim()} axes: {tuple(value.shape)}{remedy}")
    return value


def size(name: str, value: Tensor, axis: int, expected: int, meaning: str) -> Tensor:
    """A tensor whose `axis` has the size `expected`; `meaning` says what that axis is."""
    if value.size(axis) != expected:
        raise ValueError(
            f"{name} must have {expected} {meaning} (axis {axis}), got {value.size(axis)}: shape {tuple(value.shape)}"
        )
    return value


def channels(name: str, value: Tensor, expected: int, as_in: str = "") -> Tensor:
    """Images (..., C, H, W) of `expected` channels; `as_in` says who expects them."""
    if value.size(-3) != expected:
        last = value.dim() == 4 and value.size(-1) == expected
        remedy = f"; the channels come before height and width: pass {name}.permute(0, 3, 1, 2)" if last else ""
        raise ValueError(
            f"{name} must have {expected} channels (axis {value.dim() - 3}){as_in}, got {value.size(-3)}: "
            f"shape {tuple(value.shape)}{remedy}"
        )
    return value


def can_read_values(value: Tensor) -> bool:
    """Whether a check may look at the values at no great cost: a plain tensor on the CPU, not being traced."""
    return (
        value.device.type == "cpu"
        and type(value) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not torch._C._functorch.is_functorch_wrapped_tensor(value)
    )


def is_transformed() -> bool:
    """Whether a transform of torch.func (vmap, grad, ...) is at work; while compiling no: there one is always found."""
    return not torch.compiler.is_compiling() and torch._C._functorch.peek_interpreter_stack() is not None


def index_type(name: str, value: Tensor) -> Tensor:
    """A tensor of int64 or int32, the types that PyTorch's look-ups take."""
    if value.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{name} must be int64 or int32, got {value.dtype}; convert with {name}.long()")
    return value


def indices(name: str, value: Any, count: int, of: str) -> Tensor:
    """int64 or int32 indices, each in [0, count); `of` says what is counted, as in "num_users".

    Like `labels`, it skips values that cannot be read cheaply; there, the look-up itself stops at a wrong one.
    """
    index_type(name, tensor(name, value))
    if value.numel() > 0 and can_read_values(value):
        low, high = (int(bound) for bound in value.aminmax())
        if low < 0 or high >= count:
            raise ValueError(f"{name} must lie in [0, {count - 1}], {of} being {count}, got {low if low < 0 else high}")
    return value


def labels(name: str, target: Tensor, num_classes: int, ignore_index: int | None = None) -> Tensor:
    """Class indices, each in [0, num_classes) or equal to `ignore_index`.

    It looks at the values, so it passes over what cannot be read cheaply; there the kernel's own assertion speaks.
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
    """Labels of two classes, each -1 or +1; like `labels`, it looks only where that is cheap."""
    if can_read_values(target) and not ((target == 1) | (target == -1)).all():
        raise ValueError(f"{name} must hold only -1 and +1; for labels in {{0, 1}} pass 2 * y - 1")
    return target
