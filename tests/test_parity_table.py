"""The parity table: the errors that are written down are those that were measured, and no component is missing."""

import json
from pathlib import Path

import pytest
import torch

from groundup.component import all_components
from parity import Run, assert_same
from parity_table import gather
from programs import python
from test_functions import FUNCTION_CASES

ROOT = Path(__file__).parents[1]
TABLE = json.loads((ROOT / "docs" / "parity.json").read_text(encoding="utf-8"))["components"]


def one(output, gradient=0.0, buffer=0.0):
    tensors = [torch.tensor([x, 1.0], dtype=torch.float64) for x in (output, gradient, buffer)]
    return Run([tensors[0]], [tensors[1]], {"weight": None}, {"mean": tensors[2]})


def test_the_error_is_the_largest_difference_over_the_largest_value():
    errors = assert_same(one(8 + 4e-11, 3e-11), one(8.0), torch.float64)
    assert errors == pytest.approx({"outputs": 5e-12, "gradients": 3e-11, "buffers": 0.0}, rel=1e-3)
    assert assert_same(one(torch.inf, torch.nan), one(torch.inf, torch.nan), torch.float64)["outputs"] == 0


def test_gather_keeps_the_largest_and_counts_tests():
    first = [("parity", ["A", "float64", {"outputs": 1.26e-16}]), ("parity", ["A", "float64", {"outputs": 3e-16}])]
    second = [("parity", ["A", "float64", {"outputs": 2e-16, "buffers": 1e-15}]), ("other", 1)]
    rows = gather(gather({}, first), second)
    assert rows == {"A": {"float64": {"cases": 2, "outputs": 3e-16, "buffers": 1e-15}}}


SUITE = """
import pytest, torch

@pytest.mark.parametrize("error", [1e-12, 2e-12, 3e-12])
def test_a(error, measured):
    measured("A", torch.float64, {"outputs": error})
    assert error < 3e-12

def test_b(): ...
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_tests_that_pass_write_it_whatever_worker_runs_them(workers, tmp_path):
    (tmp_path / "test_some.py").write_text(SUITE)
    table = tmp_path / "table.json"
    flags = ["-n", workers, "--parity-table", str(table), "--rootdir", str(tmp_path), "test_some.py"]
    code = f"import sys, pytest; sys.path.insert(0, {str(ROOT / 'tests')!r}); sys.exit(pytest.main(sys.argv[1:]))"
    done = python("-c", code, "-p", "parity_table", *flags, cwd=tmp_path)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert json.loads(table.read_text())["components"] == {"A": {"float64": {"cases": 2, "outputs": 2e-12}}}


def test_every_component_and_function_is_in_the_table():
    """A new one is measured by `make parity`."""
    # The base class has nothing to compare but its rules.
    assert {c.name for c in all_components()} - TABLE.keys() == {"Optimizer"}
    compared = {f"functional.{case.function.__name__}" for case in FUNCTION_CASES if case.oracle}
    assert compared <= TABLE.keys()


def test_float64_is_held_to_ten_digits():
    errors = [value for row in TABLE.values() for part, value in row["float64"].items() if part != "cases"]
    assert max(errors) <= 1e-10
