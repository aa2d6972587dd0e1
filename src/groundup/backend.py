"""Two bodies, one function: each call is checked, and sent to the definition or to the kernel.

Every computation that PyTorch has a fused kernel for is written twice, with one signature:

    @fused_by(kernels.linear)                  # the kernel: what runs in production
    def linear(x, weight, bias=None): ...      # the definition: elementary tensor algebra, to be read

`backend(...)` chooses between them; the environment variable GROUNDUP_BACKEND sets the choice at the start.

    "auto"        the kernel wherever it supports the call, the definition elsewhere (the default)
    "reference"   the definition, always
    "fused"       the kernel, always; a call that it does not support raises `UnsupportedCall` with the reason

Arguments are checked against the function's `Contract`. A call that was found right is remembered, by the shapes, types
and devices of its tensors and by its other arguments: the next call like it costs one look-up. While `torch.compile`
traces, only what a signature cannot say is checked, once.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from operator import attrgetter
from types import FunctionType, NoneType
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from groundup import checks
from groundup.contract import Contract, Rule
from groundup.explain import explain

MODES = ("auto", "reference", "fused")
#: Remembered calls of one function; when there are more, all are forgotten, so that changing shapes fill no memory.
MAX_REMEMBERED_CALLS = 4096
#: Arguments of these types are remembered by value, plain tensors by `describe`, and functions and generators by type,
#: because no check looks into them. A call with an argument of another type is not remembered.
VALUE_TYPES = frozenset({bool, int, float, str, NoneType, tuple, torch.Size, torch.dtype})
OPAQUE_TYPES = frozenset({torch.Generator, FunctionType})
describe = attrgetter("shape", "dtype", "device")

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])
Body = Callable[..., Any]


class UnsupportedCall(ValueError):
    """The fused backend was forced on a call that its kernel does not support."""


@runtime_checkable
class TwoBodied(Protocol[P, R]):
    """A function with a definition and a kernel; calling it dispatches."""

    __name__: str
    reference: Callable[..., Any]
    fused: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


#: The mode in force. A value of GROUNDUP_BACKEND that is no mode is kept: the first call that needs it raises.
_mode = os.environ.get("GROUNDUP_BACKEND", "auto")

#: Every two-bodied function by name; the sweeps test and time each of them both ways.
registry: dict[str, TwoBodied[..., Any]] = {}


def current_backend() -> str:
    """Return the mode in force: "auto", "reference" or "fused".

    Raises:
        ValueError: GROUNDUP_BACKEND names another mode.
    """
    return checks.choice("the environment variable GROUNDUP_BACKEND", _mode, MODES)


class backend:
    """Choose the bodies for a block or a function; nests, and is restored on exceptions.

        with backend("reference"):             @backend("fused")
            y = model(x)                       def step(x): ...

    The mode is one per process (a module global, so that `torch.compile` guards on it), not one per thread.

    Args:
        mode: "auto", "reference" or "fused"; another raises `ValueError`.
    """

    def __init__(self, mode: str) -> None:
        self.mode = checks.choice("backend", mode, MODES)
        self._outer: list[str] = []

    def __enter__(self) -> None:
        global _mode
        self._outer.append(_mode)
        _mode = self.mode

    def __exit__(self, *exception: object) -> None:
        global _mode
        _mode = self._outer.pop()

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def switched(*args: Any, **kwargs: Any) -> Any:
            with backend(self.mode):
                return function(*args, **kwargs)

        return switched  # type: ignore[return-value]


def fused_by(
    kernel: Body,
    rule: Rule | None = None,
    *,
    values: Rule | None = None,
    on_error: Rule | None = None,
    remember: bool = True,
) -> Callable[[Callable[P, R]], TwoBodied[P, R]]:
    """Name the kernel that computes the decorated definition, and dispatch between the two.

    Args:
        kernel: a function of the definition's arguments, which it gets by position; or of the bound call, if it is
            decorated with `groundup.kernels.support.takes_call`. `groundup.kernels.support.refuses` says which calls
            it does not support.
        rule, values, on_error, remember: see `checked`.
    """

    def decorate(definition: Callable[P, R]) -> TwoBodied[P, R]:
        contract = Contract(definition, rule)
        refusal: Callable[[Any], str | None] | None = getattr(kernel, "refusal", None)
        body = (lambda *args: kernel(contract.bind(*args))) if getattr(kernel, "takes_call", False) else kernel

        def choose(args: tuple[Any, ...]) -> Body:
            if (mode := current_backend()) == "reference":
                return definition
            if refusal is None or (reason := refusal(contract.bind(*args))) is None:
                return body
            if mode == "fused":
                raise UnsupportedCall(
                    f"{definition.__name__}: the fused kernel does not support {reason}; "
                    'use backend("auto") or backend("reference") for this call'
                )
            return definition

        choose_always = refusal is not None and getattr(kernel, "refuses_by_state", False)
        dispatch = _door(contract, choose, values, on_error, remember, choose_always)
        dispatch.reference = definition  # type: ignore[attr-defined]
        dispatch.fused = body  # type: ignore[attr-defined]
        registry[definition.__name__] = dispatch  # type: ignore[assignment]
        return dispatch  # type: ignore[return-value]

    return decorate


def checked(
    rule: Rule | None = None, *, values: Rule | None = None, on_error: Rule | None = None, remember: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of the decorated function, which has one body.

    Args:
        rule: what the signature cannot say. It receives the bound call, and depends on nothing but shapes, types,
            devices and arguments that are no tensors.
        values: what must hold for the elements of tensors. It receives the bound call, at every call.
        on_error: like `values`, but asked only after the body raised an error, which it explains: for wrong elements
            at which every body stops by itself.
        remember: False asks the contract at every call, for arguments that hold more than `describe` sees.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return _door(Contract(function, rule), lambda args: function, values, on_error, remember)

    return decorate


def _door(
    contract: Contract,
    choose: Callable[[tuple[Any, ...]], Body],
    values: Rule | None,
    on_error: Rule | None,
    remember: bool,
    choose_always: bool = False,
) -> Callable[..., Any]:
    """The function that callers see: it checks a call, chooses its body, and runs it.

    All of it is in one function, because calls of Python functions are most of what a small operation costs.
    """
    remembered: dict[Any, Body] = {}

    @functools.wraps(contract.function)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        given = args
        try:
            if kwargs:
                args = contract.bind(*args, **kwargs)
            if torch.compiler.is_dynamo_compiling():
                # Only the rule becomes part of the trace, which runs without it: sizes and types that do not fit stop
                # the trace by themselves, and following the whole contract would take five times as long as the rest.
                if contract.rule is not None:
                    contract.rule(contract.bind(*args))
                return choose(args)(*args)
            key: Any = None
            if remember:
                parts: list[Any] = [_mode]
                for value in args:
                    kind = type(value)
                    if kind is Tensor or kind is torch.nn.Parameter:
                        parts.append(describe(value))
                    elif kind is tuple and value and type(value[0]) not in VALUE_TYPES:
                        break  # a tuple of tensors would be kept alive, and compared by identity
                    elif kind in VALUE_TYPES:
                        parts += kind, value
                    elif kind in OPAQUE_TYPES:
                        parts.append(kind)
                    else:
                        break
                else:
                    key = tuple(parts)
            body = remembered.get(key)
            if body is None:
                contract.check(args)
                body = choose(args)
                if key is not None:
                    if len(remembered) >= MAX_REMEMBERED_CALLS:
                        remembered.clear()
                    remembered[key] = body
            elif choose_always:
                body = choose(args)
            if values is not None:
                values(contract.bind(*args))
            return body(*args)
        except (AttributeError, IndexError, RuntimeError, TypeError) as error:
            explain(contract.function, given, kwargs, error)
            if on_error is not None:
                on_error(contract.bind(*args))
            raise

    return dispatch
