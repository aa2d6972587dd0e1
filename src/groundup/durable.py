"""Writing so that a crash at any moment leaves either the old file or the new one, never half of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: The byte of a file that is locked on Windows, where what is locked cannot be read: it lies behind the content.
LOCKED_BYTE = 2**30


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's list of names, are on the disk. Windows has no way to ask the latter."""
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(temporary: Path, final: Path) -> None:
    """Rename to a sibling, and make the rename itself durable. A file replaces a file; a folder needs a free name."""
    os.replace(temporary, final)
    sync(final.parent)


def write_file(path: Path, text: str) -> None:
    """Replace a file's content, all of it or nothing."""
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.write_text(text, encoding="utf-8")
    sync(temporary)
    move_into_place(temporary, path)


def lock_file(descriptor: int, wait: bool) -> None:
    """Lock an open file until it is closed, or until the process ends. Raise `BlockingIOError` if another has it.

    With `wait`, wait for the other instead.
    """
    if sys.platform == "win32":
        while True:
            os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
            try:
                return msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError as error:  # LK_LOCK gives up after ten seconds
                if not wait:
                    raise BlockingIOError("another process has locked the file") from error
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Within the block this process alone holds `path`, a file for this; others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        lock_file(lock.fileno(), wait=True)
        yield
