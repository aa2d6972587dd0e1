"""Checkpoints written beside training: the same bytes, one at a time, and no failure lost."""

import os
import sys
import threading

import pytest
import torch
from training_toy import make_trainer, weights

from groundup.training import CheckpointError, checkpoint_files
from groundup.training.checkpoint import Checkpoints, find_damage
from groundup.training.checkpoint_writer import CheckpointWriter


def test_the_same_run_whoever_writes(tmp_path):
    one, other = (make_trainer(tmp_path / name, background_saves=name == "b", save_every=1) for name in "ab")
    one.fit()
    other.fit()
    assert weights(one.model) == weights(other.model)
    for run in "ab":
        checkpoints = Checkpoints(tmp_path / run / "checkpoints")
        assert all(find_damage(checkpoints.path(step)) is None for step in checkpoints.steps())
    steps = Checkpoints(tmp_path / "a" / "checkpoints").steps()
    assert steps == checkpoints.steps()
    for file in (f"checkpoints/step-{step:06d}/model.safetensors" for step in steps):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    resumed = make_trainer(tmp_path / "b", background_saves=True, save_every=1, epochs=4)
    whole = make_trainer(tmp_path / "c", epochs=4)
    resumed.fit(resume=True)
    whole.fit()
    assert weights(resumed.model) == weights(whole.model)


def test_training_goes_on_while_the_first_checkpoint_is_written(tmp_path, monkeypatch):
    """The copy is of its own step, whatever the steps after it do; the second waits for the first."""
    usual, gate, at_once = checkpoint_files.save_tensors, threading.Event(), []
    alone = threading.Lock()

    def slow(*arguments, **options):
        assert alone.acquire(blocking=False), "two checkpoints are written at once"
        gate.wait(600)
        usual(*arguments, **options)
        alone.release()

    monkeypatch.setattr(checkpoint_files, "save_tensors", slow)
    trainer = make_trainer(tmp_path / "r", background_saves=True, save_every=3, evaluate=None)
    step = trainer.train_step

    def watched(window):
        if trainer.state.step == 5:
            at_once.append(trainer.checkpoints.steps())
            gate.set()
        return step(window)

    trainer.train_step = watched
    trainer.fit()
    assert at_once == [[]]  # two steps after the first save, its checkpoint is not there yet
    assert trainer.checkpoints.steps() == [6, 9]
    waited = make_trainer(tmp_path / "s", save_every=3, evaluate=None)
    monkeypatch.setattr(checkpoint_files, "save_tensors", usual)
    waited.fit()
    for run_step in (6, 9):
        ours, theirs = (t.checkpoints.path(run_step) / "model.safetensors" for t in (trainer, waited))
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is a whole process's")
def test_the_writing_thread_gives_way_and_no_other_does():
    writer, before, asked = CheckpointWriter(True), os.getpriority(os.PRIO_PROCESS, 0), []
    writer.write(lambda: asked.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    writer.close()
    assert asked == [min(19, before + 15)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_what_went_wrong_is_raised_by_the_trainer(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "save_tensors", full)
    trainer = make_trainer(tmp_path / "r", background_saves=True)
    with pytest.raises(CheckpointError, match=r"the checkpoint of step 2 could not be written.*No space left"):
        trainer.fit()
    assert not list((tmp_path / "r" / "checkpoints").iterdir())


def test_a_failure_at_the_end_is_raised_before_fit_returns(tmp_path, monkeypatch):
    calls, usual = [], checkpoint_files.save_tensors

    def full_at_last(*arguments, **options):
        calls.append(None)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        usual(*arguments, **options)

    monkeypatch.setattr(checkpoint_files, "save_tensors", full_at_last)
    trainer = make_trainer(tmp_path / "r", background_saves=True, save_every=5, evaluate=None)
    with pytest.raises(CheckpointError, match="the checkpoint of step 9 could not be written"):
        trainer.fit()
    assert trainer.checkpoints.steps() == [5]


def test_the_copy_is_no_view():
    writer, value = CheckpointWriter(background=True), torch.zeros(3)
    held = writer.copy_state({"value": value, "step": 1})
    value += 1
    assert held["value"].tolist() == [0, 0, 0]
    assert not writer.has_failed()
    gate = threading.Event()
    writer.write(lambda: gate.wait(600) and [][0])
    assert not writer.has_failed()  # still being written
    gate.set()
    while not writer.pending.done():
        pass
    assert writer.has_failed()
    with pytest.raises(IndexError):
        writer.wait()
    writer.close()
