"""The trainer: what a step computes, when it stops, and what it says about bad input."""

import json
import os
import signal
import sys
from functools import partial

import pytest
import torch
from torch import nn
from training_toy import Stream, evaluate, make_model, make_trainer, weights

from groundup.training import NonFiniteLoss, Trainer, load_best, make_objective
from groundup.training.device import choose_precision

cross_entropy = make_objective(nn.functional.cross_entropy)


def log_of(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


# ---- what a step computes


def test_accumulation_equals_the_large_batch(tmp_path):
    """Batches of 8, 9, 10, 11 and 12 samples, in windows of 3 and then 2, against their unions and the mean loss."""
    torch.set_default_dtype(torch.float64)
    try:
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        oracle = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        oracle.load_state_dict(model.state_dict())
        make_trainer(tmp_path / "r", model, scheduler=None, objective=cross_entropy, accumulate=3, clip_norm=None,
                     evaluate=None, epochs=2).fit()  # fmt: skip
        optimizer = torch.optim.SGD(oracle.parameters(), lr=0.1, momentum=0.9)
        stream = Stream()
        for epoch in range(2):
            stream.seek(epoch)
            batches = list(stream)
            for window in (batches[:3], batches[3:]):
                x, y = (torch.cat(parts) for parts in zip(*window))
                optimizer.zero_grad()
                nn.functional.cross_entropy(oracle(x), y).backward()
                optimizer.step()
        for ours, theirs in zip(model.parameters(), oracle.parameters()):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_count_on_the_device_is_as_good_as_an_int(tmp_path):
    def counted(model, batch):
        total, count = cross_entropy(model, batch)
        return total, torch.tensor(count)

    one, two = make_trainer(tmp_path / "a", objective=cross_entropy), make_trainer(tmp_path / "b", objective=counted)
    one.fit()
    two.fit()
    assert weights(one.model) == weights(two.model)


def test_the_gradient_is_clipped_before_the_step(tmp_path):
    model = nn.Linear(4, 2)
    before = [p.detach().clone() for p in model.parameters()]
    make_trainer(tmp_path / "r", model, lr=1.0, scheduler=None, clip_norm=1e-3, steps=1, evaluate=None).fit()
    moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before)]).norm()
    assert moved.item() == pytest.approx(1e-3, rel=1e-3)
    assert log_of(tmp_path / "r")[0]["grad_norm"] > 1e-2  # what is logged is the norm before clipping


def test_the_log_averages_over_units_since_its_last_line(tmp_path):
    seen = []

    def watched(model, batch):
        total, count = cross_entropy(model, batch)
        seen.append((total.item(), count))
        return total, count

    make_trainer(tmp_path / "r", objective=watched, evaluate=None, steps=5, accumulate=1, log_every=3).fit()
    first, second = log_of(tmp_path / "r")
    assert (first["step"], second["step"]) == (3, 5)
    for line, part in ((first, seen[:3]), (second, seen[3:])):
        assert line["loss"] == sum(t for t, _ in part) / sum(c for _, c in part)


def test_the_scheduler_steps_once_an_optimizer_step(tmp_path):
    make_trainer(tmp_path / "r", log_every=1, evaluate=None).fit()
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 9)
    expected = []
    for _ in range(9):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert [line["lr"] for line in log_of(tmp_path / "r")] == expected


def test_autocast_computes_in_bfloat16_and_keeps_float32_weights(tmp_path):
    seen = set()

    def watched(model, batch):
        x, y = batch
        out = model(x)
        seen.add(out.dtype)
        return nn.functional.cross_entropy(out, y, reduction="sum"), len(y)

    trainer = make_trainer(tmp_path / "r", objective=watched, precision="bfloat16")
    result = trainer.fit()
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    assert result.steps == 9


def test_evaluation_is_in_eval_mode_without_gradients(tmp_path):
    modes = []

    def watched(model):
        modes.append((model.training, torch.is_grad_enabled()))
        return {"accuracy": 1.0}

    trainer = make_trainer(tmp_path / "r", evaluate=watched)
    trainer.fit()
    assert modes == [(False, False)] * 3
    assert trainer.model.training


def test_intervals_count_steps(tmp_path):
    make_trainer(tmp_path / "r", steps=7, evaluate_every=2, log_every=None).fit()
    log = log_of(tmp_path / "r")
    assert [line["step"] for line in log if "evaluation" in line] == [2, 4, 6, 7]  # and at the end
    assert [line["step"] for line in log if "loss" in line] == [3, 6, 7]  # None: where epochs end
    assert [line["epoch"] for line in log if "loss" in line] == [1, 2, 3]


# ---- when it stops


def test_result_and_files(tmp_path, pictures):
    result = make_trainer(tmp_path / "r").fit()
    assert (result.steps, result.epochs, result.units) == (9, 3, 3 * (8 + 9 + 10 + 11 + 12))
    assert result.best["accuracy"] >= result.final["accuracy"]
    assert not result.stopped_early
    for name in ("config.json", "metrics.jsonl", "curves.png", "checkpoints/step-000009/model.safetensors"):
        assert (tmp_path / "r" / name).stat().st_size > 0
    saved = json.loads((tmp_path / "r" / "config.json").read_text())
    assert saved["config"] == {"lr": 0.1}
    assert saved["trainer"]["accumulate"] == 2


def scripted(values):
    """An evaluation that returns one value after the other."""
    remaining = iter(values)
    return lambda model: {"accuracy": next(remaining)}


def test_early_stop_after_patience(tmp_path):
    trainer = make_trainer(tmp_path / "r", epochs=9, patience=2, evaluate=scripted([0.5, 0.7, 0.7, float("nan"), 0.9]))
    result = trainer.fit()
    assert result.stopped_early
    assert (result.epochs, result.best_step, result.best) == (4, 6, {"accuracy": 0.7})  # a tie is no improvement
    again = make_trainer(tmp_path / "r", epochs=9, patience=2).fit(resume=True)
    assert again.steps == 12


def test_the_best_weights_are_kept_and_restored(tmp_path):
    at_best = {}
    values = iter([0.1, 0.9, 0.3, 0.2, 0.1])

    def judge(model):
        value = next(values)
        if value == 0.9:
            at_best.update(weights(model))
        return {"error": -value}

    trainer = make_trainer(tmp_path / "r", evaluate=judge, monitor="error", mode="min", epochs=5, keep=1)
    result = trainer.fit()
    assert result.best_step == 6
    assert sorted(p.name for p in (tmp_path / "r" / "checkpoints").iterdir()) == ["step-000006", "step-000015"]
    model = make_model()
    assert load_best(model, tmp_path / "r") == {"error": -0.9}
    assert weights(model) == at_best != weights(trainer.model)


def test_a_finished_run_says_so_and_returns_its_result(tmp_path, capsys):
    first = make_trainer(tmp_path / "r").fit()
    trainer = make_trainer(tmp_path / "r", objective=lambda model, batch: pytest.fail("it trained"))
    capsys.readouterr()
    again = trainer.fit(resume=True)
    assert "finished before" in capsys.readouterr().out
    assert again == first


def test_more_epochs_go_on_from_a_finished_run(tmp_path):
    make_trainer(tmp_path / "r", scheduler=None, epochs=2).fit()
    longer = make_trainer(tmp_path / "r", scheduler=None, epochs=4)
    assert longer.fit(resume=True).steps == 12
    whole = make_trainer(tmp_path / "whole", scheduler=None, epochs=4)
    whole.fit()
    assert weights(longer.model) == weights(whole.model)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_leaves_and_nothing_is_lost(tmp_path, capsys, number):
    whole = make_trainer(tmp_path / "whole")
    whole.fit()
    trainer = make_trainer(tmp_path / "r", save_every=100)
    original, calls = trainer.objective, []

    def interrupting(model, batch):
        calls.append(None)
        if len(calls) == 6:  # in the middle of the fourth step
            os.kill(os.getpid(), number)
        return original(model, batch)

    trainer.objective = interrupting
    handler = signal.getsignal(number)
    with pytest.raises(SystemExit) as leaving:
        trainer.fit()
    assert leaving.value.code == 128 + number
    assert signal.getsignal(number) is handler
    assert "saved at step 4; go on with --resume, or fit(resume=True)" in capsys.readouterr().out
    resumed = make_trainer(tmp_path / "r", save_every=100)
    resumed.fit(resume=True)
    assert weights(resumed.model) == weights(whole.model)
    assert (tmp_path / "r" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_resuming_nothing_starts_and_says_so(tmp_path, capsys):
    make_trainer(tmp_path / "r").fit(resume=True)
    assert "holds no run to resume" in capsys.readouterr().out


# ---- what can go wrong


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_nan_stops_before_the_weights_and_keeps_the_checkpoint(tmp_path, where):
    trainer = make_trainer(tmp_path / "r", objective=cross_entropy, save_every=1)
    calls, last = [], {}

    def poisoned(model, batch):
        total, count = cross_entropy(model, batch)
        calls.append(None)
        if len(calls) == 8:  # in the fifth step
            last.update({name: p.detach().clone() for name, p in model.named_parameters()})
            if where == "loss":
                return total * float("nan"), count
            total.register_hook(lambda gradient: gradient * float("inf"))
        return total, count

    trainer.objective = poisoned
    with pytest.raises(NonFiniteLoss, match=r"at step 5 \(epoch 2, lr 0\.0\d+\).*step-000004") as failure:
        trainer.fit()
    assert isinstance(failure.value, ArithmeticError)
    for name, parameter in trainer.model.named_parameters():
        assert torch.equal(parameter, last[name])
    assert (tmp_path / "r" / "checkpoints" / "step-000004" / "model.safetensors").exists()
    assert "NaN" not in (tmp_path / "r" / "metrics.jsonl").read_text()
    assert make_trainer(tmp_path / "r", objective=cross_entropy, save_every=1).fit(resume=True).steps == 9


def test_nan_before_any_checkpoint(tmp_path):
    trainer = make_trainer(tmp_path / "r", objective=lambda m, b: (m(b[0]).sum() * float("inf"), 1))
    with pytest.raises(NonFiniteLoss, match=r"at step 1 .*no checkpoint was saved"):
        trainer.fit()


def test_another_configuration_is_named_key_by_key(tmp_path):
    make_trainer(tmp_path / "r").fit()
    with pytest.raises(ValueError, match=r"config\.lr: saved 0\.1, given 0\.2; trainer\.accumulate: saved 2, given 1"):
        make_trainer(tmp_path / "r", lr=0.2, accumulate=1).fit(resume=True)


def test_another_amount_of_data_is_another_configuration(tmp_path):
    make_trainer(tmp_path / "r").fit()
    with pytest.raises(ValueError, match="batches_per_epoch: saved 5, given 6"):
        make_trainer(tmp_path / "r", length=6).fit(resume=True)


def test_a_missing_monitor_names_what_there_is(tmp_path):
    with pytest.raises(ValueError, match="monitor='f1' is not among what evaluate returned: accuracy"):
        make_trainer(tmp_path / "r", monitor="f1").fit()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1, "steps": 1}, "epochs or steps"),
        ({"epochs": None}, "epochs or steps"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"accumulate": 0}, "accumulate must be at least 1"),
        ({"clip_norm": 0.0}, "clip_norm must be positive"),
        ({"log_every": 0}, "log_every must be at least 1"),
        ({"save_every": -1}, "save_every must be at least 1"),
        ({"keep": 0}, "keep must be at least 1"),
        ({"mode": "best"}, "mode must be one of 'max', 'min'"),
        ({"precision": "int8"}, "precision must be one of"),
        ({"patience": 1, "evaluate": None}, "give evaluate"),
        ({"length": 0}, "train has no batches"),
    ],
)
def test_bad_settings(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(tmp_path / "r", **changes)
    assert not (tmp_path / "r").exists()


def test_a_loader_that_cannot_seek_is_refused(tmp_path, untyped):
    model = make_model()
    with pytest.raises(TypeError, match=r"train must have .*list lacks seek; wrap the data in groundup\.data\.Loader"):
        Trainer(model, torch.optim.SGD(model.parameters(), 0.1), cross_entropy, [1], epochs=1, run_dir=tmp_path / "r")


def test_an_objective_must_sum_and_count(tmp_path):
    with pytest.raises(ValueError, match=r"summed to a scalar, got \(8,\)"):
        make_trainer(tmp_path / "a", objective=lambda m, b: (m(b[0]).sum(1), 8)).fit()
    with pytest.raises(ValueError, match="counted no units in step 1"):
        make_trainer(tmp_path / "b", objective=lambda m, b: (m(b[0]).sum(), 0)).fit()


# ---- what a machine may lack


def test_without_tensorboard_and_matplotlib_it_trains(tmp_path, pictures, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert make_trainer(tmp_path / "r").fit().steps == 9
    assert "no curves.png: pictures need matplotlib: pip install 'groundup[plots]'" in capsys.readouterr().out
    assert not (tmp_path / "r" / "tensorboard").exists()


def test_float16_without_a_gpu_becomes_bfloat16(tmp_path, capsys):
    trainer = make_trainer(tmp_path / "r", precision="float16")
    assert trainer.precision is torch.bfloat16
    assert "float16 training needs a CUDA device, not cpu: computing in bfloat16" in capsys.readouterr().out


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_processor_slow_at_bfloat16_says_so(monkeypatch, capsys, precision, wide, machine):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": machine, "avx512_bw": wide})
    choose_precision(precision, torch.device("cpu"))
    slow = machine == "x86_64" and not wide and precision != "float32"
    assert ("many times as long as float32" in capsys.readouterr().out) == slow


def test_without_a_compiler_it_trains_uncompiled(tmp_path, monkeypatch, capsys):
    def broken(function):
        raise RuntimeError("no C++ compiler found\nand a long trace")

    monkeypatch.setattr(torch, "compile", broken)
    assert make_trainer(tmp_path / "r", compile=True).fit().steps == 9
    assert "torch.compile does not work here (no C++ compiler found): training uncompiled" in capsys.readouterr().out


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_training_equals_eager(tmp_path, untyped, monkeypatch, backend):
    seen = []
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))

    def watched(model, batch):
        seen.append(type(model).__name__)
        return cross_entropy(model, batch)

    one = make_trainer(tmp_path / "a", nn.Linear(4, 2), objective=watched, compile=True, evaluate=evaluate, epochs=1)
    other = nn.Linear(4, 2)
    other.load_state_dict(one.model.state_dict())
    one.fit()
    two = make_trainer(tmp_path / "b", other, objective=cross_entropy, evaluate=evaluate, epochs=1)
    two.fit()
    assert set(seen) == {"OptimizedModule"}
    for ours, theirs in zip(one.model.parameters(), two.model.parameters()):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_on_a_gpu(tmp_path, precision):
    model = make_model()
    trainer = make_trainer(tmp_path / "r", model, device="cuda", precision=precision)
    assert trainer.fit().steps == 9
    assert {p.device.type for p in model.parameters()} == {"cuda"}


def test_float16_leaves_out_a_step_that_overflows_and_resumes_with_its_scale(tmp_path):
    """What runs on a GPU, tried on the CPU: the scaler is put in by hand."""

    def half(run_dir, epochs):
        trainer = make_trainer(run_dir, scheduler=None, epochs=epochs, log_every=1)
        trainer.precision, trainer.scaler = torch.float16, torch.amp.GradScaler("cpu", init_scale=2.0**12)
        return trainer

    whole = half(tmp_path / "a", 3)
    original, calls, weight = whole.objective, [], whole.model[0].weight

    def overflowing(model, batch):
        total, count = original(model, batch)
        calls.append(weight.detach().clone())
        if len(calls) == 3:  # the first batch of the second step
            total.register_hook(lambda gradient: gradient * float("inf"))
        return total, count

    whole.objective = overflowing
    assert whole.fit().steps == 9
    assert torch.equal(calls[4], calls[2])  # the second step left the weights as they were
    assert not torch.equal(calls[5], calls[4])
    assert whole.scaler.get_scale() == 2.0**11
    assert [line["grad_norm"] for line in log_of(tmp_path / "a") if "loss" in line].index(None) == 1

    one, other = half(tmp_path / "b", 3), half(tmp_path / "c", 3)
    one.fit()
    half(tmp_path / "c", 1).fit()
    other.fit(resume=True)
    assert weights(one.model) == weights(other.model)


def test_the_schedule_waits_where_a_step_is_left_out(tmp_path):
    """PyTorch's rule: a scheduler steps when its optimizer did."""

    def infinite_once(model, batch):
        total, count = cross_entropy(model, batch)
        calls.append(None)
        if len(calls) == 3:  # the first batch of the second step
            total.register_hook(lambda gradient: gradient * float("inf"))
        return total, count

    calls = []
    trainer = make_trainer(tmp_path / "r", objective=infinite_once, log_every=1)
    trainer.precision, trainer.scaler = torch.float16, torch.amp.GradScaler("cpu", init_scale=2.0**12)
    assert trainer.fit().steps == 9
    assert trainer.scheduler.last_epoch == 8


def test_float16_with_gradients_that_stay_infinite_ends(tmp_path):
    def infinite(model, batch):
        total, count = cross_entropy(model, batch)
        total.register_hook(lambda gradient: gradient * float("inf"))
        return total, count

    trainer = make_trainer(tmp_path / "r", objective=infinite, scheduler=None, epochs=100)
    trainer.precision, trainer.scaler = torch.float16, torch.amp.GradScaler("cpu", init_scale=2.0**4)
    with pytest.raises(NonFiniteLoss, match=r"gradient's norm is (inf|nan).*at step 29 "):
        trainer.fit()
