"""The table of examples, the targets, and the runs that measure them: an interrupted run continues."""

import importlib
import json

import pytest

results, targets = importlib.import_module("tools.results"), importlib.import_module("tools.targets")

ROWS = results.read_rows()


def test_the_table_names_an_example_once():
    rows = results.markdown().splitlines()[2:]
    assert len(rows) == len(ROWS)
    assert sum(row.startswith("| [") for row in rows) == len({row["example"] for row in ROWS})


def test_a_target_is_met_missed_or_not_measured():
    row = {"target": {"says": "at least 2", "find": r"([\d.]+) %", "least": 2}}
    said = ["3.5 % (seed 0)", "1.9 %", "not measured yet"]
    found = [targets.compare_example(row, text) for text in said]
    assert [cells[1:] for cells in found] == [["3.5", "met"], ["1.9", "**missed**"], ["–", "not measured"]]
    assert targets.count(found) == "3 targets: 1 met, 1 missed, 1 not measured yet."


def test_every_target_finds_its_number_where_there_is_one():
    measured = [row for row in ROWS if "target" in row and results.UNKNOWN not in results.cells(row)[3]]
    assert len(measured) > 10
    for row in measured:
        assert targets.compare_example(row, results.cells(row)[3])[-1] != "not measured", row["command"]


def test_a_row_of_the_bench_is_held_to_its_limits():
    row = {"name": "fixed sparse", "size": "s", "work": "w", "against": "softmax(QKᵀ)V, masked"}
    row |= {"default": {"median": 1.1}, "limit": 1.0, "our_bytes": 24, "peer_bytes": 100}
    ahead = row | {"name": "other", "default": {"median": 0.6}}
    verdicts = [cells[-1] for cells in targets.compare_benchmarks({"rows": {"one": row, "two": ahead}})]
    assert verdicts == ["met", "**missed**", "met", "met"]  # the median of all first


def test_saving_is_held_to_a_tenth_by_median_and_by_longest():
    usual = {"who": "in the background", "usual": [10.0, 10.0, 12.0]}
    for *beside, met in ((10.0, 10.5, 12.9, True), (10.0, 10.5, 13.1, False), (11.1, 11.1, False)):
        measured = {"what": "a model", "rows": [{"who": "training waits"}, usual | {"with_checkpoint": beside}]}
        [row] = targets.compare_checkpointing(measured)
        assert row[-1] == ("met" if met else "**missed**"), beside


def test_what_runs_printed_takes_precedence():
    runs = {"0": {"said": "accuracy 1 %", "seconds": 3, "gib": 0.5}}
    row = {"example": "a/b.py", "command": "`--c 1`", "data": "d", "result": "r", "time": "t", "paper": "p"}
    assert results.cells(row)[3:5] == ["r", "t"]
    assert results.cells(row | {"measured": runs})[3:5] == ["accuracy 1 % (seed 0)", "3 s, 0.50 GiB"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("x\ntest accuracy 99.44 % · expected 98.5-100\n", "test accuracy 99.44 %"),
        ("plain   70.19 %, with 89.97 %\nexpected   plain 68-76 %\n", "plain 70.19 %, with 89.97 %"),
        ("a 1 · expected 2\nb  3 · expected 4", "a 1; b 3"),
        ("nothing", ""),
    ],
)
def test_what_is_said_is_what_stands_beside_the_expected(output, expected):
    assert results.find_result(output) == expected


def test_seeds_are_merged_number_by_number():
    texts = ["error 2.50, of 1,000 tests 97.5 %", "error 3.50, of 1,000 tests 98.4 %"]
    assert results.merge_seeds(texts) == "error 3.00 (2.50-3.50), of 1,000 tests 98.0 (97.5-98.4) %"
    assert results.merge_seeds(["one 1", "other 1"]) == "one 1; other 1"


def test_flags_are_read_off_the_command():
    assert results.parse_flags({"command": "`make demo`"}) == []
    assert results.parse_flags({"command": "`python examples/x.py --a 1` (by default 2)"}) == ["--a", "1"]
    assert results.parse_flags({"command": "`--data MUTAG`"}) == ["--data", "MUTAG"]
    assert all(isinstance(results.parse_flags(row), list) for row in ROWS)


EXAMPLE = """
import pathlib, sys
tries = pathlib.Path("tries")
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
assert sys.argv[1:3] == ["--seed", "4"] and sys.argv[3] == "--run-dir" and sys.argv[5] == "--resume"
if len(tries.read_text()) == 1:
    sys.exit("stopped")
print("accuracy 5 % · expected 6")
"""


def test_a_stopped_run_goes_on_and_a_finished_one_is_not_run_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.py").write_text(EXAMPLE)
    row = {"example": "some.py", "command": "`python examples/some.py`"}
    assert results.run_seed(row, 4, tmp_path / "runs", tmp_path) is None
    assert "exit code 1: stopped" in capsys.readouterr().out
    (state,) = (tmp_path / "runs").rglob("seed-4.json")
    first = json.loads(state.read_text())["seconds"]
    done = results.run_seed(row, 4, tmp_path / "runs", tmp_path)
    assert done["said"] == "accuracy 5 %"
    assert done["seconds"] > first > 0
    assert done["gib"] > 0
    assert results.run_seed(row, 4, tmp_path / "runs", tmp_path) == done
    assert (tmp_path / "tries").read_text() == "xx"
