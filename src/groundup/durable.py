"""Writing so that a crash at any moment leaves either the old file or the new one, never half of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's list of names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(temporary: Path, final: Path) -> None:
    """Rename to a sibling, and make the rename itself durable. A file replaces a file; a folder needs a free name."""
    os.rename(temporary, final)
    sync(final.parent)


def write_file(path: Path, text: str) -> None:
    """Replace a file's content, all of it or nothing."""
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.write_text(text, encoding="utf-8")
    sync(temporary)
    move_into_place(temporary, path)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Within the block this process alone holds `path`, a file for this; others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
