"""Two bodies, one function: the one place where a call is sent to its definition or to its kernel.

Every computation that PyTorch has a fused kernel for is written twice, with one signature:

    @fused_by(kernels.linear)                  # the production kernel
    def linear(x, weight, bias): ...           # the definition, in elementary tensor algebra

`backend(...)` chooses between them; `GROUNDUP_BACKEND` sets what a process starts with.

    "auto"        the kernel wherever it supports the call, the definition elsewhere (the default)
    "reference"   the definition, always
    "fused"       the kernel, always; a call it does not support raises `UnsupportedCall` with the reason
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from groundup import checks

MODES = ("auto", "reference", "fused")
P = ParamSpec("P")
R = TypeVar("R", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])


class UnsupportedCall(ValueError):
    """The fused backend was forced on a call that its kernel does not support."""


@runtime_checkable
class TwoBodied(Protocol[P, R]):
    """A function with a definition and a kernel; calling it dispatches."""

    __name__: str
    reference: Callable[..., Any]
    fused: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class _Unusable(str):
    """A value of GROUNDUP_BACKEND that is no mode. The import succeeds, and the first call that asks for it fails."""

    def __eq__(self, other: object) -> bool:
        raise ValueError(
            f"the environment variable GROUNDUP_BACKEND must be one of {', '.join(map(repr, MODES))}, got {self!r}"
        )

    __hash__ = str.__hash__


_given = os.environ.get("GROUNDUP_BACKEND", "auto")
_mode = _given if _given in MODES else _Unusable(_given)

#: Every two-bodied function by name; the sweeps test and time each of them both ways.
registry: dict[str, TwoBodied[..., Any]] = {}


def current_backend() -> str:
    """The mode in force: "auto", "reference" or "fused". Raises `ValueError` if GROUNDUP_BACKEND names another."""
    return checks.choice("GROUNDUP_BACKEND", _mode, MODES)


class backend:
    """Choose the bodies for a block or a function; nests, and is restored on exceptions.

        with backend("reference"):             @backend("fused")
            y = model(x)                       def step(x): ...

    The switch is one per process (a plain module global, so that `torch.compile` guards on it), not per thread.
    Raises `ValueError` for an unknown mode.
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
    kernel: Callable[..., Any], check: Callable[..., None] | None = None
) -> Callable[[Callable[P, R]], TwoBodied[P, R]]:
    """Name the kernel that computes the decorated definition, and dispatch between the two.

    `check`, called first with the same arguments, raises for what neither body accepts. A kernel marked with
    `groundup.kernels.support.refuses` says, call by call, what it cannot do.
    """
    refusal: Callable[..., str | None] | None = getattr(kernel, "refusal", None)

    def decorate(definition: Callable[P, R]) -> TwoBodied[P, R]:
        name = definition.__name__

        @functools.wraps(definition)
        def dispatch(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                if check is not None:
                    check(*args, **kwargs)
                if _mode == "reference":
                    return definition(*args, **kwargs)
                if refusal is not None and (reason := refusal(*args, **kwargs)) is not None:
                    if _mode == "fused":
                        raise UnsupportedCall(
                            f"{name}: the fused kernel does not support {reason}; "
                            'use backend("auto") or backend("reference") for this call'
                        )
                    return definition(*args, **kwargs)
                return kernel(*args, **kwargs)
            except (AttributeError, RuntimeError, TypeError) as error:
                checks.explain(definition, args, kwargs, error)
                raise

        dispatch.reference = definition  # type: ignore[attr-defined]
        dispatch.fused = kernel  # type: ignore[attr-defined]
        registry[name] = dispatch  # type: ignore[assignment]
        return dispatch  # type: ignore[return-value]

    return decorate
