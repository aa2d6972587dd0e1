"""What a newcomer types first, in a shell of their own: README's commands and those that the demo prints, literally."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commands import ROOT
from groundup.training.command_line import activation_hint

ACTIVATE = Path(sys.prefix) / "bin" / "activate"
needs_a_shell = pytest.mark.skipif(
    not ACTIVATE.is_file() or not shutil.which("bash") or not shutil.which("make"),
    reason="needs bash, make and a virtual environment",
)


def three_commands():
    """The first block of commands in README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## Three commands\n")[1]
    return [line.strip() for line in re.match(r"\n((?:    .+\n)+)", text).group(1).splitlines()]


def program_and_its_command():
    """README's program, and the command below it that asks what the program saved."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(r"```python\n(.*?)```\n\n    (groundup classify [^\n]+)\n", text, re.DOTALL).groups()


def printed_commands(text):
    """What a program tells its reader to type: the rest of a line from the first word of a command on."""
    found = re.findall(r"(?:^|\s{2,}|: )((?:groundup|python|source|make) [^\n]+)$", text, re.MULTILINE)
    return [line.rstrip(" .") for line in found]


@pytest.fixture
def clone(tmp_path):
    """A fresh clone, set up: the files of this one, its environment as .venv, and nothing else."""
    for path in ROOT.iterdir():
        if path.name not in (".venv", ".git", "runs") and not path.name.endswith(".egg-info"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if not path.name.startswith("."):
            (tmp_path / ".venv" / path.name).symlink_to(path)
    for stamp in (".demo", ".dev"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def type_in_a_shell(lines, folder):
    """Run the lines in one new bash, as a person does who has nothing set but a home and the system's programs.

    The demo trains for one epoch: a run of `--smoke` has steps left, which `--resume` would train for half a minute.
    """
    python = Path(sys.executable).resolve().parent  # for `make`, where the system's own python3 is another
    environment = {"HOME": str(folder), "PATH": f"/usr/bin:/bin:{python}", "TERM": "dumb", "DEMO_FLAGS": "--epochs 1"}
    for name in ("PYTHONPATH", "GROUNDUP_DATA", "CI"):
        if name in os.environ:
            environment[name] = os.environ[name]
    script = "\n".join(f"{line} || {{ echo FAILED: {line!r}; exit 1; }}" for line in lines)
    return subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )  # fmt: skip


@needs_a_shell
def test_the_three_commands_of_readme_then_what_the_demo_prints(clone):
    commands = three_commands()
    assert commands[:2] == ["make demo", "source .venv/bin/activate"]
    assert any(line.startswith("groundup classify ") for line in commands)
    done = type_in_a_shell(commands, clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d %  \d", done.stdout)  # a class with its probability
    assert "source .venv/bin/activate" in done.stdout  # the demo says how to go on
    printed = printed_commands(done.stdout)
    assert any("--resume" in line for line in printed)
    assert any(line.startswith("groundup classify ") for line in printed)
    program, question = program_and_its_command()
    (clone / "first.py").write_text(program, encoding="utf-8")
    again = type_in_a_shell(["source .venv/bin/activate", *printed, "python first.py", question], clone)
    assert again.returncode == 0, again.stdout + again.stderr
    asked, answers = again.stdout.split("digits after one epoch")
    assert float(re.search(r"([\d.]+) % of 359 $", asked).group(1)) > 85
    assert re.search(r"\d %  \d", answers)


def test_the_hint_appears_only_where_the_commands_are_not_found(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/home/ada/groundup/.venv")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(Path, "cwd", lambda: Path("/home/ada/groundup"))
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert activation_hint().endswith("source .venv/bin/activate")
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert activation_hint().endswith("source .venv/bin/activate.fish")
    monkeypatch.setattr(Path, "cwd", lambda: Path("/home/ada/other folder"))
    monkeypatch.setattr(sys, "prefix", "/home/ada/my clone/.venv")
    assert activation_hint().endswith("source '/home/ada/my clone/.venv/bin/activate.fish'")
    monkeypatch.setattr(shutil, "which", lambda name: "/home/ada/groundup/.venv/bin/groundup")
    assert activation_hint() == ""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "prefix", "/usr")  # not in an environment at all
    assert activation_hint() == ""
