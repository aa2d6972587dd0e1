"""Mistakes that are recognised when a call has failed: until then, looking for them costs nothing.

An unknown keyword, a keyword name of torch.nn, a list or an array where a tensor belongs, tensors on several devices or
of several floating-point types: each gets an error that says what to write instead.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from groundup.checks import tensor


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
            raise keyword_error(function.__name__, name, [*signature.parameters]) from None
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


def keyword_error(function: str, keyword: str, accepted: Sequence[str]) -> TypeError:
    """The error for a keyword that `function` does not take: with its translation if it is one of torch.nn's."""
    names = [name for name in accepted if name != "self"]
    for name, remedy in TORCH_KEYWORDS.get(keyword, ()):
        if not name or name in names:
            return TypeError(f"{function} takes no argument {keyword!r}: {remedy}")
    near = difflib.get_close_matches(keyword, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return TypeError(f"{function} takes no argument {keyword!r}; {hint}it takes {', '.join(names)}")
