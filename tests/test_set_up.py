"""Setting up: what a machine lacks is one sentence with the way on, whatever Python reads it."""

import ast
from collections import namedtuple

import pytest

from commands import ROOT, module_of

FILE = ROOT / "tools" / "set_up.py"
SET_UP = module_of(FILE)


def test_an_old_python_can_read_it():
    ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize(
    ("version", "there", "words"),
    [
        ((3, 8, 10), [], "needs Python 3.11 or newer, and this is 3.8: install a newer one"),
        ((3, 8, 10), ["python3.11", "python3.12"], "run `make demo PYTHON=python3.12`"),
        ((2, 7, 18), ["python3.11"], "this is 2.7: run `make demo PYTHON=python3.11`"),
    ],
)
def test_a_python_that_is_too_old(version, there, words):
    assert words in SET_UP.check_python(version, there.__contains__)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1), (3, 13, 0)])
def test_a_python_that_is_new_enough(version):
    assert SET_UP.check_python(version, lambda name: None) is None


def test_a_python_without_venv():
    words = SET_UP.check_venv((3, 12, 0), lambda name: None if name == "ensurepip" else name)
    assert "no ensurepip" in words
    assert "sudo apt install python3.12-venv" in words
    assert SET_UP.check_venv((3, 12, 0), lambda name: name) is None


def test_a_disk_without_room():
    usage = namedtuple("usage", "total used free")
    words = SET_UP.check_space("/home/ada/groundup", 1.3, lambda folder: usage(10**12, 10**12, 4 * 10**8))
    assert words == "/home/ada/groundup has 0.4 GB free, and .venv needs about 1.3 GB: make room, then try again."
    assert SET_UP.check_space("/home/ada", 1.3, lambda folder: usage(10**12, 0, 2 * 10**9)) is None


NO_NETWORK = """Collecting numpy>=1.26
  WARNING: Retrying (Retry(total=4)) connection broken by 'NewConnectionError: no route'
ERROR: Could not find a version that satisfies the requirement numpy>=1.26 (from versions: none)
ERROR: No matching distribution found for numpy>=1.26
"""


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        (NO_NETWORK, "no package index can be reached: check the network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0\n", "PyTorch has no build for this Python"),
        (
            "ERROR: Cannot uninstall six\n",
            "pip failed: ERROR: Cannot uninstall six (everything it printed is in x.log)",
        ),
        ("", "it gave no reason"),
    ],
)
def test_a_pip_that_fails(printed, words):
    told = SET_UP.explain_failure(printed, "x.log")
    assert words in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  Downloading torch-2.13.0-cp311-none-any.whl (195.2 MB)\n", "  downloading torch, 195 MB"),
        ("  Downloading https://h/x/nvidia_cudnn-9.1-py3.whl (1.2 GB)\n", "  downloading nvidia_cudnn, 1200 MB"),
        ("  Downloading tyro-1.0.17-py3-none-any.whl (217 kB)\n", None),
        ("  Downloading attrs-26.1.0-py3-none-any.whl (1.1 MB)\n", None),
        ("Installing collected packages: a, b, c\n", "  installing 3 packages"),
        ("Collecting tqdm>=4.66\n", None),
    ],
)
def test_what_is_told_of_pips_lines(line, told):
    assert SET_UP.describe(line) == told


def test_a_wrong_call_is_a_usage_line(monkeypatch):
    for arguments in ([], ["all"], ["demo", "--gpu"]):
        with pytest.raises(SystemExit, match=r"usage: python3 tools/set_up\.py"):
            SET_UP.main(arguments)


@pytest.mark.parametrize(("cpu", "calls"), [(False, 1), (True, 2)])
def test_what_is_installed_and_remembered(cpu, calls, tmp_path, monkeypatch, capsys):
    """The stamps that make looks for; PyTorch's CPU build first, where it is asked for."""
    (tmp_path / "constraints.txt").write_text("numpy==2.4.6\ntorch==2.13.0\ntorchvision==0.28.0\n")
    asked = []
    monkeypatch.setattr(SET_UP, "ROOT", str(tmp_path))
    monkeypatch.setattr(SET_UP.subprocess, "check_call", lambda command: (tmp_path / ".venv").mkdir(exist_ok=True))
    monkeypatch.setattr(SET_UP, "run_pip", lambda arguments, log: asked.append(arguments))
    SET_UP.main(["demo", "--cpu"] if cpu else ["demo"])
    assert len(asked) == calls
    assert asked[-1] == ["--editable", ".[data,plots]"]
    assert asked[0][0] == ("torch==2.13.0" if cpu else "--editable")
    assert [path.name for path in (tmp_path / ".venv").iterdir()] == [".demo"]
    assert "activate" in capsys.readouterr().out
    SET_UP.main(["dev"])
    assert {path.name for path in (tmp_path / ".venv").iterdir()} == {".demo", ".dev"}
    assert asked[-1] == ["--editable", ".[dev]"]


def test_a_failure_of_the_environment_is_one_line(tmp_path, monkeypatch):
    def fail(command):
        raise SET_UP.subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(SET_UP, "ROOT", str(tmp_path))
    monkeypatch.setattr(SET_UP.subprocess, "check_call", fail)
    with pytest.raises(SystemExit, match=r"\.venv cannot be made .*then try again"):
        SET_UP.main(["demo"])
