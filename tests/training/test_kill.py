"""Killed by SIGKILL at any moment and resumed, a run ends with the same weights and the same log, to the bit."""

from pathlib import Path

import pytest

from programs import python

SCRIPT = Path(__file__).with_name("kill_sweep.py")
SIGKILLED = -9


def test_a_process_killed_twice_ends_like_one_left_alone(tmp_path):
    assert python(SCRIPT, "train", tmp_path, 30).returncode == SIGKILLED
    assert list(tmp_path.glob("killed/checkpoints/step-*")), "killed too early to test a resumption"
    assert python(SCRIPT, "train", tmp_path, 25).returncode == SIGKILLED
    finished = python(SCRIPT, "finish", tmp_path)
    assert finished.returncode == 0, finished.stderr


def sweep(folder, stride, at_least):
    finished = python(SCRIPT, "sweep", folder, stride)
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout.rsplit("killed", 1)[1]) >= at_least


def test_killed_at_every_fifth_act_upon_the_disk(tmp_path):
    sweep(tmp_path, stride=5, at_least=15)


@pytest.mark.slow
def test_killed_at_every_act_upon_the_disk(tmp_path):
    sweep(tmp_path, stride=1, at_least=75)
