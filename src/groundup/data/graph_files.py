"""Sets of graphs in files: the text format that GIN reads, and the folders of the TU collection.

gin_graphs("MUTAG")                 downloaded: MUTAG, PTC, PROTEINS, IMDBBINARY
tu_graphs("ENZYMES")                downloaded
read_gin(path), read_tu(folder)     your own files
load_graphs(name or path)           any of them
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.data.download import fetch
from groundup.data.graph_sets import GraphSet, collected
from groundup.data.known_graphs import motif_graphs

GIN_NAMES = ("MUTAG", "PTC", "PROTEINS", "IMDBBINARY")
TU_NAMES = ("ENZYMES",)
_TU_PARTS = ("A", "graph_indicator", "graph_labels", "node_labels", "node_attributes")


def load_graphs(name_or_path: str | Path) -> GraphSet:
    """ "motifs", made here; a set of GIN_NAMES or TU_NAMES; or your own, a text file of GIN's or a folder of TU's."""
    path = Path(name_or_path)
    if name_or_path == "motifs":
        return motif_graphs()
    if name_or_path in GIN_NAMES:
        return gin_graphs(str(name_or_path))
    if name_or_path in TU_NAMES:
        return tu_graphs(str(name_or_path))
    if not path.exists():
        names = ", ".join(map(repr, ("motifs", *GIN_NAMES, *TU_NAMES)))
        raise ValueError(f"name_or_path must be one of {names}, a file or a folder; {str(name_or_path)!r} is neither")
    return read_tu(path) if path.is_dir() else read_gin(path)


def gin_graphs(name: str) -> GraphSet:
    """A set of Xu et al. 2019, How Powerful are Graph Neural Networks?, arXiv:1810.00826; IMDBBINARY's tag: degree."""
    checks.choice("name", name, GIN_NAMES)
    return read_gin(fetch(f"gin/{name}/{name}.txt"), degree_as_tag=name == "IMDBBINARY")


def tu_graphs(name: str) -> GraphSet:
    """A set of Morris et al. 2020, TUDataset, arXiv:2007.08663."""
    checks.choice("name", name, TU_NAMES)
    paths = [fetch(f"tu/{name}/{name}_{part}.txt") for part in _TU_PARTS]
    return read_tu(paths[0].parent)


def read_gin(path: str | Path, degree_as_tag: bool = False) -> GraphSet:
    """A text file: the number of graphs; of each a line "nodes label", then a line "tag degree neighbours…" a node.

    Tags become one-hot features, labels 0, 1, …, both in the order of their numbers. Neighbours count from 0 within
    the graph; whom a node's line names it gathers from. Raises `ValueError` with the number of a line that is wrong.
    """
    path = Path(path)
    lines = _numbers(path)
    labels: list[int] = []
    tags, nodes, degrees, neighbours, total = [], [], [], [], 0
    (count,) = _take(lines, path, 1)
    for _ in range(count):
        n, label = _take(lines, path, 2)
        checks.require(n > 0, f"{path}: graph {len(labels)} has no nodes: an empty graph")
        labels.append(label)
        nodes.append(n)
        for _ in range(n):
            tag, degree, *others = _take(lines, path)
            if len(others) != degree or any(not 0 <= o < n for o in others):
                raise ValueError(
                    f"{path}: graph {len(labels) - 1} needs lines 'tag degree neighbours', neighbours in [0, {n - 1}], "
                    f"got {' '.join(map(str, (tag, degree, *others)))}"
                )
            tags.append(tag)
            degrees.append(degree)
            neighbours += [total + o for o in others]
        total += n
    if next(lines, None) is not None:
        raise ValueError(f"{path}: there are more lines than its {count} graphs need")
    row = torch.arange(total).repeat_interleave(torch.tensor(degrees))
    owner = torch.arange(count).repeat_interleave(torch.tensor(nodes))
    x = _one_hot(torch.tensor(degrees if degree_as_tag else tags))
    pairs = torch.stack([row, torch.tensor(neighbours, dtype=torch.int64)], 1)
    return collected(x, pairs, owner, _numbered(torch.tensor(labels)), path.stem)


def read_tu(folder: str | Path) -> GraphSet:
    """A folder NAME of NAME_A.txt (edges), NAME_graph_indicator.txt, NAME_graph_labels.txt and, where there are any,
    NAME_node_labels.txt (one-hot features) and NAME_node_attributes.txt (features as they are, before those).

    All numbers count from 1. Without labels and attributes every node has a feature 1.
    """
    folder = Path(folder)
    name = folder.name

    def table(part: str, kind: type = np.int64) -> Tensor:
        path = folder / f"{name}_{part}.txt"
        try:
            return torch.from_numpy(np.loadtxt(path, dtype=kind, delimiter=",", ndmin=2))
        except ValueError as error:
            raise ValueError(f"{path} holds something else than numbers: {error}") from error

    owner, y = table("graph_indicator").squeeze(1) - 1, table("graph_labels").squeeze(1)
    checks.indices(f"{name}_graph_indicator, less 1,", owner, len(y), "the number of graphs")
    if not bool((owner.diff() >= 0).all()):
        raise ValueError(f"{name}_graph_indicator.txt must list the nodes graph by graph")
    features = []
    if (folder / f"{name}_node_attributes.txt").exists():
        features.append(table("node_attributes", np.float32))
    if (folder / f"{name}_node_labels.txt").exists():
        features.append(_one_hot(table("node_labels")[:, 0]))
    x = torch.cat(features, 1) if features else torch.ones(len(owner), 1)
    checks.size("node features", x, 0, len(owner), "rows, one a node of graph_indicator")
    if not x.isfinite().all():
        raise ValueError(f"{name}_node_attributes.txt must be finite, got NaN or infinity")
    return collected(x, table("A") - 1, owner, _numbered(y), name)


def folds(
    y: Int[Tensor, " B"], count: int = 10, seed: int = 0
) -> list[tuple[Int[Tensor, " train"], Int[Tensor, " test"]]]:
    """(train, test) of a stratified cross-validation: every graph is in one test part, classes in equal shares."""
    checks.integer("count", count, 2)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))
    order = torch.randperm(len(y), generator=generator)
    order = order[y[order].argsort(stable=True)]  # class by class, each in random order
    part = torch.empty_like(order).scatter_(0, order, torch.arange(len(y)) % count)
    smallest = int(y.bincount().min())
    checks.require(smallest >= count, f"count must be at most {smallest}, the smallest class's graphs, got {count}")
    return [((part != i).nonzero().squeeze(1), (part == i).nonzero().squeeze(1)) for i in range(count)]


def _numbers(path: Path) -> Iterator[tuple[int, list[int]]]:
    """(number, its integers) of every line that is not empty."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, [int(word) for word in line.split()]
                except ValueError:
                    raise ValueError(f"{path}, line {number}: expected whole numbers, got {line.strip()!r}") from None


def _take(lines: Iterator[tuple[int, list[int]]], path: Path, count: int | None = None) -> list[int]:
    """The next line's integers, `count` of them, or two and more."""
    number, values = next(lines, (0, []))
    if number == 0:
        raise ValueError(f"{path} ends too early")
    if len(values) != count if count else len(values) < 2:
        wanted = "one number" if count == 1 else f"{count or 'two or more'} numbers"
        raise ValueError(
            f"{path}, line {number}: expected {wanted}, got {len(values)} (a file of graphs is their number; "
            'of each a line "nodes label"; of each of its nodes a line "tag degree neighbours…")'
        )
    return values


def _numbered(values: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
    """0, 1, … in the order of the values that occur."""
    return values.unique(return_inverse=True)[1]


def _one_hot(values: Int[Tensor, " N"]) -> Float[Tensor, "N C"]:
    number = _numbered(values)
    return torch.eye(int(number.max()) + 1)[number]
