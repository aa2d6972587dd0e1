"""Durable files: a crash at any moment leaves the old file or the new one, never a part of it; and file locks."""

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

#: The byte of a file that is locked on Windows, behind its content, because locked bytes cannot be read there.
LOCKED_BYTE = 2**30


def sync(path: Path) -> None:
    """Wait until a file, or the list of names of a folder, is on the disk. Windows cannot sync folders."""
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(temporary: Path, final: Path) -> None:
    """Rename `temporary` to `final` in the same folder, and sync the rename. Only files may be replaced."""
    os.replace(temporary, final)
    sync(final.parent)


def write_file(path: Path, text: str) -> None:
    """Replace the content of a file, completely or not at all."""
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.write_text(text, encoding="utf-8")
    sync(temporary)
    move_into_place(temporary, path)


def lock_file(descriptor: int, wait: bool) -> None:
    """Lock an open file until it is closed or the process ends. Raise `BlockingIOError` if another process has it.

    With `wait`, wait for the other process instead.
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
    """Lock the file `path`, which is created, within the block; other processes wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        lock_file(lock.fileno(), wait=True)
        yield
