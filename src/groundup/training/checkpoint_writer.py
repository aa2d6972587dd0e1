"""Writing of checkpoints: in the training thread, or in a background thread from a copy of the state."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from groundup.training.checkpoint_files import Pause
from groundup.training.logs import say

#: Fraction of the time in which the background thread writes, as long as nobody waits for it.
BACKGROUND_SHARE = 0.1


def _lower_priority() -> None:
    """Let training have the cores: this thread gets about a thirtieth of a core that both want."""
    if sys.platform == "linux":  # elsewhere priorities belong to processes
        os.nice(15)


class CheckpointWriter:
    """Calls functions that write a checkpoint: at once, or one after the other in a background thread.

    Args:
        background: write in a thread, from a copy of the state in host memory. The copy stays allocated between
            checkpoints, so the host needs memory for a second state.

    Example:
        >>> writer, written = CheckpointWriter(background=True), []
        >>> writer.write(lambda: written.append("step 1"))
        >>> writer.wait()
        >>> written
        ['step 1']
        >>> writer.close()
    """

    def __init__(self, background: bool) -> None:
        self.background = background
        self.pool: ThreadPoolExecutor | None = None
        self.pending: Future[Any] | None = None
        self.is_awaited = threading.Event()
        self.stager: Any = None

    @property
    def pause(self) -> Pause | None:
        """Function that waits after each piece, nine times as long as the piece took; None without background."""
        return (lambda seconds: self.is_awaited.wait(seconds * (1 / BACKGROUND_SHARE - 1))) if self.background else None

    def allocate(self, state: Callable[[], dict[str, Any]]) -> None:
        """Allocate the memory of the copy in the background, once: that takes longer than the copy itself."""
        if self.background and self.stager is None:
            from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

            cuda = torch.cuda.is_available()
            options = {"use_shared_memory": False, "use_async_staging": False}
            self.stager = DefaultStager(StagingOptions(use_pinned_memory=cuda, use_non_blocking_copy=cuda, **options))
            self._submit(self.stager.stage, state())

    def copy_state(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state in a form that later steps do not change; waits for the previous checkpoint."""
        if not self.background:
            return state
        self.allocate(lambda: state)
        self.wait()
        return self.stager.stage(state)

    def write(self, act: Callable[[], Any]) -> None:
        """Call `act`, now or in the background."""
        if not self.background:
            act()
        else:
            self.wait()
            self.is_awaited.clear()
            self._submit(act)

    def _submit(self, act: Callable[..., Any], *arguments: Any) -> None:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(1, "checkpoint", _lower_priority)
        self.pending = self.pool.submit(act, *arguments)

    def has_failed(self) -> bool:
        """Return whether the latest checkpoint could not be written; False while it is being written."""
        return self.pending is not None and self.pending.done() and self.pending.exception() is not None

    def wait(self) -> None:
        """Wait until the latest checkpoint is written, now without pauses; raise its error if it failed."""
        self.is_awaited.set()
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Wait, print the error of the latest checkpoint if it failed, and end the thread."""
        try:
            self.wait()
        except Exception as failure:
            say(str(failure))
        if self.pool is not None:
            self.pool.shutdown()
        self.pool = self.stager = None
