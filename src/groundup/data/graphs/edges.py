"""Edges in a file: a line for each, with the names of two nodes, and a weight where there is one.

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
from groundup.data.tables.delimited import existing_file, is_number, number_in, rows_of

logger = logging.getLogger("groundup")

EDGE_ENDINGS = (".csv", ".tsv", ".txt", ".edges", ".edgelist", ".cites")
#: Column names for the two ends of an edge and for its weight.
_ENDS = ("source", "target", "from", "to", "src", "dst", "u", "v", "node1", "node2", "node_1", "node_2", "id1", "id2")
_WEIGHTS = ("weight", "weights", "w", "value", "strength", "count")


class Edges(NamedTuple):
    """names of the nodes, as they come; pairs (E, 2), numbers in `names`; weight (E,), or None where none is given."""

    names: tuple[str, ...]
    pairs: Tensor
    weight: Tensor | None


def read_edges(path: str | PathLike[str], known: Collection[str] = (), header: bool | None = None) -> Edges:
    """The edges of a file.

        known     names of nodes that are known from elsewhere: they come first, in that order
        header    whether the first line holds names of columns; None: it does where it says source and target, or from
                  and to; where it holds texts and all other lines numbers; or where neither of its names is found
                  again. A line in the log says what is taken for names of columns

    A third field that is a number in every line, or that the first line calls weight, is the edge's weight.
    Raises `ValueError`, with the line, for one that has no name, and for a weight that is no number of 0 or more.
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
            value = number_in(fields[2]) if len(fields) > 2 else None
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
    """Whether the first line of a file of edges holds names of columns, as `read_edges` says."""
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
    """Whether the third field is a weight."""
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
