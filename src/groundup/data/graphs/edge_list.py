"""Edge lists: files with one line per edge, the names of two nodes, and optionally a weight.

# lines that begin with # or % are comments
Ann,Bob                 or tabs, semicolons or spaces between the names, which may be numbers
Ann,Eve,2.5             the third field is the edge's weight
Kim                     a node without an edge
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from groundup import checks
from groundup.data.tables.delimited import existing_file, is_number, parse_number, rows_of

logger = logging.getLogger("groundup")

EDGE_ENDINGS = (".csv", ".tsv", ".txt", ".edges", ".edgelist", ".cites")
#: Names of columns for the two nodes of an edge and for its weight, in lower case.
_ENDS = ("source", "target", "from", "to", "src", "dst", "u", "v", "node1", "node2", "node_1", "node_2", "id1", "id2")
_WEIGHTS = ("weight", "weights", "w", "value", "strength", "count")


class Edges(NamedTuple):
    """The edges of a file.

    Args:
        names: names of the nodes, in the order of the file.
        pairs: (E, 2) int64, indices into `names`.
        weight: (E,) float32, or None if the file has no weights.

    Example:
        >>> Edges(("Ann", "Bob"), torch.tensor([[0, 1]]), None).names
        ('Ann', 'Bob')
    """

    names: tuple[str, ...]
    pairs: Tensor
    weight: Tensor | None


def read_edges(path: str | PathLike[str], known: Collection[str] = (), header: bool | None = None) -> Edges:
    """Read the edges of a file.

    Args:
        path: file with two names per line, separated by tabs, commas, semicolons or spaces.
        known: names of nodes that are known from elsewhere; they come first, in that order.
        header: True if the first line holds names of columns; None recognises it: it says source and target, or from
            and to; or it holds texts and all other lines numbers; or none of its names occurs again. A warning in the
            log says which line is used as names of columns.

    A third field that is a number in every line, or that the first line calls weight, is the edge's weight.
    Raises `ValueError`, with the line, for a missing name, and for a weight that is not a number of at least 0.

    Example:
        >>> path = getfixture("tmp_path") / "edges.csv"
        >>> _ = path.write_text("Ann,Bob,2\\nBob,Eve,1\\n")
        >>> edges = read_edges(path)
        >>> edges.names, edges.pairs.tolist(), edges.weight.tolist()
        (('Ann', 'Bob', 'Eve'), [[0, 1], [1, 2]], [2.0, 1.0])
    """
    path = existing_file(path, "edges, a line with two names for each")
    rows = list(rows_of(path, comments=True))
    if header is None:
        header = bool(rows) and is_header(rows[0][1], [fields for _, fields in rows[1:]], known)
        if header and not all(end.lower() in _ENDS for end in rows[0][1][:2]):
            logger.warning("%s: the first line is taken for names of columns: %s", path, ", ".join(rows[0][1]))
    titles, rows = (rows[0][1], rows[1:]) if header else ([], rows)
    weighted = _is_weighted(path, titles, [fields for _, fields in rows])
    place = {name: i for i, name in enumerate(known)}
    pairs: list[tuple[int, int]] = []
    weights: list[float] = []
    for line, fields in rows:
        ends = fields[:2]
        if "" in ends:
            raise ValueError(f"{path}, line {line}: needs the names of two nodes, got {' '.join(fields)!r}")
        numbers = [place.setdefault(name, len(place)) for name in ends]
        if len(numbers) == 1:
            continue
        pairs.append((numbers[0], numbers[1]))
        if weighted:
            value = parse_number(fields[2]) if len(fields) > 2 else None
            if value is None or value < 0:
                got = fields[2] if len(fields) > 2 else ""
                raise ValueError(f"{path}, line {line}: the weight must be a number of 0 or more, got {got!r}")
            weights.append(value)
    return Edges(
        tuple(place),
        torch.tensor(pairs, dtype=torch.int64).view(-1, 2),
        torch.tensor(weights, dtype=torch.float32) if weighted else None,
    )


def is_header(first: Sequence[str], others: Sequence[Sequence[str]], known: Collection[str] = ()) -> bool:
    """Return True if the first line of an edge list holds names of columns, by the rules of `read_edges`."""
    if len(first) < 2 or any(map(is_number, first)):
        return False
    ends = first[:2]
    if set(ends) & set(known):
        return False
    found = {name for fields in others for name in fields[:2]}
    if all(end.lower() in _ENDS for end in ends) or (found and (found <= set(known) or all(map(is_number, found)))):
        return True
    titled = len(first) > 2 and all(len(fields) > 2 and is_number(fields[2]) for fields in others)
    return (titled or len(others) > 2) and not found & set(ends)


def _is_weighted(path: Path, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return True if the third field is a weight."""
    if len(titles) > 2:
        weighted = titles[2].lower() in _WEIGHTS
    else:
        weighted = bool(rows) and all(
            len(fields) == 1 or (len(fields) == 3 and is_number(fields[2])) for fields in rows
        )
        weighted = weighted and any(len(fields) == 3 for fields in rows)
    if any(len(fields) > 2 for fields in rows):
        logger.warning("%s: the third field is %s", path, "the weight" if weighted else "no weight, and is passed over")
    checks.require(len(rows) > 0, f"{path} holds no edge: it must have a line with two names for each")
    return weighted
