"""Under torchrun a process killed at any moment restarts all, and the run ends to the bit as one left alone."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # torchrun gives up a process that a busy machine leaves waiting for some seconds
SCRIPT = Path(__file__).with_name("elastic.py")


def torchrun(folder, kills, epochs, restarts, seed=0):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", str(restarts), str(SCRIPT), *map(str, (folder, kills, seed, epochs))]
    return subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)


def same_as_undisturbed(folder, kills, epochs):
    for name, count in (("killed", kills), ("alone", 0)):
        (folder / name).mkdir()
        done = torchrun(folder / name, count, epochs, restarts=count)
        assert done.returncode == 0, done.stderr
        assert (folder / name / "0.txt").read_bytes() == (folder / name / "1.txt").read_bytes()  # one model in all
    for file in ("0.txt", "1.txt", "run/metrics.jsonl"):
        assert (folder / "killed" / file).read_bytes() == (folder / "alone" / file).read_bytes()


def test_killed_twice_and_an_occupied_folder_is_left_alone(tmp_path):
    """One line says that the folder holds a run; and the restart of another job does not go on with what lies there."""
    same_as_undisturbed(tmp_path, 2, epochs=3)
    before = {path: path.read_bytes() for path in (tmp_path / "alone").rglob("*.safetensors")}
    other = torchrun(tmp_path / "alone", 0, epochs=4, restarts=1)
    assert other.returncode != 0
    assert "RunFolderError" in other.stderr
    assert "already holds a run" in other.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "alone").rglob("*.safetensors")} == before


def test_killed_a_hundred_times(tmp_path):
    same_as_undisturbed(tmp_path, 100, epochs=40)
