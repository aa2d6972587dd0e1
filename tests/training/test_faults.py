"""Errors of the user end a run, in all its processes, with one line; once they are corrected the run goes on."""

import json
import re
import signal
from pathlib import Path

import pytest
import torch
from faults import trainer, unwritable

from groundup.training import DataError, RunFolderError, run
from groundup.training.batches import explain_dead_worker, group_batches
from groundup.training.checkpoint import Checkpoints
from programs import ranks

SCRIPT = Path(__file__).with_name("faults.py")
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
TORN = r"DataError: batch 5 of epoch 1 could not be read: ValueError: row 19 is torn \(faults.py:\d+{}\); correct "


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder that two processes leave, and what they said."""
    folder = tmp_path_factory.mktemp("two")
    ended = ranks(2, SCRIPT, folder)
    assert all(one.returncode for one in ended)
    return folder, "".join(one.stderr for one in ended)


def last_words(main):
    """The one line that `run` ends with; the exit code is then 1."""
    with pytest.raises(SystemExit) as ended:
        run(main)
    assert isinstance(ended.value.code, str)
    assert len(ended.value.code.splitlines()) == 1
    return ended.value.code


def losses(run_dir):
    return [json.loads(line)["loss"] for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def assert_whole_and_resumable(run_dir, last, folder):
    """The newest checkpoint is the one before the fault, and the run goes on from it as one left alone."""
    checkpoints = Checkpoints(run_dir / "checkpoints")
    assert checkpoints.find_newest() == checkpoints.steps()[-1] == last
    assert not list(checkpoints.folder.glob(".tmp-*"))
    resumed, undisturbed = trainer(run_dir), trainer(folder / "undisturbed")
    assert resumed.fit(resume=True).steps == undisturbed.fit().steps == 12
    for ours, theirs in zip(resumed.model.parameters(), undisturbed.model.parameters()):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    assert losses(run_dir) == pytest.approx(losses(folder / "undisturbed"), rel=1e-9)


# ---- data that cannot be read


@pytest.mark.parametrize("num_workers", [0, 1])
def test_data_that_fails_ends_the_run_in_one_line(tmp_path, num_workers):
    words = last_words(lambda: trainer(tmp_path / "run", "raises", num_workers).fit())
    assert re.match(TORN.format(", in a data worker" * num_workers), words)
    assert_whole_and_resumable(tmp_path / "run", 4, tmp_path)


@pytest.mark.usefixtures("untyped")  # the checker of annotations takes what is raised in it for its own failure
def test_a_data_worker_that_is_killed_ends_the_run_in_one_line(tmp_path):
    """PyTorch raises wherever training is: a checkpoint that is being written then is not kept."""
    words = last_words(lambda: trainer(tmp_path / "run", "dies").fit())
    assert re.match(r"(DataError|CheckpointError): .*DataLoader worker \(pid.*resume=True\)", words)
    assert_whole_and_resumable(tmp_path / "run", Checkpoints(tmp_path / "run" / "checkpoints").find_newest(), tmp_path)


def test_a_pipe_that_breaks_before_the_death_is_told(untyped):
    """The pipe of a killed worker may break before SIGCHLD arrives, in whose handler PyTorch tells of the death."""

    def told(*_):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    class Broken:
        def __len__(self):
            return 1

        def seek(self, epoch, batch=0):
            pass

        def __iter__(self):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            raise ConnectionResetError(104, "Connection reset by peer")
            yield

    before = signal.signal(signal.SIGALRM, told)
    try:
        with pytest.raises(RuntimeError, match=r"^DataLoader worker") as failure:
            next(group_batches(Broken(), 0, 0, 1))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert re.fullmatch("DataLoader worker .* killed.*resume=True.*", str(explain_dead_worker(failure.value)))


def test_the_cause_is_kept(tmp_path):
    with pytest.raises(DataError) as failure:
        trainer(tmp_path / "run", "raises", 0).fit()
    assert isinstance(failure.value.__cause__, ValueError)


def test_data_that_fails_one_of_two_processes_ends_both(two, tmp_path):
    folder, said = two
    assert len(re.findall(f"^rank 1: {TORN.format(', in a data worker')}", said, re.MULTILINE)) == 1, said
    assert "[rank" not in said, said  # PyTorch's mark of a traceback
    assert_whole_and_resumable(folder / "run", 4, tmp_path)


# ---- folders that cannot be written


@pytest.mark.parametrize("name", ["below", "claim", "log"])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, two, name):
    """Alone; and of two processes the first says it, and the second ends with it."""
    expected = "RunFolderError: run folder {} cannot be written .*; correct the cause, or choose another run_dir"
    run_dir = unwritable(tmp_path)[name]
    assert re.fullmatch(expected.format(run_dir), last_words(lambda: trainer(run_dir).fit()))
    words = [(two[0] / f"{name}-{rank}.txt").read_text() for rank in range(2)]
    assert re.fullmatch(expected.format(unwritable(two[0])[name]), words[0])
    assert words[1] == "1"


def test_a_full_disk_at_the_start_names_the_folder(tmp_path, monkeypatch):
    """What write() says of it names no file."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("groundup.training.run_folder.write_file", full)
    with pytest.raises(RunFolderError, match=rf"run folder {tmp_path}/run cannot be written .*No space left"):
        trainer(tmp_path / "run").fit()
