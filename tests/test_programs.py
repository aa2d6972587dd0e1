"""A program in a forked child of the warm process does what it does in an interpreter of its own."""

import signal
import subprocess
import sys

import pytest

from programs import python, ranks, start

SAYS = """
import atexit, os, sys
atexit.register(print, "the end")
print(sys.argv[1:], os.getcwd(), os.environ["OWN"], "PATH" in os.environ, sys.stdin.read(), __name__, sys.path[0])
print("complaint", file=sys.stderr)
import beside
print(beside.__file__)
sys.exit(eval(sys.argv[1]))
"""


@pytest.mark.parametrize("code", ["None", "0", "3", "'words'", "1 / 0"])
def test_a_script(code, tmp_path):
    """Arguments, folder, environment, streams, what runs at exit, the exit code, and what can be imported beside it."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "says.py").write_text(SAYS)
    (tmp_path / "scripts" / "beside.py").write_text("")
    arguments, env = ["scripts/says.py", code, "--flag", "two words"], {"OWN": "ä"}
    ours = python(*arguments, cwd=tmp_path, env=env)
    theirs = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL
    )
    assert (ours.args, ours.returncode, ours.stdout) == (theirs.args, theirs.returncode, theirs.stdout)
    assert ours.stderr.splitlines()[-1] == theirs.stderr.splitlines()[-1]


def test_a_module_and_a_mistake_are_as_in_a_shell():
    for arguments in (("-m", "groundup", "list"), ("-m", "groundup.cli", "show", "Conv3d")):
        ours = python(*arguments)
        theirs = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
        assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)


def test_a_signal_is_the_exit_code():
    assert python("-c", "import os; os.kill(os.getpid(), 15)").returncode == -signal.SIGTERM


def test_programs_know_nothing_of_one_another():
    assert python("-c", "import groundup.backend, random; groundup.backend._mode = 'fused'; print(1)").stdout == "1\n"
    drawn = {python("-c", "import random, groundup; print(groundup.current_backend(), random.random())").stdout
             for _ in range(3)}  # fmt: skip
    assert len(drawn) == 3
    assert {words.split()[0] for words in drawn} == {"auto"}


def test_several_at_a_time(tmp_path):
    """The first waits for a file that the second writes."""
    wait = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\nprint('seen')"
    first = start("-c", wait, tmp_path / "file")
    second = start("-c", "import sys; open(sys.argv[1], 'w').close()", tmp_path / "file")
    assert (second.wait().returncode, first.wait().stdout) == (0, "seen\n")
    found = ranks(2, "-c", "import os; print(os.environ['RANK'], os.environ['WORLD_SIZE'], os.environ['MASTER_PORT'])")
    words = [one.stdout.split() for one in found]
    assert [one[:2] for one in words] == [["0", "2"], ["1", "2"]]
    assert words[0][2] == words[1][2]
