"""What the pages say holds: their programs run, their commands are ones that the suite runs, their tables are fresh."""

import os
import re
import tomllib

import pytest
import tyro

from commands import EXAMPLES, PAGES, ROOT, all_commands, module_of
from programs import python

COMMANDS = all_commands()
OF_EXAMPLES = [command for command in COMMANDS if command.example]
TARGETS = dict(re.findall(r"^([\w-]+):.*?## .*\n((?:\t.*\n)*)", (ROOT / "Makefile").read_text(), re.MULTILINE))
#: What runs that is no example: the command's first words, and the test that runs them.
RUN_BY = {
    "groundup list": "tests/test_cli.py",
    "groundup show": "tests/test_cli.py",
    "groundup classify": "tests/test_classify.py",
    "groundup generate": "tests/test_generate.py",
    "groundup label": "tests/test_labelling.py",
    "groundup translate": "tests/test_text_models.py",
    "groundup fill": "tests/test_text_models.py",
    "groundup similar": "tests/test_text_models.py",
    "groundup plan": "tests/test_cli.py",
    "make demo": "tests/test_first_minutes.py",
    "make bench": "tests/test_benchmarks.py",
    "make parity": "tests/test_parity_table.py",
    "make mutants": "tests/test_mutants.py",
    "make pages": "tests/test_pages.py",
    "make pictures": "tests/test_pages.py",
    "make results": "tests/test_results.py",
    "python -m benchmarks.scaling": "tests/test_scaling.py",
    "python -m benchmarks.saving": "tests/test_benchmarks.py",
    "python -m benchmarks.decoding": "tests/test_benchmarks.py",
}
#: What a suite cannot run: itself, and the tools that check the style.
BESIDE = ("make test", "make test-all", "make lint", "make format", "pytest tests/test_components.py -k RMSNorm")
#: Programs that bring what the project stands on, from a network: what they are given is tested in test_set_up.py.
INSTALLERS = ("pip install", "sudo apt")
#: What stands for a reader's own data.
OWN = {"PATH", "FILE", "FOLDER", "TEXTS"}


def test_the_collector_finds_what_pages_say():
    found = {command.line for command in COMMANDS}
    assert {"make demo", "groundup list", "python examples/convolutional/digits_lenet.py --resume"} <= found
    assert "python examples/graph/cora.py --seeds 100" in found  # flags of the row's example
    assert "python examples/graph/graph_classification.py --data PTC" in found  # of the example rows above
    assert "python examples/transformer/char_gpt.py --data PATH" in found  # printed, behind a bar


def test_the_page_of_traps_and_the_tests_cite_each_other():
    page = (ROOT / "docs" / "traps.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (T\d\d) \| .* \| (.*) \|$", page, re.MULTILINE))
    cited = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for trap in re.findall(r"\bT\d\d\b", path.read_text(encoding="utf-8")):
            cited.setdefault(trap, set()).add(f"`{path.relative_to(ROOT)}`")
    assert {trap: set(tests.split(", ")) for trap, tests in rows.items()} == cited


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.example], ids=lambda c: c.line)
def test_every_command_is_run_by_a_test(command):
    start = " ".join(command.words[: 3 if "-m" in command.words[1:2] else 2])
    beside = command.line in BESIDE or command.line.startswith(INSTALLERS)
    assert start in RUN_BY or beside, f"{command.where}: add {start!r} to RUN_BY, and the test it names"
    if start in RUN_BY:
        test = (ROOT / RUN_BY[start]).read_text(encoding="utf-8")
        assert command.words[0] != "groundup" or f'"{command.words[1]}"' in test
    if command.words[0] == "make":
        assert command.words[1] in TARGETS, f"{command.where}: Makefile has no such target, or none with a word on it"


@pytest.mark.parametrize("command", OF_EXAMPLES, ids=lambda c: c.line)
def test_every_command_of_an_example_has_its_flags(command):
    """test_examples runs every example; here the flags that pages and examples name are parsed."""
    path, flags = command.example
    assert path in EXAMPLES, f"{command.where}: there is no {path.relative_to(ROOT)}"
    if flags:
        tyro.cli(module_of(path).Config, args=list(flags))


@pytest.mark.body("auto")
@pytest.mark.parametrize("data", ["none", pytest.param("what is here", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(c, id=c.line, marks=[] if c.where == "README.md" else pytest.mark.slow)
        for c in OF_EXAMPLES
        if c.example[1] or c.where == "README.md"
    ],
)
def test_every_command_of_an_example_runs(command, data, tmp_path):
    """A few steps of each. Without data and network, one that wants what is no part of the project says where it is."""
    path, flags = command.example
    if OWN & set(flags):
        pytest.skip("stands for what the reader has")
    environment = {**os.environ, "COLUMNS": "80"}
    if data == "none":
        nowhere = "http://127.0.0.1:9"
        environment |= {"GROUNDUP_DATA": str(tmp_path / "none"), "http_proxy": nowhere, "https_proxy": nowhere}
    done = python(path, *flags, "--smoke", cwd=tmp_path, env=environment)
    assert "Traceback" not in done.stderr
    if done.returncode == 1 and data == "none":
        assert re.search(r"Put the files? from https://\S+ at \S+", done.stderr), done.stderr
        return
    if done.returncode == 1 and "Put the file" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert "expected" in done.stdout


def test_every_target_of_make_has_its_file():
    for target, recipe in TARGETS.items():
        for path in re.findall(r"(?:examples|tools|benchmarks)/\S+\.(?:py|json|md)", recipe):
            assert (ROOT / path).exists(), f"make {target}: {path}"


# ---- programs --------------------------------------------------------------------------------------------------------

FENCED = re.compile(r"(?:<!-- from (\S+) -->\n)?```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if "```python" in p.read_text()], ids=lambda p: p.name)
def test_programs_of_a_page_run_in_turn(page, tmp_path):
    """As a reader types them, one after another. A quotation is to be found where it says it is from."""
    program = ["import warnings\nwarnings.simplefilter('error')\nwarnings.simplefilter('ignore', DeprecationWarning)"]
    for source, block in FENCED.findall(page.read_text(encoding="utf-8")):
        if source:
            assert block in (ROOT / source).read_text(encoding="utf-8"), f"{page.name}: {source} has changed"
        else:
            program.append(block)
    done = python("-c", "\n".join(program), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if page.name == "README.md":
        right = re.search(r"([\d.]+) % of 359 digits", done.stdout)
        assert float(right.group(1)) > 85, done.stdout


# ---- tables, pictures and links --------------------------------------------------------------------------------------


def test_generated_parts_are_fresh():
    done = python("-m", "tools", "pages", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_pictures_are_drawn_by_examples_and_small(tmp_path):
    done = python("-m", "tools", "pictures", "--smoke", "letters", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert re.search(r"letters\.png  \d+ kB", done.stdout)
    for picture in (ROOT / "docs" / "pictures").glob("*.png"):
        assert picture.stat().st_size <= 60_000, picture


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_extras_named_on_the_first_page_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.search(r"extras ((?:`\w+`(?:, | and )?)+)", (ROOT / "README.md").read_text()).group(1)
    assert set(re.findall(r"`(\w+)`", named)) <= extras.keys()
