"""Text files of rows and columns: CSV, TSV, semicolons, MovieLens' double colons, or words with spaces between them.

sheet = read_sheet("iris.csv")
sheet.names            ("sepal", "petal", "species"), from the first line, or "column 1", "column 2", ... without one
sheet.column("sepal")  ["5.1", "4.9", ...]
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from math import isfinite
from os import PathLike
from pathlib import Path
from textwrap import shorten

from groundup import checks

logger = logging.getLogger("groundup")

_SEPARATORS = ("\t", "::", ";", ",")  # in the order in which they are tried; else any white space
_LOOKED_AT = 20  # lines that tell which it is
#: Cells that mean a missing value, in upper or lower case.
MISSING = ("", "?", "na", "n/a", "nan", "null")


@dataclass(frozen=True)
class Sheet:
    """Rows of equally many fields under the names of their columns; `lines` has each row's line number in `path`."""

    path: Path
    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def index(self, name: str, what: str = "column") -> int:
        """The number of a column. Raises `ValueError` that lists the columns where it is none of them."""
        if name not in self.names:
            raise ValueError(f"{what}: {self.path} has no column {name!r}; its columns are {', '.join(self.names)}")
        return self.names.index(name)

    def column(self, name: str) -> list[str]:
        """The fields of a column, from top to bottom."""
        place = self.index(name)
        return [row[place] for row in self.rows]

    def where(self, row: int) -> str:
        """The file and line of a row, for a message."""
        return f"{self.path}, line {self.lines[row]}"


def read_sheet(path: str | PathLike[str], header: bool | None = None, what: str = "a table") -> Sheet:
    """The rows of a file, with the names of its columns.

    header    whether the first line holds the names; None: it does if no field of it is a number, and a line in the
              log says so
    what      what the file should be, for the error message

    Raises `ValueError` for a path that is no file, a file without rows, two columns of one name, and, with the line,
    for a row that has more or fewer fields than the first.
    """
    path = existing_file(path, what)
    found = list(rows_of(path))
    if not found:
        raise ValueError(f"{path} is empty: it must hold {what}")
    first = found[0][1]
    header = holds_names(path, first) if header is None else header
    names = tuple(first) if header else tuple(f"column {i}" for i in range(1, len(first) + 1))
    for number, fields in found:
        if len(fields) != len(first):
            raise ValueError(
                f"{path}, line {number}: has {len(fields)} fields, but the first line has {len(first)}; put a field "
                "that holds a separator in double quotes"
            )
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{path}: two columns are called {twice[0]!r}; give each a name of its own")
    found = found[1:] if header else found
    if not found:
        raise ValueError(f"{path} holds names of columns and no row below them: it must hold {what}")
    numbers, rows = zip(*found)
    return Sheet(path, names, rows, numbers)


def holds_names(path: Path, first: Sequence[str]) -> bool:
    """Whether a first line holds the names of columns: no field of it is a number. A line in the log says so."""
    if any(map(is_number, first)):
        return False
    said = shorten(", ".join(first), 100, placeholder=" ...")
    say_once(f"{path}: the first line is taken for the names of the columns: {said}")
    return True


@cache
def say_once(message: str) -> None:
    """A line in the log, once in a process: files are often read again, for another split."""
    logger.warning("%s", message)


def rows_of(path: Path, comments: bool = False, spaces: bool = True) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields without the space around them) of every line that is not empty.

        comments    pass over lines that begin with # or %
        spaces      where nothing else separates fields, white space does

    Raises `ValueError`, with the line, for what is not UTF-8.
    """
    lines = (pair for pair in _lines(path) if not (comments and pair[1].lstrip().startswith(("#", "%"))))
    first = list(islice(lines, _LOOKED_AT))
    separator = _separator([line for _, line in first])
    if separator is None or len(separator) > 1:
        for number, line in chain(first, lines):
            yield number, [field.strip() for field in (line.split(separator) if separator or spaces else [line])]
        return
    read: list[int] = []  # the lines of the current row, which may have line breaks within quotes

    def texts() -> Iterator[str]:
        for number, line in chain(first, lines):
            read.append(number)
            yield line

    try:
        for fields in csv.reader(texts(), delimiter=separator, skipinitialspace=True):
            yield read[0], [field.strip() for field in fields]
            read.clear()
    except csv.Error as failure:
        raise ValueError(f"{path}, line {read[0]}: {failure}") from failure


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, text) of every line that is not empty; a byte order mark is dropped."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as failure:
                raise ValueError(
                    f"{path}, line {number}: is not UTF-8 ({failure.reason}); save the file as UTF-8"
                ) from None
            if line.strip():
                yield number, line.rstrip("\r\n")


def _separator(lines: Sequence[str]) -> str | None:
    """The one that every line has equally often, or else the first line has; None: white space."""
    for separator in _SEPARATORS:
        counts = {line.count(separator) for line in lines}
        if len(counts) == 1 and counts != {0}:
            return separator
    return next((s for s in _SEPARATORS for line in islice(lines, 1) if s in line), None)


def existing_file(path: str | PathLike[str], what: str) -> Path:
    """The path, of a file that is there. Raises `ValueError` that says what the file should hold."""
    path = Path(path).expanduser()
    checks.require(path.is_file(), f"path must be a file that holds {what}; {str(path)!r} is no file")
    return path


def is_missing(text: str) -> bool:
    """Whether a field says that its value is not known."""
    return text.lower() in MISSING


def is_number(text: str) -> bool:
    """Whether a field is a finite number."""
    return number_in(text) is not None


def number_in(text: str) -> float | None:
    """The finite number that a field is; None for anything else, such as nan, inf and 1_000."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and "_" not in text else None
