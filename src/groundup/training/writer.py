"""Who writes checkpoints: this thread, while training waits, or one beside it, from a copy of the state."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from groundup.training.logs import say
from groundup.training.output import Rest

#: Above every signal's number: what the trainer hears when a checkpoint could not be written.
TROUBLE = 1000
#: Of the time, the part in which a thread beside training writes, until somebody waits for it.
SHARE = 0.1


def _give_way() -> None:
    """This thread takes what cores training leaves it, and a thirtieth of one that both want."""
    if sys.platform == "linux":  # elsewhere a priority is a whole process's
        os.nice(15)


class Writer:
    """Writes at once; with `background` in a thread, one checkpoint at a time, from copies on the host.

    The copies stay allocated from one checkpoint to the next: the host needs room for the state once more.
    """

    def __init__(self, background: bool) -> None:
        self.pool = ThreadPoolExecutor(1, "checkpoint", _give_way) if background else None
        self.pending: Future[Any] | None = None
        self.awaited = threading.Event()
        self.stager: Any = None

    @property
    def rest(self) -> Rest | None:
        """What lets training go first: after each piece a rest, nine times as long as the piece took."""
        return None if self.pool is None else lambda seconds: self.awaited.wait(seconds * (1 / SHARE - 1))

    def warm(self, state: Callable[[], dict[str, Any]]) -> None:
        """Make room for the copies, once and beside training: taking it from the system lasts longer than copying."""
        if self.pool is not None and self.stager is None:
            from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

            cuda = torch.cuda.is_available()
            options = {"use_shared_memory": False, "use_async_staging": False}
            self.stager = DefaultStager(StagingOptions(use_pinned_memory=cuda, use_non_blocking_copy=cuda, **options))
            self.pending = self.pool.submit(self.stager.stage, state())

    def copied(self, state: dict[str, Any]) -> dict[str, Any]:
        """The state, safe from the steps to come; waits for the checkpoint before, which is read from the same copy."""
        if self.pool is None:
            return state
        self.warm(lambda: state)
        self.wait()
        return self.stager.stage(state)

    def write(self, act: Callable[[], Any]) -> None:
        """Call `act`, now or beside what follows."""
        if self.pool is None:
            act()
        else:
            self.wait()
            self.awaited.clear()
            self.pending = self.pool.submit(act)

    def trouble(self) -> int:
        """TROUBLE when the latest checkpoint could not be written, 0 when it could, or is still being written."""
        return TROUBLE if self.pending is not None and self.pending.done() and self.pending.exception() else 0

    def wait(self) -> None:
        """Until the latest checkpoint is written, now in a hurry; raises what kept it from that."""
        self.awaited.set()
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Wait, and say what went wrong: for the end of a run that has its own failure to raise."""
        try:
            self.wait()
        except Exception as failure:
            say(str(failure))
        if self.pool is not None:
            self.pool.shutdown()
