"""The log, the bar, and the plain lines."""

import io
import json
import math
import os
import re
import subprocess
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
    assert lines[0].startswith("step 3/9 · held-out accuracy 0.")
    for part in (" · loss ", " units/s", " to go", " · epoch 1 · "):
        assert part in lines[0]
    assert "\r" not in captured.out + captured.err


def test_silence_when_asked(tmp_path, capsys):
    make_trainer(tmp_path / "r", progress=False).fit()
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def bar(monkeypatch, columns, metrics):
    """What a bar of so many columns shows in the end."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    progress = Progress(step=40, total=100, unit="samples")
    progress.started -= 100
    progress.milestone(metrics)
    for _ in range(10):
        progress.advance(epoch=2, loss=1.25, units=32)
    progress.bar.refresh()
    shown = screen.getvalue().split("\r")[-1].rstrip()
    progress.close()
    return shown


def test_a_bar_on_a_terminal(monkeypatch):
    shown = bar(monkeypatch, 140, {"accuracy": 0.5, "{odd}": 2.0})
    assert shown.startswith("held-out accuracy 0.5000 · loss 1.2500 ·  50% ")
    assert re.search(r" · 08:\d\d to go · epoch 2 · 3 samples/s · held-out \{odd\} 2\.0000$", shown)


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 100])
@pytest.mark.parametrize("metrics", [{}, {"accuracy": 0.5, "loss": 1.5}], ids=["before", "after"])
def test_a_bar_fits_with_what_matters_first(monkeypatch, columns, metrics):
    shown = bar(monkeypatch, columns, metrics)
    assert len(shown) < columns or columns == 30
    assert shown.startswith("held-out accuracy 0.5000" if metrics else "loss 1.2500")
    if columns >= 60:
        assert "loss 1.2500 ·  50% " in shown
    assert (" to go" in shown) == (columns >= (80 if metrics else 60))


def test_no_colours_where_they_are_not_wanted():
    """Of flags and mistakes, whose colours come from a library."""
    code = "import groundup, tyro; print(tyro._experimental_options['ansi_codes'])"
    for wanted, variable in (("True", {"NO_COLOR": ""}), ("False", {"NO_COLOR": "1"})):
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **variable}, capture_output=True)
        assert done.stdout.decode().strip() == wanted, done.stderr


def test_tensorboard_gets_the_curves(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    make_trainer(tmp_path / "r").fit()
    events = EventAccumulator(str(tmp_path / "r" / "tensorboard")).Reload()
    assert {"training/loss", "training/lr", "training/grad_norm", "training/rate", "evaluation/accuracy"} <= set(
        events.Tags()["scalars"]
    )
    assert [event.step for event in events.Scalars("evaluation/accuracy")] == [3, 6, 9]
