"""Two and four processes train as one does with the same batches, whole models or sharded ones."""

import json
import re
import shutil
import signal
import sys
import warnings
from pathlib import Path

import pytest
import torch
from many_processes import PLANNED, train, trainer
from safetensors.torch import load_file

import groundup.tools.plan
from groundup.models.transformer_networks import GPT2
from groundup.training import export, load_best
from groundup.training.checkpoint import Checkpoints, find_damage
from programs import ranks

SCRIPT = Path(__file__).with_name("many_processes.py")
MODELS = ("lenet", "gpt", "graph")
KINDS = ("ddp", "fsdp")
#: What two and four processes train in `make test`: LeNet-5, whose last batch leaves two of four with nothing, by both.
BY = {2: MODELS, 4: ("lenet",)}


class Crash(AssertionError):
    """A process died of SIGSEGV, which no Python of ours can cause."""


def processes(count, folder, plan):
    """Run `plan` in so many processes; every one must end well."""
    ended = ranks(count, SCRIPT, folder, json.dumps(plan))
    said = [one.stdout + one.stderr for one in ended]
    if -signal.SIGSEGV in [one.returncode for one in ended]:
        raise Crash("\n".join(said))
    assert [one.returncode for one in ended] == [0] * count, "\n".join(said)
    return said


def curve(run_dir):
    """Every number of the log, in order."""
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [{**line, **line.pop("evaluation", {})} for line in lines]


def assert_same_curve(ours, theirs, tolerance):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        assert one.keys() == other.keys()
        for key in one:
            assert one[key] == pytest.approx(other[key], rel=tolerance, abs=tolerance), key


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All runs. A process of theirs died of SIGSEGV once: should one again, its trace is shown, and they begin anew."""
    try:
        return all_runs(tmp_path_factory.mktemp("runs"))
    except Crash as crash:
        with warnings.catch_warnings():
            warnings.simplefilter("always")  # in pytest's summary, not an error
            warnings.warn(f"torch crashed: {crash}", stacklevel=1)
    return all_runs(tmp_path_factory.mktemp("runs"))


def all_runs(folder):
    """One, two and four processes, each through all that is compared below."""
    alone = {}
    for name in MODELS:
        alone[name] = train(name, folder / f"{name}-1")
    train("texts", folder / "texts-1", accumulate=4)
    train("texts_at_once", folder / "at-once-1", accumulate=1)
    train("gpt", folder / "float32-1", dtype="float32")
    train("gpt", folder / "bfloat16-1", dtype="float32", precision="bfloat16")
    said = {}
    for count in (2, 4):
        plan = [[name, f"{name}-{kind}-{count}", {"parallel": kind}] for name in BY[count] for kind in KINDS]
        for kind in KINDS:
            if count == 4:
                plan += [["gpt", f"{start}-{kind}", {"parallel": kind, "resume": True}] for start in ("moved", "nan")]
                continue
            plan.append(["gpt", f"float32-{kind}-2", {"parallel": kind, "dtype": "float32"}])
            for run in ("moved", "alone", "whole"):
                plan.append(["gpt", f"{run}-{kind}", {"parallel": kind, "epochs": 1}])
            plan.append(["gpt", f"background-{kind}", {"parallel": kind, "background_saves": True}])
            for fault in ("signal", "nan", "disk"):
                settings = {"parallel": kind, "fault": fault, "background_saves": fault == "disk"}
                plan.append(["gpt", f"{fault}-{kind}", settings])
            plan.append(["gpt", f"again-{kind}", {"parallel": kind, "recompute": True}])
            broken = {"fault": "compiler"} if kind == "ddp" else {}
            plan.append(["gpt", f"{'un' * bool(broken)}compiled-{kind}", {"parallel": kind, "compile": True} | broken])
            plan.append(["texts", f"texts-{kind}", {"parallel": kind, "accumulate": 4}])
            planned = {"dtype": "float32", "precision": "bfloat16", "epochs": 3, "save_every": 100, "measured": True}
            plan.append(["planned", f"planned-{kind}", {"parallel": kind} | planned])
            plan.append(["gpt", f"bfloat16-{kind}", {"parallel": kind, "dtype": "float32", "precision": "bfloat16"}])
            half = {"parallel": kind, "dtype": "float32", "half": True, "fault": "overflow", "scheduler": None}
            plan.append(["gpt", f"float16-{kind}", half])
            other = KINDS[1 - KINDS.index(kind)]
            plan.append(["gpt", f"signal-{kind}", {"parallel": kind, "resume": True}])
            plan.append(["gpt", f"whole-{kind}", {"parallel": other, "resume": True}])
        said[count] = processes(count, folder, plan)
    return folder, alone, said


@pytest.fixture(scope="module")
def more_runs(runs):
    """The folder of all runs, with those that take longest."""
    plan = [[name, f"{name}-{kind}-4", {"parallel": kind}] for name in MODELS if name not in BY[4] for kind in KINDS]
    plan += [["gpt", f"float32-{kind}-4", {"parallel": kind, "dtype": "float32"}] for kind in KINDS]
    processes(4, runs[0], plan)
    processes(2, runs[0], [["gpt", "compiled-ddp", {"parallel": "ddp", "compile": True}]])
    return runs[0]


def ended(folder, run, rank):
    return torch.load(folder / f"{run}-{rank}.pt")["ended"]


def assert_one_curve(runs, name, kind, count):
    """Unequal last batches, shares of nothing, accumulation, clipping and a schedule included."""
    folder, alone, _ = runs
    assert_same_curve(curve(folder / f"{name}-{kind}-{count}"), curve(folder / f"{name}-1"), 1e-9)
    for rank in range(count):
        saved = torch.load(folder / f"{name}-{kind}-{count}-{rank}.pt")
        assert saved["ended"] == ""
        for key, value in alone[name].items():
            torch.testing.assert_close(saved["weights"][key], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "count"), [(name, count) for count in BY for name in BY[count]])
@pytest.mark.parametrize("kind", KINDS)
def test_the_curve_of_one_process(runs, name, kind, count):
    assert_one_curve(runs, name, kind, count)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_curve_of_one_process_by_four(runs, more_runs, kind):
    for name in set(MODELS) - set(BY[4]):
        assert_one_curve(runs, name, kind, 4)
    assert_same_curve(curve(more_runs / f"float32-{kind}-4"), curve(more_runs / "float32-1"), 2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_to_rounding(runs, kind):
    folder = runs[0]
    assert_same_curve(curve(folder / f"float32-{kind}-2"), curve(folder / "float32-1"), 2e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", ["moved", "whole"])
def test_begun_by_two_and_ended_otherwise(runs, run, kind):
    """Resumed by four processes, or by two as the other kind, the curve goes on as if nothing had happened."""
    folder = runs[0]
    assert_same_curve(curve(folder / f"{run}-{kind}"), curve(folder / "gpt-1"), 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_begun_by_two_and_ended_by_one(runs, kind):
    folder, alone, _ = runs
    weights = train("gpt", folder / f"alone-{kind}", resume=True)
    assert_same_curve(curve(folder / f"alone-{kind}"), curve(folder / "gpt-1"), 1e-9)
    for key, value in alone["gpt"].items():
        torch.testing.assert_close(weights[key], value, rtol=1e-9, atol=1e-9)


def test_one_process_talks(runs):
    two, four = runs[2][2], runs[2][4]
    assert "resuming with another processes (2, now 4)" in four[0]
    assert not any("resuming" in words or "stopped and saved" in words for words in (*two[1:], *four[1:]))


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_computed_again_change_nothing(runs, kind):
    folder = runs[0]
    assert_same_curve(curve(folder / f"again-{kind}"), curve(folder / "gpt-1"), 1e-9)


@pytest.mark.parametrize("kind", ["fsdp", pytest.param("ddp", marks=pytest.mark.slow)])
def test_compiling_changes_nothing(request, runs, kind):
    """Whole models, or the blocks of sharded ones: forward and backward are compiled, in each process."""
    folder = request.getfixturevalue("more_runs") if kind == "ddp" else runs[0]
    assert_same_curve(curve(folder / f"compiled-{kind}"), curve(folder / "gpt-1"), 1e-9)
    graphs = [torch.load(folder / f"compiled-{kind}-{rank}.pt")["graphs"] for rank in range(2)]
    assert min(graphs) > 1, graphs  # the first is of a small function, to see whether there is a compiler
    assert torch.load(folder / f"gpt-{kind}-2-0.pt")["graphs"] == 0


def test_without_a_compiler_they_train_uncompiled(runs):
    folder, _, said = runs
    assert_same_curve(curve(folder / "uncompiled-ddp"), curve(folder / "gpt-1"), 1e-9)
    assert said[2][0].count("no C++ compiler here): training uncompiled") == 1
    assert "training uncompiled" not in said[2][1]


@pytest.mark.parametrize("run", ["texts-1", *(f"texts-{kind}" for kind in KINDS)])
def test_four_batches_of_padded_texts_are_one(runs, run):
    """Batches of other lengths in every process, counted in tokens, against 12 texts at once: 11 the second time."""
    folder = runs[0]
    assert_same_curve(curve(folder / run), curve(folder / "at-once-1"), 1e-9)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the kernel's count of bytes")
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_hold_and_send_what_was_planned(runs, kind):
    """To the byte what is held; what is sent to 1 %, which are the headers of gloo and some scalars.

    gloo has no reduce-scatter of its own: it reduces all, and sends what NCCL sends twice.
    """
    of_two = {"step_tokens": 2 * 4 * 16, "micro_batch": 2, "model": GPT2(**PLANNED, device="meta")}
    made = groundup.tools.plan.plan("gpt2", 2, kind, **of_two)
    expected = {name: getattr(made, name) for name in ("weights", "gradients", "optimizer")}
    twice = 2 / 2 * 4 * made.parameters if kind == "fsdp" else 0  # half of the gradients, after both batches
    for rank in range(2):
        found = torch.load(runs[0] / f"planned-{kind}-{rank}.pt")["measured"]
        assert found.pop("communication") == pytest.approx(made.communication + twice, rel=0.01)
        assert found == expected


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_keeps_float32_weights(runs, kind):
    """Eight bits of mantissa: 1 % of the loss; FSDP rounds weights where autocast does not, in the norms."""
    folder = runs[0]
    ours, theirs = ([line["loss"] for line in curve(folder / run)] for run in (f"bfloat16-{kind}", "bfloat16-1"))
    assert ours == pytest.approx(theirs, rel=1e-2)
    weights = torch.load(folder / f"bfloat16-{kind}-0.pt")["weights"]
    assert {value.dtype for value in weights.values()} == {torch.float32}
    halves = [value.bfloat16().float() for value in weights.values()]
    assert not all(torch.equal(half, value) for half, value in zip(halves, weights.values()))


@pytest.mark.parametrize("kind", KINDS)
def test_an_overflow_in_one_share_is_left_out_by_all(runs, kind):
    """float16: the step in which the last process alone has an infinite gradient is nobody's, and the scale halves."""
    folder = runs[0]
    one, other = (torch.load(folder / f"float16-{kind}-{rank}.pt") for rank in range(2))
    assert one["scale"] == other["scale"] == 2.0**9
    assert one["ended"] == other["ended"] == ""
    assert all(torch.equal(other["weights"][key], value) for key, value in one["weights"].items())
    norms = [line["grad_norm"] for line in curve(folder / f"float16-{kind}") if "grad_norm" in line]
    assert [norm is None for norm in norms] == [False, False, True, False]


# ---- checkpoints of shards


@pytest.mark.parametrize("kind", KINDS)
def test_saving_in_the_background_changes_nothing(runs, tmp_path, kind):
    folder, found = runs[0], []
    for run in (f"gpt-{kind}-2", f"background-{kind}"):
        export(folder / run, tmp_path / "model.safetensors")
        found.append(((folder / run / "metrics.jsonl").read_bytes(), (tmp_path / "model.safetensors").read_bytes()))
        assert Checkpoints(folder / run / "checkpoints").steps() == [2, 3, 4]  # the newest two, and the best
    assert found[0] == found[1]


def test_the_shards_are_one_file_when_asked(runs, tmp_path):
    folder, alone, _ = runs
    for run in ("gpt-fsdp-2", "gpt-ddp-2", "gpt-1"):
        export(folder / run, tmp_path / "model.safetensors")
        weights = load_file(tmp_path / "model.safetensors")
        assert weights.keys() == alone["gpt"].keys()
        for key, value in alone["gpt"].items():
            torch.testing.assert_close(weights[key], value, rtol=1e-9, atol=1e-9)


def test_the_best_of_a_sharded_run(runs):
    folder = runs[0]
    one, other = (trainer("gpt", folder / "unused").model for _ in range(2))
    best, expected = load_best(one, folder / "gpt-fsdp-2"), load_best(other, folder / "gpt-1")
    assert best == pytest.approx(expected, rel=1e-9)
    for ours, theirs in zip(one.parameters(), other.parameters()):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_a_damaged_shard_is_found(runs, tmp_path):
    folder = shutil.copytree(runs[0] / "gpt-fsdp-2" / "checkpoints", tmp_path / "checkpoints")
    checkpoints = Checkpoints(folder)
    newest = checkpoints.find_newest()
    for shard in (folder / f"step-{newest:06d}" / "shards").rglob("*.safetensors"):
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.write_bytes(content)
        assert f"{shard.name} does not match its checksum" in find_damage(folder / f"step-{newest:06d}")
        content[-1] ^= 1
        shard.write_bytes(content)
    assert find_damage(folder / f"step-{newest:06d}") is None
    shard.unlink()
    assert checkpoints.find_newest() == newest - 1


# ---- faults


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_to_one_stops_all_after_the_step(runs, kind):
    """The last process alone gets it; all save, and the run resumed ends to the bit as one left alone."""
    folder = runs[0]
    assert [ended(folder, f"signal-{kind}", rank) for rank in range(2)] == ["SystemExit: 143"] * 2
    assert "stopped and saved at step 3" in runs[2][2][0]
    resumed = (folder / f"signal-{kind}" / "metrics.jsonl").read_bytes()
    assert resumed == (folder / f"gpt-{kind}-2" / "metrics.jsonl").read_bytes()
    weights, whole = (
        torch.load(folder / f"{run}-0.pt")["weights"] for run in (f"signal-{kind}-resumed", f"gpt-{kind}-2")
    )
    assert all(torch.equal(weights[key], whole[key]) for key in whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_nan_in_one_share_stops_all_before_the_weights(runs, kind):
    """And the run goes on from the checkpoint before, with four processes."""
    folder = runs[0]
    for rank in range(2):
        assert ended(folder, f"nan-{kind}", rank).startswith("NonFiniteLoss: the loss is nan at step 3")
    assert_same_curve(curve(folder / f"nan-{kind}"), curve(folder / "gpt-1"), 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_ends_all_and_leaves_the_checkpoints_before(runs, kind):
    folder = runs[0]
    told = [ended(folder, f"disk-{kind}", rank) for rank in range(2)]
    assert re.match("CheckpointError: the checkpoint of step [23] could not be written.*No space left", told[0])
    assert told[1].partition(":")[0] in ("CheckpointError", "FailedElsewhere")
    checkpoints = Checkpoints(folder / f"disk-{kind}" / "checkpoints")
    assert checkpoints.steps() in ([1], [1, 2])  # the writer is a step behind, or not
    assert not list(checkpoints.folder.glob(".tmp-*"))
