"""The benchmark harness: it writes what it measured, refuses to compare two different functions, counts every byte."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import decoding, harness, memory, report, saving, timing
from benchmarks.__main__ import main
from rows import registry as rows
from rows import units
from rows.benchmark import Benchmark, drop_in, same_values
from rows.optimizers import NETWORKS, RULES, step

CPU = torch.device("cpu")
LINEAR = drop_in("linear", "Linear 3 → 2", lambda m: m.Linear(3, 2), (4, 3))
NORM = drop_in("normalization", "BatchNorm2d", lambda m: m.BatchNorm2d(2), (4, 2, 3, 3))
[RULE] = [rule for rule in RULES if rule.name == "Adam"]
ADAM = step(RULE, "LeNet-5", True, lr=1e-3)
ADAM_OF_OTHER_MEMORY = step(RULE, "LeNet-5", True, lr=1e-3, betas=(0.9, 0.9))
TABLE = [LINEAR, NORM]


def apply(module, x):
    return lambda: units.Apply(module(), lambda: [torch.randn(x)], backward=True)


# --- fairness ---------------------------------------------------------------------------------------------------


class DoubledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


class WrongGradient(nn.Linear):
    def forward(self, x):
        return super().forward(DoubledGradient.apply(x))


@pytest.mark.parametrize(
    ("row", "difference"),
    [
        (replace(LINEAR, peer=apply(lambda: nn.Linear(3, 2, bias=False), (4, 3))), "result"),
        (replace(LINEAR, peer=apply(lambda: nn.Linear(3, 3), (4, 3))), "shape|is torch.float32"),
        (replace(LINEAR, peer=apply(lambda: WrongGradient(3, 2), (4, 3))), "result 1 differs"),
        (replace(NORM, peer=apply(lambda: nn.BatchNorm2d(2, eps=0.1), (4, 2, 3, 3))), "result 0 differs"),
        (replace(NORM, peer=apply(lambda: nn.BatchNorm2d(2, momentum=0.2), (4, 2, 3, 3))), "result 4 differs"),
        (replace(ADAM, peer=step(RULE, "LeNet-5", True, lr=2e-3).peer), "result 0 differs"),
        (replace(ADAM, peer=ADAM_OF_OTHER_MEMORY.peer), "result 0 differs"),
    ],
    ids=["no bias", "shape", "gradient", "eps", "buffer", "learning rate", "second step"],
)
def test_two_different_functions_are_refused(row, difference):
    with pytest.raises(harness.Unequal, match=difference):
        harness.measure(row, CPU, timing.QUICK)


def test_the_memory_order_of_a_result_makes_no_difference():
    def side(function):
        return lambda: units.Apply(function, lambda: [torch.randn(2, 3)], backward=True)

    row = Benchmark("layout", "identity", "", "", "", side(lambda x: (2 * x.mT.contiguous()).mT), side(lambda x: 2 * x))
    harness.measure(row, CPU, timing.QUICK)


def test_nan_is_no_agreement():
    nan, one = torch.tensor([float("nan")]), torch.ones(1)
    assert same_values([one], [one.clone()], 0.0) is None
    assert same_values([nan], [nan], 1.0) is not None
    assert same_values([one], [nan], 1.0) is not None


def test_a_definition_that_strays_is_refused(monkeypatch):
    """Every variant is checked, not the default alone."""
    from groundup import functional
    from groundup.backend import current_backend

    def astray(x, dim):
        return functional.softmax(x, dim) * (2.0 if current_backend() == "reference" else 1.0)

    def side(function):
        return lambda: units.Apply(lambda x: function(x, -1), lambda: [torch.randn(2, 3)], backward=True)

    row = Benchmark("softmax", "softmax", "", "", "", side(astray), side(torch.softmax))
    with pytest.raises(harness.Unequal, match=r"\(reference\)"):
        harness.measure(row, CPU, timing.QUICK)


def test_rows_are_told_apart_and_found_by_family_and_name():
    keys = [row.key for row in rows.BENCHMARKS]
    assert len(set(keys)) == len(keys)
    for row in rows.BENCHMARKS:
        assert row.matches([])
        assert row.matches(["no such row", row.family.upper()])
        assert row.matches([row.name[:4].lower()])
        assert not row.matches(["no such row"])


def test_resnet50_has_its_published_number_of_parameters():
    assert sum(torch.Size(shape).numel() for shape in NETWORKS["ResNet-50"]) == 25_557_032


# --- memory -----------------------------------------------------------------------------------------------------


def test_peak_memory_is_exact():
    def build():
        kept = torch.empty(1000)  # 4,000 bytes that stay

        def run():
            a = torch.empty(500)  #                            + 2,000
            b = torch.empty(250, dtype=torch.float64)  #       + 2,000: the peak
            del a
            c = torch.empty(300)  #                            - 2,000 + 1,200
            return kept, b, c

        return run

    assert memory.peak_bytes(build, CPU) == 4000 + 2000 + 2000


def test_memory_inside_kernels_and_of_first_runs_is_counted():
    def build():
        x, state = torch.empty(100), []

        def run():
            if not state:
                state.append(torch.zeros_like(x))  # made once: 400 bytes that stay
            torch._foreach_add_(state, 1.0)
            return (x + 1) * 2  # the sum lives until the product is done: 800

        return run

    peak = memory.peak_bytes(build, CPU)
    assert 400 + 400 + 800 <= peak <= 400 + 400 + 800 + 64  # the numbers 1 and 2 become tensors of a few bytes


# --- statistics -------------------------------------------------------------------------------------------------


def test_the_interval_holds_the_median_as_tables_of_the_binomial_say():
    assert timing.median_interval([1.0]) == (1.0, 1.0)
    assert timing.median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) == (1.0, 5.0)
    assert timing.median_interval([float(i) for i in range(1, 12)]) == (2.0, 10.0)
    assert timing.median_interval([float(i) for i in range(1, 26)]) == (8.0, 18.0)


def test_ratios_are_taken_within_a_round():
    """A machine that slows down tenfold between rounds changes no ratio."""
    assert timing.ratio([1.0, 10.0, 100.0], [2.0, 20.0, 200.0]) == timing.Ratio(0.5, 0.5, 0.5, 3)


def test_rounds_interleave_and_a_slow_definition_does_not_starve_the_headline():
    now, order = [0.0], []

    def sample(name, seconds):
        def take():
            order.append(name)
            now[0] += seconds
            return seconds

        return take

    settings = timing.Settings(seconds=40.0, min_rounds=4, max_rounds=20)
    pair = sample("ours", 0.5), sample("peer", 0.5)
    times = timing.interleave(pair, [sample("definition", 5.0)], settings, clock=lambda: now[0])
    assert order[:6] == ["definition", "ours", "peer", "definition", "peer", "ours"]
    assert [len(samples) for samples in times] == [20, 20, 3]


# --- the command ------------------------------------------------------------------------------------------------


def test_a_run_writes_its_results_and_a_partial_one_keeps_the_rest(tmp_path, capsys):
    assert main(["--quick", "--out", str(tmp_path)], TABLE) == 0
    first = json.loads((tmp_path / "results.json").read_text())
    assert [set(m["rows"]) for m in first] == [{LINEAR.key, NORM.key}]
    row = first[0]["rows"][LINEAR.key]
    assert row["default"]["low"] <= row["default"]["median"] <= row["default"]["high"]
    assert row["peer_seconds"] > 0
    assert row["our_bytes"] == row["peer_bytes"] > 4 * (4 * 3 + 2 * 3 + 2)

    assert main(["--quick", "linear", "--out", str(tmp_path)], TABLE) == 0
    second = json.loads((tmp_path / "results.json").read_text())
    assert second[0]["rows"][NORM.key] == first[0]["rows"][NORM.key]
    assert second[0]["rows"][LINEAR.key] != row

    page = (tmp_path / "results.md").read_text()
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(TABLE)
    assert {line.count("|") for line in table} == {len(report.COLUMNS) + 1}
    assert torch.__version__ in page
    assert str(Path.home()) not in page
    assert "[ 1/2]" in capsys.readouterr().out


def test_rows_that_are_no_more_are_dropped_and_other_machines_kept(tmp_path):
    here, elsewhere = {"processor": "this one"}, {"processor": "another"}
    result = harness.measure(LINEAR, CPU, timing.QUICK)
    report.save(tmp_path, elsewhere, [result], TABLE)
    report.save(tmp_path, here, [result, replace(result, name="Linear of old")], TABLE)
    machines = report.load(tmp_path / "results.json")
    assert [m["machine"] for m in machines] == [elsewhere, here]
    assert [list(m["rows"]) for m in machines] == [[LINEAR.key], [LINEAR.key]]


def test_a_row_over_its_limit_says_why_and_others_do_not(tmp_path):
    result = harness.measure(LINEAR, CPU, timing.QUICK)
    table = [replace(LINEAR, why="a cause")]
    for limit, said in ((0.0, True), (1e9, False)):
        report.save(tmp_path, {"processor": "P"}, [replace(result, limit=limit)], table)
        assert (": a cause" in (tmp_path / "results.md").read_text()) is said


def test_losses_are_marked_and_come_first():
    def row(name, median, low, high):
        default = {"median": median, "low": low, "high": high, "rounds": 9}
        return {
            "name": name,
            **dict.fromkeys(("family", "size", "work", "against"), "x"),
            "limit": 1.05,
            **dict.fromkeys(("default", "reference"), default),
            "compiled": None,
            "not_compiled": "a reason",
            "peer_seconds": 0.002,
            "our_bytes": 3,
            "peer_bytes": 2,
            "date": "2025-01-01",
        }

    rows = [
        row("win", 0.8, 0.7, 0.9),
        row("P(h | v)", 1.2, 1.1, 1.3),
        row("noise", 1.1, 1, 1.3),
        row("even", 1, 0.9, 2),
    ]
    assert [report.verdict(r) for r in rows] == ["ahead", "**over**", "*over?*", ""]
    page = report.markdown([{"machine": {"processor": "P"}, "rows": {r["name"]: r for r in rows}}])
    assert [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")][1:] == [
        r"| P(h \| v)",
        "| noise",
        "| even",
        "| win",
    ]
    assert "a reason" in page
    assert "4 rows, 1 over" in page
    assert [report.memory(r) for r in (rows[0], {**rows[0], "peer_bytes": 0})] == ["1.50", "–"]


def test_saving_stands_below_the_rows(tmp_path):
    """Delays of the median and of the longest, in parts of the median without a checkpoint."""
    steps = {"usual": [1.0, 2.0, 3.0, 2.0], "with_checkpoint": [1.5, 3.5, 2.1]}
    row = {"who": "P", "limit": "+10%", "copies": [0.25]} | steps
    measured = {"what": "a model", "machine": {"processor": "Q"}, "date": "2025-01-01", "rows": [row]}
    (tmp_path / "saving.json").write_text(json.dumps(measured))
    report.save(tmp_path, {"processor": "Q"}, [], TABLE)
    page = (tmp_path / "results.md").read_text()
    assert "| P | 4 | 2 s | 3 s | 3 | 2.1 s | 3.5 s | +5% | +25% | +10% | 250 ms |" in page


@pytest.mark.parametrize("missing", ["usual", "with_checkpoint", "copies"])
def test_a_machine_that_saves_at_once_or_never_ends_has_dashes(missing):
    """How many steps there are beside a checkpoint is the machine's doing: there may be none, or no others."""
    row = {"who": "P", "limit": "+10%", "usual": [1.0], "with_checkpoint": [1.5], "copies": [0.25]} | {missing: []}
    measured = {"what": "a model", "machine": {"processor": "Q"}, "date": "2025-01-01", "rows": [row]}
    (line,) = [line for line in report.saving_markdown(measured).splitlines() if line.startswith("| P |")]
    assert line.count("|") == 12
    assert "–" in line


def test_decoding_is_held_to_the_bandwidth():
    measured = {"what": "a model", "machine": {"processor": "Q"}, "date": "2025-01-01", "ceiling": 2e9}
    page = report.decoding_markdown({**measured, "rows": [{"batch": 8, "step": 0.5, "bytes": 5e8}]})
    assert "| 8 | 500 ms | 16 | 500 MB | 1.0 | 50% |" in page


def test_what_is_measured_beside_the_rows_runs_in_miniature(tmp_path, monkeypatch):
    small = "saving --small --steps 19 --batch 1 --context 16 --out"
    monkeypatch.setattr("sys.argv", [*small.split(), str(tmp_path)])
    saving.main()
    monkeypatch.setattr(decoding, "SMALL_LLAMA", {"embed_dim": 16, "num_layers": 1, "num_heads": 2, "context": 128})
    monkeypatch.setattr(decoding, "ceiling", lambda: 1e9)
    monkeypatch.setattr("sys.argv", ["decoding", "--tokens", "2", "--out", str(tmp_path)])
    decoding.main()
    page = (tmp_path / "results.md").read_text()
    assert "| in the background |" in page
    assert "reads 1.0 GB/s" in page


def test_a_missing_compiler_costs_one_column_and_is_said(monkeypatch):
    class InvalidCompiler(RuntimeError):
        pass

    def no_compiler(unit):
        raise RuntimeError("wrapped") from InvalidCompiler("none found")

    monkeypatch.setattr(units.Apply, "compile", no_compiler)
    result = harness.measure(LINEAR, CPU, replace(timing.QUICK, compiled=True))
    assert result.compiled is None
    assert result.not_compiled == "torch.compile raised InvalidCompiler"


def test_a_refused_row_fails_the_command_but_not_the_others(tmp_path, capsys):
    unequal = replace(NORM, peer=apply(lambda: nn.BatchNorm2d(2, eps=0.1), (4, 2, 3, 3)))
    assert main(["--quick", "--out", str(tmp_path)], [unequal, LINEAR]) == 1
    assert "refused" in capsys.readouterr().out
    assert list(report.load(tmp_path / "results.json")[0]["rows"]) == [LINEAR.key]


def test_a_word_that_no_row_has_names_the_families(capsys):
    assert main(["nonsense"]) == 2
    assert "convolution" in capsys.readouterr().out


def test_results_of_something_else_are_not_overwritten(tmp_path):
    (tmp_path / "results.json").write_text('{"something": "else"}')
    with pytest.raises(ValueError, match="move it away"):
        report.load(tmp_path / "results.json")
