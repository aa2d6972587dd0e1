"""Ctrl-C and SIGTERM: the step under way is finished and saved before the process leaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptions() -> Iterator[Callable[[], int | None]]:
    """Within the block the first signal is only remembered: call what is yielded to ask for its number.

    An interruption between two halves of an optimizer step would leave weights that no checkpoint may hold. The second
    Ctrl-C raises `KeyboardInterrupt` at once. Outside the main thread, where Python delivers no signals, nothing
    changes.
    """
    received: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    watched = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, remember) for number in watched}
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
