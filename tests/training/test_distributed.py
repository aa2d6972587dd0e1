"""Two and four processes train as one does with the same batches, whole models or sharded ones."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from many_processes import train

SCRIPT = Path(__file__).with_name("many_processes.py")
MODELS = ("lenet", "gpt", "graph")
KINDS = ("ddp", "fsdp")


def processes(count, folder, plan):
    """Run `plan` in so many processes; every one must end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, str(SCRIPT), str(folder), json.dumps(plan)]
    started = [
        subprocess.Popen(
            command, env=env | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * count, "\n".join(said)
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
    """One, two and four processes, each through all that is compared below."""
    folder = tmp_path_factory.mktemp("runs")
    alone = {}
    for name in MODELS:
        alone[name] = train(name, folder / f"{name}-1")
    train("gpt", folder / "float32-1", dtype="float32")
    said = {}
    for count in (2, 4):
        plan = [[name, f"{name}-{kind}-{count}", {"parallel": kind}] for name in MODELS for kind in KINDS]
        for kind in KINDS:
            plan.append(["gpt", f"float32-{kind}-{count}", {"parallel": kind, "dtype": "float32"}])
            if count == 2:
                plan.append(["gpt", f"moved-{kind}", {"parallel": kind, "epochs": 1}])
                plan.append(["gpt", f"back-{kind}", {"parallel": kind, "epochs": 1, "background_saves": True}])
        if count == 4:
            plan += [["gpt", f"moved-{kind}", {"parallel": kind, "resume": True}] for kind in KINDS]
        said[count] = processes(count, folder, plan)
    return folder, alone, said


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_the_curve_of_one_process(runs, name, kind, count):
    """Unequal last batches, shares of nothing, accumulation, clipping and a schedule included."""
    folder, alone, _ = runs
    assert_same_curve(curve(folder / f"{name}-{kind}-{count}"), curve(folder / f"{name}-1"), 1e-9)
    for rank in range(count):
        weights = torch.load(folder / f"{name}-{kind}-{count}-{rank}.pt")
        for key, value in alone[name].items():
            torch.testing.assert_close(weights[key], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_float32_to_rounding(runs, kind, count):
    folder = runs[0]
    assert_same_curve(curve(folder / f"float32-{kind}-{count}"), curve(folder / "float32-1"), 2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_begun_by_two_and_ended_by_four(runs, kind):
    """Resumed by another number of processes, the curve goes on as if nothing had happened."""
    folder = runs[0]
    assert_same_curve(curve(folder / f"moved-{kind}"), curve(folder / "gpt-1"), 1e-9)


def test_one_process_talks(runs):
    for said in runs[2].values():
        assert "resuming with another processes (2, now 4)" in "".join(said) or len(said) == 2
        assert not any("resuming" in words for words in said[1:])
