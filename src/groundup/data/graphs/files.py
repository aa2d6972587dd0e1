"""Sets of graphs in files: the text format that GIN reads, the folders of the TU collection, folders of edge lists.

gin_graphs("MUTAG")                     downloaded: MUTAG, PTC, PROTEINS, IMDBBINARY
tu_graphs("ENZYMES")                    downloaded
read_gin(path), read_tu(folder)         your own files
read_graph_folder(folder)               your own lists of edges, in a subfolder for each class
load_graphs(name or path)               any of them
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from groundup import checks
from groundup.data.download import fetch
from groundup.data.graphs.edges import EDGE_ENDINGS, read_edges
from groundup.data.graphs.generated import motif_graphs
from groundup.data.graphs.sets import GraphSet, encoded
from groundup.data.tables.delimited import existing_file, is_missing, rows_of
from groundup.data.tables.encoder import Encoder

GIN_NAMES = ("MUTAG", "PTC", "PROTEINS", "IMDBBINARY")
TU_NAMES = ("ENZYMES",)
_TU_PARTS = ("A", "graph_indicator", "graph_labels", "node_labels", "node_attributes")


def load_graphs(
    name_or_path: str | PathLike[str],
    degree_as_tag: bool = False,
    padded: bool = False,
    like: Encoder | None = None,
) -> GraphSet:
    """Many graphs, by name or from files of your own.

        name_or_path    "motifs", made here; a set of GIN_NAMES or TU_NAMES, downloaded; a text file in GIN's format
                        (`read_gin`); a folder in TU's (`read_tu`); a folder of edge lists (`read_graph_folder`), or
                        one edge list, which is one graph
        degree_as_tag   the features are a one for the node's degree, instead of what the files say of nodes
        padded          batches hold the graphs side by side, padded to the largest, and a feature whose deviation is
                        above 1 is divided by it: as DiffPoolNet takes them
        like            the encoder of a trained model: features and class numbers are made as it says, and labels that
                        it does not know become -1

    Raises `ValueError` for what is neither a name nor there, and for a file that is damaged.
    """
    graphs = _load_graphs(name_or_path, degree_as_tag, like)
    largest = int(graphs.nodes.max())
    if padded and like is None:
        assert graphs.encoder is not None
        scale = tuple(graphs.x.double().std(0).nan_to_num(1.0).clamp(min=1).tolist())
        like = replace(graphs.encoder, scale=scale, padded=largest)
        graphs = _load_graphs(name_or_path, degree_as_tag, like)
    return graphs.with_padding(max(like.padded, largest)) if like and like.padded else graphs


def _load_graphs(name_or_path: str | PathLike[str], degree_as_tag: bool, like: Encoder | None) -> GraphSet:
    path, name = Path(name_or_path).expanduser(), str(name_or_path)
    if name == "motifs":
        return motif_graphs(degree_as_tag=degree_as_tag, like=like)
    if name in GIN_NAMES:
        return gin_graphs(name, degree_as_tag, like)
    if name in TU_NAMES:
        return tu_graphs(name, degree_as_tag, like)
    if not path.exists():
        names = ", ".join(map(repr, ("motifs", *GIN_NAMES, *TU_NAMES)))
        raise ValueError(f"name_or_path must be one of {names}, a file or a folder; {name!r} is neither")
    if path.is_dir():
        tu = (path / f"{path.resolve().name}_A.txt").exists()
        return read_tu(path, degree_as_tag, like) if tu else read_graph_folder(path, degree_as_tag, like)
    first = next(rows_of(path, comments=True), (0, ["0"]))[1]
    if len(first) == 1 and first[0].isdigit():  # how many graphs there are
        return read_gin(path, degree_as_tag, like)
    return _edge_lists(path, [path], ["?"], degree_as_tag, like)


def gin_graphs(name: str, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """A set of Xu et al. 2019, How Powerful are Graph Neural Networks?, arXiv:1810.00826; IMDBBINARY's tag: degree."""
    checks.choice("name", name, GIN_NAMES)
    return read_gin(fetch(f"gin/{name}/{name}.txt"), degree_as_tag or name == "IMDBBINARY", like)


def tu_graphs(name: str, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """A set of Morris et al. 2020, TUDataset, arXiv:2007.08663."""
    checks.choice("name", name, TU_NAMES)
    paths = [fetch(f"tu/{name}/{name}_{part}.txt") for part in _TU_PARTS]
    return read_tu(paths[0].parent, degree_as_tag, like)


def read_gin(path: str | Path, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """A text file: the number of graphs; of each a line "nodes label", then a line "tag degree neighbours…" a node.

    Tags become one-hot features, labels 0, 1, …, both in the order of their numbers; a label ? is not known, -1.
    Neighbours count from 0 within the graph; whom a node's line names it gathers from.
    `degree_as_tag` and `like` as in `load_graphs`. Raises `ValueError` with the number of a line that is wrong.
    """
    path = existing_file(path, "graphs in GIN's format")
    lines = rows_of(path)
    labels: list[str] = []
    tags: list[str] = []
    nodes: list[int] = []
    degrees: list[int] = []
    neighbours: list[int] = []
    total = 0
    ((count,), where) = _take(lines, path, 1)
    checks.require(count > 0, f"{where}: a file of graphs must hold at least one, got {count}")
    for _ in range(count):
        (n, label), where = _take(lines, path, 2, unknown=True)
        checks.require(n > 0, f"{where}: graph {len(labels)} has no nodes: an empty graph")
        labels.append(str(label))
        nodes.append(n)
        for _ in range(n):
            (tag, degree, *others), where = _take(lines, path)
            if len(others) != degree or any(not 0 <= o < n for o in others):
                raise ValueError(
                    f"{where}: graph {len(labels) - 1} needs lines 'tag degree neighbours', neighbours in "
                    f"[0, {n - 1}], got {' '.join(map(str, (tag, degree, *others)))}"
                )
            tags.append(str(tag))
            degrees.append(degree)
            neighbours += [total + o for o in others]
        total += n
    if (more := next(lines, None)) is not None:
        raise ValueError(f"{path}, line {more[0]}: there are more lines than its {count} graphs need")
    row = torch.arange(total).repeat_interleave(torch.tensor(degrees))
    owner = torch.arange(count).repeat_interleave(torch.tensor(nodes))
    pairs = torch.stack([row, torch.tensor(neighbours, dtype=torch.int64)], 1)
    return encoded(path, {"tag": tags}, pairs, owner, labels, degree_as_tag, like)


def read_tu(folder: str | Path, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """A folder NAME of NAME_A.txt (edges), NAME_graph_indicator.txt, NAME_graph_labels.txt and, where there are any,
    NAME_node_labels.txt (one-hot features) and NAME_node_attributes.txt (features as they are, before those).

    All numbers count from 1. Without labels and attributes every node has a feature 1. Without graph_labels the label
    of each graph is -1. `degree_as_tag` and `like` as in `load_graphs`.
    Raises `ValueError`, naming the file, for one that is missing or damaged.
    """
    folder = Path(folder).expanduser()
    name = folder.resolve().name

    def file(part: str) -> Path:
        return folder / f"{name}_{part}.txt"

    def table(part: str, columns: int) -> Tensor:
        path = existing_file(file(part), "numbers")
        if not path.read_bytes().strip():
            return torch.zeros(0, columns, dtype=torch.int64)
        try:
            values = torch.from_numpy(np.loadtxt(path, dtype=np.int64, delimiter=",", ndmin=2))
        except ValueError as error:
            raise ValueError(f"{path} holds something else than numbers: {error}") from error
        return checks.size(str(path), values, 1, columns, "numbers in each line")

    owner = table("graph_indicator", 1).squeeze(1) - 1
    checks.require(len(owner) > 0, f"{file('graph_indicator')} is empty: it must hold the graph of each node")
    known = file("graph_labels").exists()
    labels = [str(int(y)) for y in table("graph_labels", 1)] if known else ["?"] * (int(owner.max()) + 1)
    checks.indices(f"{name}_graph_indicator, less 1,", owner, len(labels), "the number of graphs")
    if not bool((owner.diff() >= 0).all()):
        raise ValueError(f"{file('graph_indicator')} must list the nodes graph by graph")
    columns: dict[str, list[str]] = {}
    if file("node_attributes").exists():
        rows = [fields for _, fields in rows_of(file("node_attributes"))]
        if len({len(fields) for fields in rows}) > 1:
            raise ValueError(f"{file('node_attributes')} must hold equally many numbers in each line")
        columns |= {f"attribute {i}": list(fields) for i, fields in enumerate(zip(*rows), 1)}
    if file("node_labels").exists():
        columns["tag"] = [fields[0] for _, fields in rows_of(file("node_labels"))]
    for column, fields in columns.items():
        if len(fields) != len(owner):
            raise ValueError(
                f"node features must have {len(owner)} rows, one a node of {name}_graph_indicator.txt, got "
                f"{len(fields)} of {column!r}"
            )
    return encoded(folder, columns, table("A", 2) - 1, owner, labels, degree_as_tag, like)


def read_graph_folder(folder: str | Path, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """A folder with a subfolder for each class, which holds a file of edges for each graph.

        molecules/toxic/benzene.csv         a line for each edge: two names of nodes, and a weight where there is one
        molecules/toxic/phenol.csv
        molecules/harmless/ethanol.csv

    Files without a subfolder have no label, -1: those are graphs to be labelled. Every node has a feature 1, or with
    `degree_as_tag` a one for its degree. `like` as in `load_graphs`.
    """
    folder = Path(folder).expanduser()
    files = sorted(f for f in folder.glob("**/*") if f.suffix.lower() in EDGE_ENDINGS and f.name[0] != ".")
    if not files:
        raise ValueError(
            f"{folder} holds no graphs: it must be a folder in TU's format ({folder.resolve().name}_A.txt and so on), "
            f"or have a subfolder for each class with a file of edges ({', '.join(EDGE_ENDINGS)}) for each graph"
        )
    labels = ["?" if file.parent == folder else file.relative_to(folder).parts[0] for file in files]
    return _edge_lists(folder, files, labels, degree_as_tag, like)


def _edge_lists(
    path: Path, files: list[Path], labels: list[str], degree_as_tag: bool, like: Encoder | None
) -> GraphSet:
    """A set of one graph for each file of edges."""
    pairs, weights, nodes, total = [], [], [], 0
    for file in files:
        edges = read_edges(file)
        checks.require(len(edges.names) > 0, f"{file} holds no edges: an empty graph")
        both = torch.cat([edges.pairs, edges.pairs.flip(1)])  # undirected
        pairs.append(both + total)
        weights.append(edges.weight.repeat(2) if edges.weight is not None else torch.ones(len(both)))
        nodes.append(len(edges.names))
        total += nodes[-1]
    owner = torch.arange(len(files)).repeat_interleave(torch.tensor(nodes))
    names = tuple(str(file.relative_to(path)) if file != path else file.name for file in files)
    return encoded(path, {}, torch.cat(pairs), owner, labels, degree_as_tag, like, torch.cat(weights), names)


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


def _take(
    lines: Iterator[tuple[int, list[str]]], path: Path, count: int | None = None, unknown: bool = False
) -> tuple[list[Any], str]:
    """The next line's integers, `count` of them, or two and more, and where it is; `unknown`: the last may be ?."""
    number, fields = next(lines, (0, []))
    checks.require(number > 0, f"{path} ends too early")
    where = f"{path}, line {number}"
    try:
        values = [field if unknown and i > 0 and is_missing(field) else int(field) for i, field in enumerate(fields)]
    except ValueError:
        raise ValueError(f"{where}: expected whole numbers, got {' '.join(fields)!r}") from None
    if len(values) != count if count else len(values) < 2:
        wanted = "one number" if count == 1 else f"{count or 'two or more'} numbers"
        raise ValueError(
            f"{where}: expected {wanted}, got {len(values)} (a file of graphs is their number; "
            'of each a line "nodes label"; of each of its nodes a line "tag degree neighbours…")'
        )
    return values, where
