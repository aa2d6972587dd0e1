"""How an example ends: what a person does to it is no traceback."""

import subprocess
import sys

import pytest

from groundup.training import run

LOUD = """
from groundup.training import run

def main():
    for number in range(100_000):
        print("line", number)

run(main)
"""


def test_ctrl_c_outside_of_training_is_an_exit():
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run(stopped)
    assert ended.value.code == 130


def test_whoever_reads_may_stop_reading():
    with subprocess.Popen(
        [sys.executable, "-c", LOUD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "line 0\n"
        process.stdout.close()
        complaint = process.stderr.read()
    assert (complaint, process.returncode) == ("", 0)
