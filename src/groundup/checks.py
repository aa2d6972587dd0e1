"""Checks of what a caller passes in: the invariant, what arrived, the remedy, in one sentence.

Each check returns the value, in its settled form, so that a constructor reads `self.p = probability("p", p)`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Sequence
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


def readable(value: Tensor) -> bool:
    """Whether a check may look at the values at no great cost: a plain tensor on the CPU, not being traced."""
    return (
        value.device.type == "cpu"
        and type(value) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not torch._C._functorch.is_functorch_wrapped_tensor(value)
    )


def transformed() -> bool:
    """Whether a transform of torch.func (vmap, grad, ...) is at work; while compiling no: there one is always found."""
    return not torch.compiler.is_compiling() and torch._C._functorch.peek_interpreter_stack() is not None


def indices(name: str, value: Any, count: int, of: str) -> Tensor:
    """int64 or int32 indices, each in [0, count); `of` says what is counted, as in "num_users".

    Like `labels` it passes over values that cannot be read cheaply; there the lookup itself stops at a wrong one.
    """
    if tensor(name, value).dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{name} must be int64 or int32, got {value.dtype}; convert with {name}.long()")
    if value.numel() > 0 and readable(value):
        low, high = (int(bound) for bound in value.aminmax())
        if low < 0 or high >= count:
            raise ValueError(f"{name} must lie in [0, {count - 1}], {of} being {count}, got {low if low < 0 else high}")
    return value


def labels(name: str, target: Tensor, num_classes: int, ignore_index: int | None = None) -> Tensor:
    """Class indices, each in [0, num_classes) or equal to `ignore_index`.

    It looks at the values, so it passes over what cannot be read cheaply; there the kernel's own assertion speaks.
    """
    if target.numel() == 0 or not readable(target):
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
    if readable(target) and not ((target == 1) | (target == -1)).all():
        raise ValueError(f"{name} must hold only -1 and +1; for labels in {{0, 1}} pass 2 * y - 1")
    return target


# ---- mistakes that are recognised only when a call has failed: until then they cost nothing ---------------------


def explain(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> None:
    """Raise a sentence that says why the call failed with `error`, if its arguments show it; otherwise return.

    Recognised are arguments that `function` does not take or that are missing, lists and arrays where tensors belong,
    and tensors of several devices or floating-point types.
    """
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as wrong:
        for name in kwargs.keys() - signature.parameters.keys():
            raise unexpected(function.__name__, name, [*signature.parameters]) from None
        raise TypeError(f"{function.__name__}() got wrong arguments: {wrong}") from None
    if isinstance(error, (AttributeError, TypeError)):
        for name, value in given.items():
            if "Tensor" in str(signature.parameters[name].annotation) and not _may_be_tensor(value):
                tensor(name, value)
        return
    tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    for name, values in given.items():
        if isinstance(values, (list, tuple)):
            tensors |= {f"{name}[{i}]": value for i, value in enumerate(values) if isinstance(value, Tensor)}
    alike(tensors, error)


def _may_be_tensor(value: Any) -> bool:
    return value is None or isinstance(value, (Tensor, bool, int, float, str)) or callable(value)


def alike(tensors: dict[str, Tensor], error: Exception | None = None) -> None:
    """Raise if the tensors, by name, are on several devices (`ValueError`) or of several floating types (`TypeError`).

    Numbers, tensors without axes, may lie on the CPU. Under autocast the types may differ.
    """
    placed = {name: value for name, value in tensors.items() if value.dim() > 0 or value.device.type != "cpu"}
    for name, value, other, wanted in _unlike(placed, lambda value: value.device):
        model = _or_model(wanted, f'.to("{value.device}")')
        raise ValueError(
            f"{name} is on {value.device}, but {other} is on {wanted.device}: "
            f'move {name} with {name}.to("{wanted.device}"){model}'
        ) from error
    floating = {name: value for name, value in placed.items() if value.is_floating_point()}
    if any(torch.is_autocast_enabled(value.device.type) for value in floating.values()):
        return
    for name, value, other, wanted in _unlike(floating, lambda value: value.dtype):
        raise TypeError(
            f"{name} is {value.dtype}, but {other} is {wanted.dtype}: "
            f"convert {name} with {name}{_conversion(wanted)}{_or_model(wanted, _conversion(value))}"
        ) from error


def _conversion(like: Tensor) -> str:
    methods = {torch.float32: ".float()", torch.float64: ".double()", torch.float16: ".half()"}
    return methods.get(like.dtype, f".to({like.dtype})")


def _unlike(tensors: dict[str, Tensor], what: Callable[[Tensor], Any]) -> Iterator[tuple[str, Tensor, str, Tensor]]:
    """The first tensor that differs from another in `what`, and that other, which is a parameter if one is there."""
    order = sorted(tensors, key=lambda name: not isinstance(tensors[name], torch.nn.Parameter))
    for name in order[1:]:
        if what(tensors[name]) != what(tensors[order[0]]):
            yield name, tensors[name], order[0], tensors[order[0]]


def _or_model(wanted: Tensor, call: str) -> str:
    return f", or the model with model{call}" if isinstance(wanted, torch.nn.Parameter) else ""


_MAY = "in a boolean mask True means here that a query may attend to a key, in PyTorch that it may not"
_REAL = "True means here that a key may be attended to, in PyTorch that it is padding"

#: Keyword names of torch.nn → (the argument that takes their place, how); the first that a function has is named.
TORCH_KEYWORDS: dict[str, tuple[tuple[str, str], ...]] = {
    **{
        name: (
            ("mask", f"pass mask=~{name}: {_MAY} (a floating-point mask is added in both: pass mask={name})"),
            ("lengths", "leave it out: the model makes its masks itself, from lengths"),
        )
        for name in ("attn_mask", "src_mask", "tgt_mask")
    },
    **{
        name: (
            ("mask", f"pass mask=~{name}[:, None, None, :]: {_REAL}"),
            ("lengths", f"pass lengths=(~{name}).sum(1), the number of real tokens of each sequence"),
        )
        for name in ("key_padding_mask", "src_key_padding_mask", "tgt_key_padding_mask")
    },
    "memory_mask": (("lengths", "leave it out: the model makes its masks itself, from lengths"),),
    "memory_key_padding_mask": (
        ("memory_mask", f"pass memory_mask=~memory_key_padding_mask[:, None, None, :]: {_REAL}"),
        ("lengths", "pass lengths, the number of real tokens of each source"),
    ),
    **{name: (("is_causal", f"pass is_causal={name}"),) for name in ("src_is_causal", "tgt_is_causal")},
    "memory_is_causal": (("", "leave it out: a target may attend to the whole memory"),),
    "batch_first": (("", "leave it out: the batch is always the first axis; turn (T, B, E) with x.transpose(0, 1)"),),
    "average_attn_weights": (
        ("need_weights", "leave it out: need_weights=True returns the weights of every head; average with .mean(1)"),
    ),
    "enable_nested_tensor": (("", "leave it out: there are no nested tensors"),),
    "mask_check": (("", "leave it out: there are no nested tensors"),),
    "hx": (("state", "pass state=hx"),),
    "input": (("x", "pass it as x"), ("query", "pass it as query"), ("tokens", "pass it as tokens")),
}


def unexpected(function: str, keyword: str, accepted: Sequence[str]) -> TypeError:
    """The error for a keyword that `function` does not take: with its translation if it is one of torch.nn's."""
    names = [name for name in accepted if name != "self"]
    for name, remedy in TORCH_KEYWORDS.get(keyword, ()):
        if not name or name in names:
            return TypeError(f"{function} takes no argument {keyword!r}: {remedy}")
    near = difflib.get_close_matches(keyword, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return TypeError(f"{function} takes no argument {keyword!r}; {hint}it takes {', '.join(names)}")
