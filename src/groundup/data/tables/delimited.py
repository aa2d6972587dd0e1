"""Text files of rows and columns: CSV, TSV, semicolons, MovieLens' double colons, or words separated by spaces.

sheet = read_sheet("iris.csv")
sheet.names            ("sepal", "petal", "species"), from the first line, or "column 1", "column 2", ... without one
sheet.column("sepal")  ["5.1", "4.9", ...]
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from math import isfinite
from os import PathLike
from pathlib import Path
from textwrap import shorten
from typing import Any

from groundup import checks

logger = logging.getLogger("groundup")

_SEPARATORS = ("\t", "::", ";", ",")  # in the order in which they are tried; else any white space
_PROBED_LINES = 20  # lines that determine the separator
#: Fields that mean a missing value, in lower case.
MISSING = ("", "?", "na", "n/a", "nan", "null")


@dataclass(frozen=True)
class Sheet:
    """The rows of a file, with the names of its columns.

    Args:
        path: the file.
        names: names of the columns.
        rows: rows of as many fields.
        lines: line number of each row in the file, for messages.

    Example:
        >>> Sheet(Path("pets.csv"), ("name", "kind"), [["Tom", "cat"]], [2]).column("kind")
        ['cat']
    """

    path: Path
    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def index(self, name: str, what: str = "column") -> int:
        """Return the index of a column. Raises `ValueError` that lists the columns if there is none of this name."""
        if name not in self.names:
            raise ValueError(f"{what}: {self.path} has no column {name!r}; its columns are {', '.join(self.names)}")
        return self.names.index(name)

    def column(self, name: str) -> list[str]:
        """Return the fields of a column."""
        place = self.index(name)
        return [row[place] for row in self.rows]

    def where(self, row: int) -> str:
        """Return the file and line of a row, for a message."""
        return f"{self.path}, line {self.lines[row]}"


def read_sheet(path: str | PathLike[str], header: bool | None = None, what: str = "a table") -> Sheet:
    """Read the rows of a file, with the names of its columns.

    Args:
        path: the file, in UTF-8.
        header: True if the first line holds the names; None means that it does if none of its fields is a number, and
            a warning in the log says so.
        what: description of the file for error messages.

    Raises `ValueError` for a path that is no file, a file without rows, two columns of one name, and, with the line,
    for a row that has more or fewer fields than the first.

    Example:
        >>> path = getfixture("tmp_path") / "pets.csv"
        >>> _ = path.write_text("name,weight\\nTom,4.1\\n")
        >>> read_sheet(path).column("weight")
        ['4.1']
    """
    path = existing_file(path, what)
    found = list(rows_of(path))
    if not found:
        raise ValueError(f"{path} is empty: it must hold {what}")
    first = found[0][1]
    header = has_column_names(path, first) if header is None else header
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


def has_column_names(path: Path, first: Sequence[str]) -> bool:
    """Return True if a first line holds the names of columns, as none of its fields is a number; log a warning."""
    if any(map(is_number, first)):
        return False
    titles = shorten(", ".join(first), 100, placeholder=" ...")
    warn_once(f"{path}: the first line is taken for the names of the columns: {titles}")
    return True


@cache
def warn_once(message: str) -> None:
    """Log a warning once per process: files are often read again, for another split."""
    logger.warning("%s", message)


def rows_of(path: Path, comments: bool = False, spaces: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields without surrounding space) for every line that is not empty.

    Args:
        path: the file; its separator is determined from the first lines.
        comments: skip lines that begin with # or %.
        spaces: separate fields by white space if there is no other separator.

    Raises `ValueError`, with the line, for a line that is not UTF-8.
    """
    lines = (pair for pair in _lines(path) if not (comments and pair[1].lstrip().startswith(("#", "%"))))
    first = list(islice(lines, _PROBED_LINES))
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
    """Yield (number, text) of every line that is not empty, without a byte order mark."""
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
    """Return the separator that every line has equally often, or else one of the first line; None for white space."""
    for separator in _SEPARATORS:
        counts = {line.count(separator) for line in lines}
        if len(counts) == 1 and counts != {0}:
            return separator
    return next((s for s in _SEPARATORS for line in islice(lines, 1) if s in line), None)


def write_rows(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a CSV file with a first line of column names; return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(names)
        lines.writerows(rows)
    return path


def existing_file(path: str | PathLike[str], what: str) -> Path:
    """Return the path of an existing file. Raises `ValueError` that says what the file should hold."""
    path = Path(path).expanduser()
    checks.require(path.is_file(), f"path must be a file that holds {what}; {str(path)!r} is no file")
    return path


def is_missing(text: str) -> bool:
    """Return True if a field means a missing value."""
    return text.lower() in MISSING


def is_number(text: str) -> bool:
    """Return True if a field is a finite number."""
    return parse_number(text) is not None


def parse_number(text: str) -> float | None:
    """Return the finite number in a field; None for anything else, such as nan, inf and 1_000."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and "_" not in text else None
