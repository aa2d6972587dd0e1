"""The parity table: how far every component is from its oracle, written down by the tests that compare them.

`pytest --parity-table FILE` (`make parity`) runs the tests that ask for the fixture `measured`, gathers from every
worker what they hand to it, and keeps the largest. Only tests that passed count. Differences are as
`parity.assert_same` scales them.
"""

import json
from pathlib import Path

import pytest
import torch

PARTS = ("outputs", "gradients", "buffers")
_rows = {}


@pytest.fixture
def measured(record_property):
    """Call it with (component, dtype, {part: largest error}): one comparison with the oracle."""

    def note(component, dtype, errors):
        assert errors.keys() <= set(PARTS), errors
        record_property("parity", [component, str(dtype).removeprefix("torch."), errors])

    return note


def gather(rows, properties):
    """Into `rows`, component → dtype → {"cases": tests, part: largest error}, what one passed test has noted."""
    counted = set()
    for name, value in properties:
        if name != "parity":
            continue
        component, dtype, errors = value
        row = rows.setdefault(component, {}).setdefault(dtype, {"cases": 0})
        row["cases"] += (component, dtype) not in counted
        counted.add((component, dtype))
        for part, error in errors.items():
            row[part] = max(row.get(part, 0.0), float(f"{error:.1e}"))
    return rows


def pytest_addoption(parser):
    parser.addoption("--parity-table", metavar="FILE", help="write how far each component is from its oracle")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--parity-table"):
        others = [item for item in items if "measured" not in item.fixturenames]
        items[:] = [item for item in items if "measured" in item.fixturenames]
        config.hook.pytest_deselected(items=others)


def pytest_runtest_logreport(report):
    if report.when == "call" and report.passed:
        gather(_rows, report.user_properties)


def pytest_sessionfinish(session):
    path = session.config.getoption("--parity-table")
    if path and not hasattr(session.config, "workerinput"):  # pytest-xdist's workers report to the one that writes
        table = {"torch": torch.__version__, "components": {name: _rows[name] for name in sorted(_rows)}}
        Path(path).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
