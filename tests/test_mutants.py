"""The list of mutants fits the source and the suite; `make mutants` runs it."""

import ast
import shlex
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MUTANTS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8"))["mutant"]


def test_there_are_many_and_each_is_another():
    assert len(MUTANTS) >= 80
    assert len({mutant["what"] for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant["file"], mutant["old"], mutant["new"]) for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["what"])
def test_a_mutant_fits_its_file_and_its_tests(mutant):
    """What it replaces occurs once; what it leaves is Python; what kills it is in `make test`."""
    source = (ROOT / mutant["file"]).read_text(encoding="utf-8")
    assert source.count(mutant["old"]) == 1, "the source has changed: say in tests/mutants.toml what replaces what now"
    ast.parse(source.replace(mutant["old"], mutant["new"]))
    paths = [word for word in shlex.split(mutant["tests"]) if word.startswith("tests/")]
    assert paths
    for path in paths:
        file, _, name = path.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not name or name in functions, path
        named = [functions[name]] if name else functions.values()
        slow = ["pytest.mark.slow" in map(ast.unparse, function.decorator_list) for function in named]
        assert not all(slow), path
