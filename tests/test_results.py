"""The table of examples: it is what results.json says, and runs that are stopped go on and are counted whole."""

import importlib
import json
import sys

import pytest

from commands import ROOT

sys.path.append(str(ROOT / "tools"))
results, targets = importlib.import_module("results"), importlib.import_module("targets")

ROWS = json.loads(results.TABLE.read_text(encoding="utf-8"))


def test_the_page_shows_the_table():
    """Where it does not: `python tools/results.py --adopt` for words changed on the page, --table for the table's."""
    assert results.markdown(ROWS) in results.PAGE.read_text(encoding="utf-8")


def test_adopting_an_unchanged_page_changes_nothing():
    page = results.parsed(results.PAGE.read_text(encoding="utf-8"))
    assert results.adopted(ROWS, page) == ROWS


def test_a_target_is_met_missed_or_not_measured():
    row = {"target": {"says": "at least 2", "find": r"([\d.]+) %", "least": 2}}
    said = ["3.5 % (seed 0)", "1.9 %", "not measured yet"]
    found = [targets.reached(row, text) for text in said]
    assert [cells[1:] for cells in found] == [["3.5", "met"], ["1.9", "**missed**"], ["–", "not measured"]]
    assert targets.count(found) == "3 targets: 1 met, 1 missed, 1 not measured yet."


def test_every_target_finds_its_number_where_there_is_one():
    measured = [row for row in ROWS if "target" in row and results.UNKNOWN not in results.cells(row, False)[3]]
    assert len(measured) > 10
    for row in measured:
        assert targets.reached(row, results.cells(row, False)[3])[-1] != "not measured", row["command"]


def test_a_row_of_the_bench_is_held_to_its_limits():
    row = {"name": "fixed sparse", "size": "s", "work": "w", "against": "softmax(QKᵀ)V, masked"}
    row |= {"default": {"median": 1.1}, "limit": 1.0, "our_bytes": 24, "peer_bytes": 100}
    ahead = row | {"name": "other", "default": {"median": 0.6}}
    verdicts = [cells[-1] for cells in targets.bench({"rows": {"one": row, "two": ahead}})]
    assert verdicts == ["met", "**missed**", "met", "met"]  # the median of all first


def test_saving_is_held_to_a_tenth_by_median_and_by_longest():
    usual = {"who": "in the background", "usual": [10.0, 10.0, 12.0]}
    for *beside, met in ((10.0, 10.5, 12.9, True), (10.0, 10.5, 13.1, False), (11.1, 11.1, False)):
        measured = {"what": "a model", "rows": [{"who": "training waits"}, usual | {"with_checkpoint": beside}]}
        [row] = targets.saving(measured)
        assert row[-1] == ("met" if met else "**missed**"), beside


def test_what_was_changed_by_hand_is_no_longer_what_runs_said():
    runs = {"0": {"said": "accuracy 1 %", "seconds": 3, "gib": 0.5}}
    row = {"example": "a/b.py", "command": "`--c 1`", "data": "d", "result": "r", "time": "t", "paper": "p"}
    row |= {"seeds": [0, 1], "measured": runs}
    (shown,) = results.parsed(f"{results.START}\n{results.markdown([row])}\n{results.END}")
    assert shown["result"] == "accuracy 1 % (seed 0)"
    assert results.adopted([row], [shown]) == [row]
    (changed,) = results.adopted([row], [{**shown, "result": "2 %"}])
    assert "measured" not in changed
    assert (changed["result"], changed["seeds"]) == ("2 %", [0, 1])


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
    assert results.said(output) == expected


def test_seeds_are_merged_number_by_number():
    texts = ["error 2.50, of 1,000 tests 97.5 %", "error 3.50, of 1,000 tests 98.4 %"]
    assert results.merged(texts) == "error 3.00 (2.50-3.50), of 1,000 tests 98.0 (97.5-98.4) %"
    assert results.merged(["one 1", "other 1"]) == "one 1; other 1"


def test_flags_are_read_off_the_command():
    assert results.flags({"command": "`make demo`"}) == []
    assert results.flags({"command": "`python examples/x.py --a 1` (by default 2)"}) == ["--a", "1"]
    assert results.flags({"command": "`--data MUTAG`"}) == ["--data", "MUTAG"]
    assert all(isinstance(results.flags(row), list) for row in ROWS)


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
    assert results.run(row, 4, tmp_path / "runs", tmp_path) is None
    assert "exit code 1: stopped" in capsys.readouterr().out
    (state,) = (tmp_path / "runs").rglob("seed-4.json")
    first = json.loads(state.read_text())["seconds"]
    done = results.run(row, 4, tmp_path / "runs", tmp_path)
    assert done["said"] == "accuracy 5 %"
    assert done["seconds"] > first > 0
    assert done["gib"] > 0
    assert results.run(row, 4, tmp_path / "runs", tmp_path) == done
    assert (tmp_path / "tries").read_text() == "xx"
