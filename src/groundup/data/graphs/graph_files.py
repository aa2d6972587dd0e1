"""Sets of graphs from files: GIN's text format, folders of the TU collection, folders of edge lists.

gin_graphs("MUTAG")                     downloaded: MUTAG, PTC, PROTEINS, IMDBBINARY
tu_graphs("ENZYMES")                    downloaded
read_gin(path), read_tu(folder)         your own files
read_graph_folder(folder)               your own lists of edges, in a subfolder for each class
load_graphs(name or path)               any of them

GIN's sets are those of Xu et al. 2019, How Powerful are Graph Neural Networks?, arXiv:1810.00826.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from groundup import checks
from groundup.data.download import fetch, register_files
from groundup.data.graphs.edge_list import EDGE_ENDINGS, read_edges
from groundup.data.graphs.graph_set import GraphSet, encode_graphs
from groundup.data.registry import GRAPH_SETS
from groundup.data.tables.delimited import existing_file, is_missing, rows_of
from groundup.data.tables.encoder import Encoder

_GIN = {
    "MUTAG/MUTAG.txt": (32_377, "5897dae243f6c773aab54ec99e86551c3b1e8601acef254714073042c632d30e"),
    "PTC/PTC.txt": (89_912, "711729eaf2a5308752aa7c11062dd99f645f978afc400909a5927051b314ec55"),
    "PROTEINS/PROTEINS.txt": (642_021, "ed0730f9bf9da68aa6a8c80f2f2b6ecea5d05791ca254c709f3efab3b45d937b"),
    "IMDBBINARY/IMDBBINARY.txt": (581_321, "1068c698677c07c04f3ad56fc4a175cb2161523c840abfdaf50e101ecc30504f"),
}
_ENZYMES = {
    "ENZYMES_A.txt": (885_124, "5553c84f8f562f3e199dfd27192174f485e85c44c1357661098668937a739cbf"),
    "ENZYMES_graph_indicator.txt": (74_914, "95ba0fa47eba6f02e6b754a215dc66d5b49de3f45f57a128514301a8d7ed5f46"),
    "ENZYMES_graph_labels.txt": (1_200, "04743e08967e61e65cdacbb90f8df6ee53742b3d2e7b84675b85ebac70506856"),
    "ENZYMES_node_attributes.txt": (3_876_850, "305a8fc3b12f79fb844ef3374d6a3c8ceeb4887dd4f86bbfe37932c4c5434e7b"),
    "ENZYMES_node_labels.txt": (39_160, "8263eb9b64efa231a5886343483ccfc0342f2407014763a8f738fd51c32ce770"),
}
_GITHUB = "https://raw.githubusercontent.com"
register_files("gin", _GIN, f"{_GITHUB}/muhanzhang/pytorch_DGCNN/master/data/")
register_files("tu/ENZYMES", _ENZYMES, f"{_GITHUB}/RexYing/diffpool/master/data/ENZYMES/")

GIN_NAMES = ("MUTAG", "PTC", "PROTEINS", "IMDBBINARY")
TU_NAMES = ("ENZYMES",)
_TU_PARTS = ("A", "graph_indicator", "graph_labels", "node_labels", "node_attributes")


def load_graphs(
    name_or_path: str | PathLike[str],
    degree_as_tag: bool = False,
    padded: bool = False,
    like: Encoder | None = None,
) -> GraphSet:
    """Return a set of graphs by name, or your own.

    Args:
        name_or_path: "motifs", which needs no file; "MUTAG", "PTC", "PROTEINS", "IMDBBINARY" or "ENZYMES", which are
            downloaded; a text file in GIN's format (`read_gin`); a folder in TU's (`read_tu`); a folder of edge lists
            (`read_graph_folder`); or one edge list, which is one graph.
        degree_as_tag: use a one-hot feature of each node's degree instead of the features in the files.
        padded: batches are padded to the largest graph, and features with a deviation above 1 are divided by it, as
            `DiffPoolNet` needs them.
        like: encoder of a trained model that determines features and class numbers; labels that it does not know
            become -1.

    Raises `ValueError` for a name that is no set and no path, and for a damaged file.

    Example:
        >>> load_graphs("motifs")
        motifs: 1,000 graphs of 2 classes, 1 features, 25.00 nodes and 25.50 undirected edges on average
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
    if name in GRAPH_SETS:
        return GRAPH_SETS[name](degree_as_tag, like)
    if not path.exists():
        names = ", ".join(map(repr, GRAPH_SETS))
        raise ValueError(f"name_or_path must be one of {names}, a file or a folder; {name!r} is neither")
    if path.is_dir():
        tu = (path / f"{path.resolve().name}_A.txt").exists()
        return read_tu(path, degree_as_tag, like) if tu else read_graph_folder(path, degree_as_tag, like)
    first = next(rows_of(path, comments=True), (0, ["0"]))[1]
    if len(first) == 1 and first[0].isdigit():  # the number of graphs
        return read_gin(path, degree_as_tag, like)
    return _edge_lists(path, [path], ["?"], degree_as_tag, like)


def gin_graphs(name: str, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """Return one of the sets of GIN; downloaded once.

    Args:
        name: "MUTAG", "PTC", "PROTEINS" or "IMDBBINARY", whose feature is always the degree, as it has no tags.
        degree_as_tag, like: as for `load_graphs`.
    """
    checks.choice("name", name, GIN_NAMES)
    return read_gin(fetch(f"gin/{name}/{name}.txt"), degree_as_tag or name == "IMDBBINARY", like)


def tu_graphs(name: str, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """Return a set of Morris et al. 2020, TUDataset, arXiv:2007.08663; downloaded once.

    Args:
        name: "ENZYMES".
        degree_as_tag, like: as for `load_graphs`.
    """
    checks.choice("name", name, TU_NAMES)
    paths = [fetch(f"tu/{name}/{name}_{part}.txt") for part in _TU_PARTS]
    return read_tu(paths[0].parent, degree_as_tag, like)


for _names, _load in ((GIN_NAMES, gin_graphs), (TU_NAMES, tu_graphs)):
    for _name in _names:
        GRAPH_SETS.register(_name)(partial(_load, _name))


def read_gin(path: str | Path, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """Read graphs from a text file in GIN's format.

    The first line is the number of graphs. Each graph has a line "nodes label", then one line per node, "tag degree
    neighbours…", with neighbours numbered from 0 within the graph; a node gathers from the neighbours in its line.

    Args:
        path: the file. Tags become one-hot features and labels the classes 0, 1, …, both in the order of their
            numbers; the label ? means unknown, -1.
        degree_as_tag, like: as for `load_graphs`.

    Raises `ValueError` with the number of a wrong line.
    """
    path = existing_file(path, "graphs in GIN's format")
    lines = rows_of(path)
    labels: list[str] = []
    tags: list[str] = []
    nodes: list[int] = []
    degrees: list[int] = []
    neighbours: list[int] = []
    total = 0
    ((count,), where) = _next_integers(lines, path, 1)
    checks.require(count > 0, f"{where}: a file of graphs must hold at least one, got {count}")
    for _ in range(count):
        (n, label), where = _next_integers(lines, path, 2, unknown=True)
        checks.require(n > 0, f"{where}: graph {len(labels)} has no nodes: an empty graph")
        labels.append(str(label))
        nodes.append(n)
        for _ in range(n):
            (tag, degree, *others), where = _next_integers(lines, path)
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
    return encode_graphs(path, {"tag": tags}, pairs, owner, labels, degree_as_tag, like)


def read_tu(folder: str | Path, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """Read a folder of the TU collection.

    Args:
        folder: folder NAME with NAME_A.txt (edges) and NAME_graph_indicator.txt; optionally NAME_graph_labels.txt,
            without which the class of every graph is -1, NAME_node_attributes.txt (numeric features) and
            NAME_node_labels.txt (one-hot features, after those). Without both, every node has the feature 1. All
            numbers in the files start at 1.
        degree_as_tag, like: as for `load_graphs`.

    Raises `ValueError`, naming the file, if one is missing or damaged.
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
                f"node features must have {len(owner)} rows, one per node of {name}_graph_indicator.txt, got "
                f"{len(fields)} of {column!r}"
            )
    return encode_graphs(folder, columns, table("A", 2) - 1, owner, labels, degree_as_tag, like)


def read_graph_folder(folder: str | Path, degree_as_tag: bool = False, like: Encoder | None = None) -> GraphSet:
    """Read a folder with one subfolder per class and one edge list per graph.

        molecules/toxic/benzene.csv         one line per edge: the names of two nodes, and optionally a weight
        molecules/toxic/phenol.csv
        molecules/harmless/ethanol.csv

    Args:
        folder: the folder. Graphs outside of the subfolders have no label, -1: a model can label them.
        degree_as_tag, like: as for `load_graphs`. By default every node has the feature 1.

    Raises `ValueError` for a folder without edge lists.
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
    """Return a set of one undirected graph per edge list."""
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
    return encode_graphs(path, {}, torch.cat(pairs), owner, labels, degree_as_tag, like, torch.cat(weights), names)


def folds(
    y: Int[Tensor, " B"], count: int = 10, seed: int = 0
) -> list[tuple[Int[Tensor, " train"], Int[Tensor, " test"]]]:
    """Return (train, test) indices of each fold of a stratified cross-validation.

    Args:
        y: (B,) class numbers.
        count: number of folds. Every sample is in the test part of one fold, with every class in proportion.
        seed: determines the folds.

    Raises `ValueError` if a class has fewer samples than there are folds.

    Example:
        >>> [len(test) for _, test in folds(torch.tensor([0, 0, 1, 1]), count=2)]
        [2, 2]
    """
    checks.integer("count", count, 2)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))
    order = torch.randperm(len(y), generator=generator)
    order = order[y[order].argsort(stable=True)]  # class by class, each in random order
    part = torch.empty_like(order).scatter_(0, order, torch.arange(len(y)) % count)
    smallest = int(y.bincount().min())
    checks.require(smallest >= count, f"count must be at most {smallest}, the smallest class's graphs, got {count}")
    return [((part != i).nonzero().squeeze(1), (part == i).nonzero().squeeze(1)) for i in range(count)]


def _next_integers(
    lines: Iterator[tuple[int, list[str]]], path: Path, count: int | None = None, unknown: bool = False
) -> tuple[list[Any], str]:
    """Return the integers of the next line and its location, for messages.

    Args:
        lines, path: lines that are left, and their file.
        count: number of integers that there must be; None for two or more.
        unknown: True if fields after the first may be "?".
    """
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
