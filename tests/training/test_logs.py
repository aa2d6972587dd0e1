"""The log, the bar, and the plain lines."""

import io
import json
import math
import sys

import pytest
from training_toy import make_trainer

from groundup.training.logs import MetricsLog, Progress


def test_numbers_survive_to_the_last_bit_and_nan_is_null(tmp_path):
    log = MetricsLog(tmp_path / "m.jsonl")
    log.write({"step": 1, "loss": 0.1 + 0.2, "norm": math.inf, "evaluation": {"loss": math.nan, "tiny": 5e-324}})
    assert log.sync() == (tmp_path / "m.jsonl").stat().st_size
    log.close()
    line = json.loads((tmp_path / "m.jsonl").read_text())
    assert line == {"step": 1, "loss": 0.1 + 0.2, "norm": None, "evaluation": {"loss": None, "tiny": 5e-324}}


def test_what_came_after_the_checkpoint_is_cut(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n{"st')
    log = MetricsLog(path, length=12)
    log.write({"step": 2})
    log.close()
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2}\n'


def test_a_log_that_lost_lines_is_reported(tmp_path, capsys):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"step": 1}\n{"st')
    MetricsLog(path, length=100).close()
    assert "some of its lines are lost" in capsys.readouterr().out
    assert path.read_bytes() == b'{"step": 1}\n'


def test_plain_lines_where_there_is_no_terminal(tmp_path, capsys):
    make_trainer(tmp_path / "r", progress=True).fit()
    captured = capsys.readouterr()
    lines = [line for line in captured.out.splitlines() if line.startswith("step ")]
    assert len(lines) == 3
    assert lines[0].startswith("step 3/9 · epoch 1 · loss 0.")
    for part in (" · held out: accuracy ", " units/s · ", " to go"):
        assert part in lines[0]
    assert "\r" not in captured.out + captured.err


def test_silence_when_asked(tmp_path, capsys):
    make_trainer(tmp_path / "r", progress=False).fit()
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress(step=4, total=10, unit="samples")
    progress.milestone({"accuracy": 0.5})
    progress.advance(epoch=2, loss=1.25, units=32)
    progress.bar.refresh()
    progress.close()
    shown = screen.getvalue()
    for part in (" 50% ", " 5/10 ", " to go", "epoch 2", "loss 1.2500", "accuracy 0.5000", "samples/s"):
        assert part in shown


def test_tensorboard_gets_the_curves(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    make_trainer(tmp_path / "r").fit()
    events = EventAccumulator(str(tmp_path / "r" / "tensorboard")).Reload()
    assert {"training/loss", "training/lr", "training/grad_norm", "training/rate", "evaluation/accuracy"} <= set(
        events.Tags()["scalars"]
    )
    assert [event.step for event in events.Scalars("evaluation/accuracy")] == [3, 6, 9]
