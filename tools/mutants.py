"""Change src/ in small ways, one at a time, and show that the suite notices each change.

Each mutant of tests/mutants.toml is applied to a copy of src/, and its tests run until the first failure. A mutant is
killed if a test fails, and survives if all pass. First the same tests run on the unchanged source: they must pass. The
exit code is 0 if all mutants are killed.
"""

import importlib
import os
import shlex
import shutil
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "mutants.toml"
WORKERS = int(os.environ.get("TEST_WORKERS", "2"))
#: What the tests need besides the project: imported once, not once per mutant.
IMPORTS = (
    "pytest",
    "torch",
    "torch._dynamo",
    "beartype",
    "jaxtyping",
    "sklearn",
    "timm",
    "torch_geometric.nn",
    "transformers",
)
PASSED, FAILED = 0, 1  # pytest's exit codes; the others are: interrupted, crashed, called wrongly, nothing to run


def read_mutants(words: list[str]) -> list[dict[str, str]]:
    """The mutants whose text contains one of the words; all if there are no words."""
    found = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutant"]
    return [m for m in found if not words or any(word.lower() in str(m).lower() for word in words)]


def start(tests: str, mutant: dict[str, str] | None, folder: Path) -> int:
    """Run pytest in a child forked from this process, on a copy of src/ in `folder`; the child's id."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    if mutant is not None:
        path = folder / mutant["file"]
        text = path.read_text(encoding="utf-8")
        assert text.count(mutant["old"]) == 1, f"{mutant['file']}: {mutant['old']!r} must occur exactly once"
        path.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
    if child := os.fork():
        return child
    code = 3
    try:
        output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(ROOT)
        os.environ["PYTHONPATH"] = str(folder / "src")
        sys.path.insert(0, str(folder / "src"))
        import pytest

        options = ["-x", "-m", "not slow", "-p", "no:xdist", "-o", "addopts=-q -p no:cacheprovider"]
        options += ["-W", "ignore:Module already imported"]  # pytest's plugins, by this process
        code = int(pytest.main([*options, *shlex.split(tests)]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(jobs: list[tuple[str, dict[str, str] | None]]) -> Iterator[tuple[int, int, float, str]]:
    """Run the jobs, WORKERS at a time; yield (number of the job, exit code, seconds, output) as each ends."""
    with tempfile.TemporaryDirectory() as temporary:
        waiting, running = list(enumerate(jobs)), {}
        while waiting or running:
            if waiting and len(running) < WORKERS:
                number, (tests, mutant) = waiting.pop(0)
                folder = Path(temporary) / str(number)
                running[start(tests, mutant, folder)] = number, folder, time.perf_counter()
                continue
            child, status = os.wait()
            number, folder, start_time = running.pop(child)
            output = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
            shutil.rmtree(folder)
            yield number, os.waitstatus_to_exitcode(status), time.perf_counter() - start_time, output


def main(words: list[str]) -> int:
    chosen = read_mutants(words)
    importlib.import_module("rows.peers").ready_torchvision()
    for name in IMPORTS:
        with suppress(ImportError):
            importlib.import_module(name)
    assert "groundup" not in sys.modules, "each child imports its own copy of the project"
    selections = sorted({m["tests"] for m in chosen})
    print(f"{len(selections)} selections of tests on the unchanged source", flush=True)
    for number, code, seconds, output in run([(tests, None) for tests in selections]):
        if code != PASSED:
            print(f"{output}\n{selections[number]}: must pass on the unchanged source")
            return 1
        print(f"passed    {seconds:4.0f} s  {selections[number]}", flush=True)
    print(f"{len(chosen)} mutants", flush=True)
    survived = []
    for number, code, seconds, output in run([(m["tests"], m) for m in chosen]):
        crashed = code < 0  # by a signal, for example after memory was overwritten: the suite would notice that too
        verdict = "killed" if crashed else {PASSED: "SURVIVED", FAILED: "killed"}.get(code, "ERROR")
        print(f"{verdict:8}  {seconds:4.0f} s  {chosen[number]['what']}", flush=True)
        if verdict != "killed":
            survived.append(chosen[number]["what"])
            print(output if verdict == "ERROR" else "", end="")
    print(f"{len(chosen) - len(survived)} of {len(chosen)} killed")
    return int(bool(survived))
