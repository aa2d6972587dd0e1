"""Every command that a page tells its reader to type, and every one that an example prints when it ends."""

import importlib.util
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("*/*.md"))]
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
PROGRAMS = ("make", "python", "groundup", "pip", "pytest", "torchrun")
_TYPED = re.compile(rf"(?:{'|'.join(PROGRAMS)}) (?!\w+ing\b)\S.*")
_PRINTED = re.compile(r"(?:python|torchrun) [^\n`\"|]*examples/\S+\.py[^\n`\"|]*(?:\| --[^\n`\"|]+)*")


@dataclass(frozen=True)
class Command:
    where: str  # the page or example
    words: tuple[str, ...]

    @property
    def line(self):
        return shlex.join(self.words)

    @property
    def example(self):
        """(the example's file, its flags), of a command that runs one; or None."""
        for i, word in enumerate(self.words):
            if word.startswith("examples/") and word.endswith(".py"):
                return ROOT / word, self.words[i + 1 :]
        return None


def on_page(path):
    """Commands in code spans, in indented or fenced lines of shell, and in the table of examples.

    A row of that table which begins with an example's name has a command, or flags of that example; one without a
    name goes on with the example above it.
    """
    where, example = str(path.relative_to(ROOT)), ""
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        if path.parent.name == "examples" and len(cells) == 6:
            example = found.group(1) if (found := re.search(r"\]\((\S+\.py)\)", cells[0])) else example
            if flags := re.match(r"`(--[^`]+)`", cells[1]):
                yield Command(where, ("python", f"examples/{example}", *shlex.split(flags.group(1))))
        spans = re.findall(r"`([^`]+)`", line) if not line.startswith("    ") else [line.strip()]
        for span in spans:
            if found := _TYPED.fullmatch(span):
                yield Command(where, tuple(shlex.split(found.group(), comments=True)))


def printed_by(path):
    """`python examples/x.py --data a | --data PATH` is two commands."""
    for found in _PRINTED.findall(path.read_text(encoding="utf-8")):
        parts = found.replace("\\", "").split("|")
        first, *others = (re.split(r", | \(| \[", part.strip())[0].rstrip(".,;:") for part in parts)
        words = shlex.split(first)
        yield Command(str(path.relative_to(ROOT)), tuple(words))
        program = words[: 1 + next(i for i, word in enumerate(words) if word.endswith(".py"))]
        for flags in others:
            yield Command(str(path.relative_to(ROOT)), (*program, *shlex.split(flags)))


def all_commands():
    found = [command for page in PAGES for command in on_page(page)]
    found += [command for path in EXAMPLES for command in printed_by(path)]
    return list({command.line: command for command in found}.values())


def module_of(path):
    """The example, imported, not run."""
    name = f"example_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
