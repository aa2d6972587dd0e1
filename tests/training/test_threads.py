"""How many threads a step gets: by its work alone, never against the user's choice, and the same when resumed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from training_toy import make_trainer, objective, weights

from groundup.models.recurrent_networks import LSTM
from groundup.training import command_line, threads
from groundup.training.command_line import Options
from groundup.training.threads import ThreadChoice

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.py"))


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch):
    """As a process with two threads that nobody asked for, whatever the suite runs with."""
    before = torch.get_num_threads()
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_default_threads", 2)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def watched(seen):
    def watching(model, batch):
        seen.append(torch.get_num_threads())
        return objective(model, batch)

    return watching


def test_a_small_step_has_one_thread_and_says_so(tmp_path, capsys):
    seen = []
    make_trainer(tmp_path / "r", objective=watched(seen), progress=True).fit()
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2  # afterwards
    assert "one thread: a step has 0.00" in (said := capsys.readouterr().out)
    assert said.count("one thread") == 1


def test_a_large_step_has_all_threads(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(threads, "ONE_THREAD_MAX_OPERATIONS", 1000)
    seen = []
    make_trainer(tmp_path / "r", objective=watched(seen), progress=True).fit()
    assert seen[0] == 1  # until the work is known
    assert set(seen[1:]) == {2}
    assert "one thread" not in capsys.readouterr().out


@pytest.mark.parametrize("how", ["variable", "call"])
def test_the_users_number_stays(tmp_path, monkeypatch, capsys, how):
    if how == "variable":
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
    else:
        torch.set_num_threads(3)
    chosen, seen = torch.get_num_threads(), []
    make_trainer(tmp_path / "r", objective=watched(seen), progress=True).fit()
    assert set(seen) == {chosen}
    assert "one thread" not in capsys.readouterr().out


def test_counting_changes_no_bit(tmp_path, monkeypatch):
    """Neither weights nor running statistics nor what is drawn afterwards."""
    counted, plain = make_trainer(tmp_path / "a"), make_trainer(tmp_path / "b")
    counted.fit()
    drawn = torch.rand(3)
    torch.set_num_threads(1)
    plain.fit()
    assert weights(counted.model) == weights(plain.model)
    assert torch.equal(drawn, torch.rand(3))


@pytest.mark.parametrize(("first", "then"), [(10**8, 1000), (1000, 10**8)])
def test_a_resumed_run_has_the_threads_it_was_started_with(tmp_path, monkeypatch, capsys, first, then):
    monkeypatch.setattr(threads, "ONE_THREAD_MAX_OPERATIONS", first)
    seen = []
    make_trainer(tmp_path / "r", scheduler=None, epochs=1, objective=watched(seen)).fit()
    started = seen[-1]
    monkeypatch.setattr(threads, "ONE_THREAD_MAX_OPERATIONS", then)
    monkeypatch.setattr(threads, "count_cores", lambda: 2)
    seen.clear()
    make_trainer(tmp_path / "r", scheduler=None, epochs=2, objective=watched(seen)).fit(resume=True)
    assert set(seen) == {started}
    assert "resuming with another" not in capsys.readouterr().out


def test_threads_that_are_not_there_are_said(tmp_path, monkeypatch, capsys):
    make_trainer(tmp_path / "r", scheduler=None, epochs=1).fit()
    from groundup.training.device import describe_machine, report_other_machine

    was = describe_machine(torch.device("cpu")) | {"threads": 4096}
    threads.use_saved_threads(4096)
    report_other_machine(was, describe_machine(torch.device("cpu")))
    assert torch.get_num_threads() == 2
    assert "threads (4096, now 2)" in capsys.readouterr().out


def operations(function):
    with ThreadChoice() as choice:
        function()
    return choice.operations


def test_work_is_multiply_adds_and_elements():
    x, layer = torch.randn(50, 30), nn.Linear(30, 20)
    products = 2 * 50 * 30 * 20  # forward, and the weight's gradient
    assert products <= operations(lambda: layer(x).sum().backward()) <= 1.1 * products
    image, conv = torch.randn(2, 3, 16, 16), nn.Conv2d(3, 8, 3)
    products = 2 * 2 * 8 * 14 * 14 * 27
    assert products <= operations(lambda: conv(image).sum().backward()) <= 1.1 * products
    sequence, lstm = torch.randn(20, 8, 32), LSTM(32, 64)
    products = 20 * 8 * 4 * 64 * (32 + 64)
    assert 3 * products <= operations(lambda: lstm(sequence)[0].sum().backward()) <= 3.5 * products
    graph = torch.eye(1000).to_sparse()
    assert operations(lambda: graph @ torch.ones(1000, 4)) < 20_000  # not 1000 · 1000 · 4
    assert operations(lambda: torch.ones(100).add(1).view(10, 10).t()) == 200


def test_an_error_in_the_first_step_leaves_all_as_it_was(tmp_path):
    def failing(model, batch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make_trainer(tmp_path / "r", objective=failing).fit()
    assert torch.get_num_threads() == 2
    assert operations(lambda: None) == 0


def test_programs_without_a_trainer_have_one_thread(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--run-dir", str(tmp_path / "r")])
    command_line(Options, "x")
    assert torch.get_num_threads() == 2
    command_line(Options, "x", small_steps=True)
    assert torch.get_num_threads() == 1
    assert "one thread: the steps of this program are small" in capsys.readouterr().out


@pytest.mark.parametrize("given", [None, "active"])
def test_waiting_is_passive_unless_the_user_says_otherwise(given):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if given is None else {"OMP_WAIT_POLICY": given}
    code = """if True:
        import os, sys
        class Finder:
            def find_spec(name, path=None, target=None):
                if name == "torch":
                    print(os.environ.get("OMP_WAIT_POLICY"))
                    raise SystemExit
        sys.meta_path.insert(0, Finder)
        import groundup, torch
    """
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [given or "passive"]  # when torch is imported


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_import_groundup_before_torch(path):
    """PyTorch reads how to wait when it is first imported; other libraries import it."""
    known = [node for node in ast.parse(path.read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    rooms = [(getattr(node, "module", None) or node.names[0].name).split(".")[0] for node in known]
    assert next(room for room in rooms if room not in sys.stdlib_module_names) == "groundup"
