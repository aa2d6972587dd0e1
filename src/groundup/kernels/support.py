"""How a kernel says what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def refuses(refusal: Callable[..., str | None]) -> Callable[[F], F]:
    """Attach `refusal`: called with the kernel's arguments, it returns what is unsupported, or None."""

    def attach(kernel: F) -> F:
        kernel.refusal = refusal  # type: ignore[attr-defined]
        return kernel

    return attach
