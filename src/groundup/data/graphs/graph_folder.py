"""Your own graph, from a folder with a list of edges, labels of some nodes, and optionally features.

friends/edges.csv       one line per edge: two names, and optionally a weight
friends/nodes.csv       one line per node: its name first, then columns of features, its label in a column "label", and
                        optionally "train", "validation" or "test" in a column "split"

Instead of nodes.csv there may be labels.csv (name, label) and features.csv (name, features), or one of the two; or a
pair NAME.cites (edges) and NAME.content (name, features, label), the form in which Cora and others are published.

Each file may be CSV, TSV or words separated by spaces (.csv, .tsv, .txt), with or without a first line of column names.
A network predicts the labels of nodes without one: leave the field empty or write ?; nodes that only edges name have
none. A column of numbers is one feature, standardised unless all its values are 0 or 1; a column of texts is one
feature per text.

    graph = read_graph("friends")
    python examples/graph/cora.py --data friends
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from groundup import checks
from groundup.data.graphs.edge_list import Edges, is_header, read_edges
from groundup.data.graphs.graph import Graph
from groundup.data.registry import GRAPHS
from groundup.data.tables.delimited import Sheet, is_missing, read_sheet, rows_of, write_rows
from groundup.data.tables.encoder import DEGREE, NODE, Column, Encoder, sort_values

logger = logging.getLogger("groundup")

_ENDINGS = (".csv", ".tsv", ".txt")
_LABELS = ("label", "class", "target", "y", "category")  # names of the column of labels
_SPLITS = ("train", "validation", "test")
_MAX_IDENTITY_NODES = 5000  # up to this number each node has a feature of its own; above, its degree is used
RECIPE = (
    "a graph of your own is a folder with edges.csv, two names of nodes in each line, and labels.csv, a name and a "
    "label in each line, or nodes.csv, a name, features and a label; see the first lines of "
    "src/groundup/data/graphs/graph_folder.py"
)


def load_graph(
    name_or_path: str | PathLike[str], label: str = "", features: str = "", like: Encoder | None = None, seed: int = 0
) -> Graph:
    """Return a graph whose nodes have labels, by name or your own.

    Args:
        name_or_path: "cora", "citeseer" or "pubmed", with the word counts of each paper divided by their sum;
            "karate_club"; "planted", a random graph of the size of Cora; or a path for `read_graph`.
        label, features, seed: as for `read_graph`.
        like: encoder of a trained model, which must have the same features.

    Raises `ValueError` for a name that is no graph and no path.
    """
    if name_or_path not in GRAPHS:
        if not Path(name_or_path).expanduser().exists():
            names = ", ".join(map(repr, GRAPHS))
            raise ValueError(
                f"name_or_path must be one of {names}, or a path; {str(name_or_path)!r} is neither: {RECIPE}"
            )
        return read_graph(name_or_path, label, features, like, seed)
    graph: Graph = GRAPHS[str(name_or_path)]()
    if like and graph.encoder and like.feature_names != graph.encoder.feature_names:
        raise ValueError(f"{name_or_path!r} has other features than the graph of the training")
    return graph


def read_graph(
    path: str | PathLike[str], label: str = "", features: str = "", like: Encoder | None = None, seed: int = 0
) -> Graph:
    """Read your own graph; the layout of its files is at the top of this module.

    Args:
        path: the folder, or the file of edges in the same folder as the others.
        label: column that holds the label; by default one called label, class, target, y or category.
        features: features of nodes that have none: "identity", one per node, which does not generalise to new nodes;
            or "degree", one per number of neighbours. By default "identity" up to 5,000 nodes.
        like: encoder of a trained model that determines features and class numbers.
        seed: determines the split of the labelled nodes: a fifth of each class is for validation and a fifth for test,
            rounded down, the rest for training. A column "split" replaces it.

    The graph has masks "train", "validation" and "test", node_names and an encoder; y is -1 for nodes without a label.
    Raises `ValueError`, with file and line, for damaged files, and for a graph with fewer than two classes.

    Example:
        >>> from pathlib import Path
        >>> folder = Path(getfixture("tmp_path"))
        >>> _ = (folder / "edges.csv").write_text("Ann,Bob\\nBob,Eve\\nEve,Ann\\nEve,Kim\\n")
        >>> _ = (folder / "labels.csv").write_text("name,label\\nAnn,red\\nKim,blue\\n")
        >>> graph = read_graph(folder)
        >>> graph.node_names, graph.y.tolist(), graph.encoder.class_names
        (('Ann', 'Kim', 'Bob', 'Eve'), [1, 0, -1, -1], ('blue', 'red'))
    """
    checks.choice("features", features, ("", "identity", "degree"))
    path = Path(path).expanduser()
    folder = path if path.is_dir() else path.parent
    edge_file = path if path.is_file() else _find_file(folder, "edges", (".cites", ".edges", ".edgelist"))
    if edge_file is None:
        raise ValueError(f"{folder} holds no file of edges: {RECIPE}")
    of_nodes = _find_file(folder, "nodes", (".content",))
    files = [of_nodes] if of_nodes else [file for stem in ("labels", "features") if (file := _find_file(folder, stem))]
    rows = [fields[:3] for _, fields in rows_of(edge_file, comments=True)]
    rows = rows[1:] if rows and is_header(rows[0], rows[1:]) else rows
    ends = {name for fields in rows for name in fields[:2]}
    sheets = [_read_node_file(file, ends) for file in files]
    known = list(dict.fromkeys(row[0] for sheet in sheets for row in sheet.rows))
    edges = read_edges(edge_file, known)
    label = label or _label_column(sheets)
    columns = [(sheet, name) for sheet in sheets for name in sheet.names[1:] if name not in (label, "split")]
    if columns:
        edges = _keep_featured(edges, edge_file, columns[0][0])
    sheet = _join_columns(edges, columns, edge_file)
    labels = _fields_of(edges.names, sheets, label) if label else ["?"] * len(edges.names)
    if like is None:
        classes = sort_values(name for name in labels if not is_missing(name))
        if len(classes) < 2:
            found = f"one, {classes[0]!r}" if classes else "none"
            raise ValueError(f"{folder}: the nodes' labels must be of two classes or more, got {found}: {RECIPE}")
        encoder = replace(_make_encoder(sheet, features, edge_file), class_names=classes, target=label)
    else:
        encoder = like
        if missing := [c.name for c in like.columns if c.name not in sheet.names]:
            raise ValueError(
                f"{sheet.path}: the model was trained with a column {missing[0]!r} of features, which is not there; "
                f"the columns are {', '.join(sheet.names[2:]) or 'none'}"
            )
    y = encoder.classes(labels)
    masks = _make_masks(y, _fields_of(edges.names, sheets, "split"), seed)
    return Graph.from_edges(
        edges.pairs,
        x=encoder.encode(sheet),
        weight=edges.weight,
        y=y,
        masks=masks,
        name=folder.resolve().name if path.is_dir() else path.stem,
        node_names=edges.names,
        encoder=encoder,
    )


def write_graph(graph: Graph, folder: str | PathLike[str]) -> Path:
    """Write edges.csv and nodes.csv for `read_graph`; return the folder.

    Args:
        graph: an undirected graph; each edge is written once.
        folder: created if need be.

    Raises `ValueError` for a directed graph, which these files cannot hold.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (row, col), weight = graph.edges.tolist(), graph.adj.values().tolist()
    given = dict(zip(zip(row, col), weight))
    if any(given.get((j, i)) != w for (i, j), w in given.items()):
        raise ValueError("graph must be undirected, a_ij = a_ji: edges.csv holds no directions")
    names = graph.node_names or tuple(map(str, range(len(graph.x))))
    weighted = any(w != 1 for w in weight)
    width = 3 if weighted else 2
    edges = ([names[i], names[j], w][:width] for (i, j), w in given.items() if i <= j)
    write_rows(folder / "edges.csv", ["source", "target", "weight"][:width], edges)
    encoder = graph.encoder or Encoder()
    by_name = encoder.columns and encoder.columns[0].name in (NODE, DEGREE)
    titles = () if by_name else encoder.feature_names or tuple(f"feature {i}" for i in range(graph.x.size(1)))
    x: Any = [[]] * len(names) if by_name else graph.x.cpu().numpy()
    y = [-1] * len(names) if graph.y is None else graph.y.tolist()
    nodes = []
    for name, features, c in zip(names, x, y):
        known = encoder.class_names[c] if encoder.class_names and c >= 0 else "" if c < 0 else str(c)
        nodes.append([name, *(np.format_float_positional(v, trim="-") for v in features), known])
    write_rows(folder / "nodes.csv", ["name", *titles, "label"], nodes)
    return folder


def _find_file(folder: Path, stem: str, endings: Sequence[str] = ()) -> Path | None:
    """Return the file with this stem, or else the only one with one of these endings."""
    for ending in _ENDINGS:
        if (folder / f"{stem}{ending}").is_file():
            return folder / f"{stem}{ending}"
    found = sorted(file for file in folder.iterdir() if file.suffix in endings)
    if len(found) > 1:
        raise ValueError(f"{folder} holds {found[0].name} and {found[1].name}: name the one that is meant {stem}.csv")
    return found[0] if found else None


def _read_node_file(file: Path, ends: Collection[str]) -> Sheet:
    """Return the rows of a file about nodes; without column names, the last column of nodes and labels is the label.

    The first line holds column names if it has no number and does not start with a node that an edge names.
    """
    first = next((fields for _, fields in rows_of(file)), [""])
    titled = first[0] not in ends or any(name.lower() in _LABELS for name in first[1:])
    header = None if titled and file.suffix != ".content" else False
    sheet = read_sheet(file, header, "a line for each node, its name first")
    checks.require(len(sheet.names) > 1, f"{file} must have a name and at least one more column, got one column")
    if sheet.names[0] == "column 1" and file.stem != "features":
        sheet = Sheet(file, (*sheet.names[:-1], "label"), sheet.rows, sheet.lines)
    lines: dict[str, int] = {}
    for number, fields in zip(sheet.lines, sheet.rows):
        if (before := lines.setdefault(fields[0], number)) != number:
            raise ValueError(f"{file}, line {number}: the node {fields[0]!r} comes twice, before in line {before}")
    return sheet


def _label_column(sheets: Sequence[Sheet]) -> str:
    """Return the column of the label, or ""."""
    names = [name for sheet in sheets for name in sheet.names[1:]]
    found = next((name for wanted in _LABELS for name in names if name.lower() == wanted), "")
    alone = [sheet for sheet in sheets if sheet.path.stem == "labels" and len(sheet.names) == 2]
    return found or (alone[0].names[1] if alone else "")


def _keep_featured(edges: Edges, file: Path, sheet: Sheet) -> Edges:
    """Return the edges between nodes with features, and log a warning about the others."""
    having = {row[0] for row in sheet.rows}
    if having >= set(edges.names):
        return edges
    lacking = [name for name in edges.names if name not in having]
    has = torch.tensor([name in having for name in edges.names])
    kept = has[edges.pairs].all(1)
    logger.warning(
        "%s: %d nodes, such as %r, have no row of features in %s: they and their %d edges are left out",
        file, len(lacking), lacking[0], sheet.path.name, int((~kept).sum()),
    )  # fmt: skip
    number = has.cumsum(0) - 1
    names = tuple(name for name in edges.names if name in having)
    return Edges(names, number[edges.pairs[kept]], None if edges.weight is None else edges.weight[kept])


def _join_columns(edges: Edges, columns: Sequence[tuple[Sheet, str]], file: Path) -> Sheet:
    """Return one row per node: its name, its degree, and its fields in columns of features."""
    count = len(edges.names)
    both = torch.cat([edges.pairs, edges.pairs.flip(1)])
    degree = (torch.unique(both[:, 0] * count + both[:, 1]) // count).bincount(minlength=count)
    fields = {NODE: edges.names, DEGREE: [str(d) for d in degree.tolist()]}
    lines: Sequence[int] = range(1, count + 1)
    if columns:
        first = columns[0][0]
        line = {row[0]: number for row, number in zip(first.rows, first.lines)}
        file, lines = first.path, [line[name] for name in edges.names]
        fields |= {name: _fields_of(edges.names, [sheet], name) for sheet, name in columns}
    return Sheet(file, tuple(fields), list(zip(*fields.values())), lines)


def _make_encoder(sheet: Sheet, features: str, file: Path) -> Encoder:
    """Return the encoder of the columns of features, or of names or degrees if there are none."""
    if sheet.names[2:]:
        encoder = Encoder.of(sheet, sheet.names[2:])
        if encoder.columns:
            return encoder.fit_scale(encoder.values(sheet))
    if features == "identity" or (not features and len(sheet) <= _MAX_IDENTITY_NODES):
        logger.warning("%s: the nodes have no features: each has one of its own", file)
        return Encoder((Column(NODE, tuple(sheet.column(NODE))),))
    logger.warning("%s: the nodes have no features: their degree is used", file)
    return Encoder((Column(DEGREE, sort_values(sheet.column(DEGREE))),))


def _fields_of(names: Sequence[str], sheets: Sequence[Sheet], column: str) -> list[str]:
    """Return the field of a column for each node; "" for a node without a row."""
    fields: dict[str, str] = {}
    for sheet in sheets:
        if column in sheet.names[1:]:
            fields |= dict(zip((row[0] for row in sheet.rows), sheet.column(column)))
    return [fields.get(name, "") for name in names]


def _make_masks(y: Int[Tensor, " N"], parts: Sequence[str], seed: int) -> dict[str, Bool[Tensor, " N"]]:
    """Return the masks of the labelled nodes for training, validation and test."""
    if any(parts):
        wrong = sorted({part.lower() for part in parts} - {"", *_SPLITS})
        checks.require(not wrong, f"split must be train, validation, test or empty, got {wrong[0] if wrong else ''!r}")
        return {name: torch.tensor([part.lower() == name for part in parts]) & (y >= 0) for name in _SPLITS}
    part = torch.zeros_like(y)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))
    for c in range(int(y.max()) + 1 if len(y) else 0):
        nodes = (y == c).nonzero().squeeze(1)
        nodes = nodes[torch.randperm(len(nodes), generator=generator)]
        fifth = len(nodes) // 5
        part[nodes[:fifth]], part[nodes[fifth : 2 * fifth]] = 1, 2
    return {name: (part == i) & (y >= 0) for i, name in enumerate(_SPLITS)}
