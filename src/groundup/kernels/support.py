"""Marks of kernels: which calls one does not support, and how it takes its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
#: A function of the bound call, a named tuple of the arguments: returns what is not supported, or None.
Refusal = Callable[[Any], str | None]


def refuses(refusal: Refusal, *, by_state: bool = False) -> Callable[[F], F]:
    """Say which calls the decorated kernel does not support.

    Args:
        refusal: returns what is not supported, to follow "the fused kernel does not support", or None.
        by_state: the answer depends on more than shapes, types, devices and arguments that are no tensors: on elements
            of tensors, `requires_grad`, or a global mode. It is then asked at every call, otherwise once.
    """

    def attach(kernel: F) -> F:
        kernel.refusal, kernel.refuses_by_state = refusal, by_state  # type: ignore[attr-defined]
        return kernel

    return attach


def takes_call(kernel: F) -> F:
    """The decorated kernel takes the bound call, `call.x`, `call.weight`, ..., in place of its arguments."""
    kernel.takes_call = True  # type: ignore[attr-defined]
    return kernel
