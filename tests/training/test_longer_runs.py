"""A run that is resumed with more epochs or steps than it was started with."""

import json
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from training_toy import make_trainer, objective, weights

from commands import module_of
from groundup.optimizers import LR_CosineDecayScheduler
from groundup.training import Trainer
from groundup.training.run_folder import LENGTHS, claim_folder

ROOT = Path(__file__).parents[2]


def log_of(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def cosine(optimizer, steps):
    return LR_CosineDecayScheduler(optimizer, steps // 10, steps - steps // 10, min_lr=0.001)


SCHEDULES = {
    "ours": cosine,
    "pytorch": lambda optimizer, steps: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
    "one_cycle": lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, steps + 1),
    "exponential": lambda optimizer, steps: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
}


def lengthened(run_dir, epochs, make, **changes):
    trainer = make_trainer(run_dir, epochs=epochs, scheduler=None, log_every=1, config={"epochs": epochs}, **changes)
    trainer.scheduler = make(trainer.optimizer, 3 * epochs)
    return trainer


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_longer_run_has_the_rates_of_its_new_length(tmp_path, capsys, name, finished):
    """From where it goes on; as long as the schedule is the same, it is the run that was as long from the start."""

    calls = []

    def stopping(model, batch):
        calls.append(None)
        if len(calls) == 6:  # in the fourth step
            os.kill(os.getpid(), signal.SIGTERM)
        return objective(model, batch)

    first = lengthened(tmp_path / "r", 2, SCHEDULES[name], **({} if finished else {"objective": stopping}))
    with nullcontext() if finished else pytest.raises(SystemExit):
        first.fit()
    done = 6 if finished else 4
    longer = lengthened(tmp_path / "r", 4, SCHEDULES[name])
    assert longer.fit(resume=True).steps == 12
    assert "12 steps instead of 6: the learning rate is that of the new length's schedule" in capsys.readouterr().out
    assert json.loads((tmp_path / "r" / "config.json").read_text())["config"] == {"epochs": 4}
    whole = lengthened(tmp_path / "whole", 4, SCHEDULES[name])
    whole.fit()
    rates = [[line["lr"] for line in log_of(tmp_path / name) if "lr" in line] for name in ("r", "whole")]
    assert rates[0][done:] == rates[1][done:]
    assert (weights(longer.model) == weights(whole.model)) == (name == "exponential")


def test_what_is_no_length_still_counts(tmp_path):
    lengthened(tmp_path / "r", 2, cosine).fit()
    trainer = lengthened(tmp_path / "r", 4, cosine, clip_norm=0.5)
    with pytest.raises(ValueError, match=r"clip_norm: saved 1\.0, given 0\.5"):
        trainer.fit(resume=True)
    trainer = lengthened(tmp_path / "r", 2, cosine)
    trainer.config["trainer"]["evaluate_every"] = 2
    with pytest.raises(ValueError, match="evaluate_every: saved null, given 2"):  # the length is the same
        trainer.fit(resume=True)
    assert json.loads((tmp_path / "r" / "config.json").read_text())["config"] == {"epochs": 2}


def test_a_shorter_length_is_finished(tmp_path, capsys):
    lengthened(tmp_path / "r", 4, cosine).fit()
    assert lengthened(tmp_path / "r", 2, cosine).fit(resume=True).steps == 12
    assert "finished before" in capsys.readouterr().out


# ---- the examples

EXAMPLES = [path for path in (ROOT / "examples").rglob("*.py") if "Trainer(" in path.read_text()]


#: Flags with which an example has little data to read.
QUICK = {"big_graph": ["--nodes", "2000", "--edges", "20000"]}
PAIRS = ["--data", "own.tsv", "--byte-pairs", "270"]
QUICK |= {"seq2seq": PAIRS, "bahdanau_translation": PAIRS, "translation": PAIRS}


class Claimed(Exception):
    """Raised in place of training."""


@pytest.mark.body("auto")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_goes_on_for_longer(path, tmp_path, monkeypatch):
    lengths = []

    def fit(trainer, resume=False):
        trainer.run_dir.mkdir(parents=True, exist_ok=True)
        assert claim_folder(trainer.run_dir, trainer.config, resume) == resume
        lengths.append(trainer.total_steps)
        raise Claimed

    def started(*flags):
        monkeypatch.setattr(sys, "argv", [path.name, "--run-dir", str(tmp_path / "run"), *flags])
        with pytest.raises(Claimed):
            example.main()

    monkeypatch.setattr(Trainer, "fit", fit)
    monkeypatch.chdir(tmp_path)
    example = module_of(path)
    flag, default = next((name, getattr(example.Config, name)) for name in LENGTHS if hasattr(example.Config, name))
    longer = ["500", "700"] if isinstance(default, tuple) else ["5000"]
    (tmp_path / "own.tsv").write_text("".join(f"eins {i}\tone {i}\n" for i in range(40)))
    started(*QUICK.get(path.stem, []))
    started("--resume", f"--{flag}", *longer)
    if path.stem == "fine_tune":  # its first training has a length of its own
        assert lengths[1] == lengths[0]
    else:
        assert lengths[1] > lengths[0]
