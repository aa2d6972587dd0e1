"""Every example in a docstring runs, and prints what the docstring says."""

import doctest
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = [
    ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted(SOURCE.rglob("*.py"))
    if ">>>" in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module(module, tmp_path_factory):
    def getfixture(name):
        assert name == "tmp_path", f"examples have no fixture {name!r}"
        return tmp_path_factory.mktemp("example")

    runner = doctest.DocTestRunner()
    report = []
    for example in doctest.DocTestFinder().find(importlib.import_module(module), extraglobs={"getfixture": getfixture}):
        runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)
    assert runner.tries > 0
