"""What the training needs of the operating system, where that is Windows: played here by a stand-in."""

import ast
import importlib.util
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import groundup
from groundup import durable

SOURCE = Path(groundup.__file__).parent
UNIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix"}


class Msvcrt(SimpleNamespace):
    """Locks of one byte, as Windows has them: whose file is open twice is two owners."""

    LK_LOCK, LK_NBLCK = 1, 2

    def locking(self, descriptor, mode, count):
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == durable.LOCKED_BYTE
        if self.busy:
            self.busy -= 1
            raise OSError(36, "Resource deadlock avoided" if mode == self.LK_LOCK else "Permission denied")
        self.held.append(descriptor)


@pytest.fixture
def windows(monkeypatch):
    """`groundup.durable` as Windows imports it."""
    fake = Msvcrt(held=[], busy=0)
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location("durable_on_windows", durable.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.fake = fake
    return module


def test_a_lock_on_windows(windows, tmp_path):
    with (tmp_path / "lock").open("a") as file:
        windows.lock_file(file.fileno(), wait=False)
        assert windows.fake.held == [file.fileno()]
        windows.fake.busy = 1
        with pytest.raises(BlockingIOError):
            windows.lock_file(file.fileno(), wait=False)
        windows.fake.busy = 3
        windows.lock_file(file.fileno(), wait=True)
        assert windows.fake.busy == 0
    with windows.one_at_a_time(tmp_path / "folder" / "other"):
        assert len(windows.fake.held) == 3


def test_files_are_replaced_on_windows(windows, tmp_path, monkeypatch):
    """Where a file cannot be renamed to a name that is taken, nor a folder be opened."""
    monkeypatch.delattr(os, "rename")
    opened, real = [], os.open
    monkeypatch.setattr(os, "open", lambda path, flags: opened.append((path, flags)) or real(path, flags))
    for text in ("one", "two"):
        windows.write_file(tmp_path / "f.txt", text)
    assert (tmp_path / "f.txt").read_text() == "two"
    assert {path.is_dir() for path, _ in opened} == {False}
    assert all(flags & os.O_RDWR for _, flags in opened)


def test_runs_import_where_nothing_forks(monkeypatch):
    monkeypatch.delattr(os, "register_at_fork")
    spec = importlib.util.spec_from_file_location("runs_on_windows", SOURCE / "training" / "run_folder.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.holds_run("nowhere") is False


def test_no_import_that_windows_lacks():
    """At the top of a file; inside `if sys.platform` it is fine."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not UNIX_ONLY & {name.split(".")[0] for name in names}, path
