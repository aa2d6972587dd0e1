"""Label new data with a trained model: nodes, graphs or rows of a table; or rate pairs of user and item.

save_labeller(model, encoder, "runs/cora/model")        save the model, and how its data was encoded
labels = label("friends", "runs/cora/model")            read new data, encode it in the same way, and label it

    groundup label friends --model runs/cora/model
"""

from __future__ import annotations

import csv
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.autoencoders import MatrixFactorization
from groundup.data import (
    Column,
    Encoder,
    Graph,
    GraphBatch,
    GraphSet,
    Loader,
    PaddedBatch,
    Ratings,
    load_graph,
    load_graphs,
    read_ratings,
    read_sheet,
)
from groundup.data.tables.delimited import rows_of
from groundup.data.tables.encoder import FILE
from groundup.functional import sigmoid, softmax
from groundup.models.graph_networks import GCN, GIN, DiffPoolNet, GraphSAGE
from groundup.models.shallow_models import LogisticRegression, MultinomialLogisticRegression
from groundup.weights.config import Config, read_config
from groundup.weights.matching import load_weights
from groundup.weights.saving import save_weights
from groundup.weights.weight_files import CONFIG

BATCH_GRAPHS = 256  # number of graphs that are scored together


class Label(NamedTuple):
    """The label or rating of one node, graph, row or pair, and its probability; `given` is the label in the data."""

    name: str
    label: str
    probability: float | None
    given: str


@dataclass(frozen=True)
class Labels:
    """The labels that a model gives to new data.

    Args:
        kind: "node", "graph", "row" or "user, item".
        entries: the labels, in the order of the data.
        scores: the probabilities of the classes (N, C), or the ratings (N,).
        title: a description of the data and the model.
    """

    kind: str
    entries: list[Label]
    scores: Tensor
    title: str

    def agreement(self) -> str:
        """Return a sentence about the agreement with the labels in the data; "" if it has none."""
        known = [entry for entry in self.entries if entry.given]
        if not known:
            return ""
        if self.scores.dim() == 1:
            error = torch.tensor([float(entry.label) - float(entry.given) for entry in known]).square().mean().sqrt()
            return f"root mean square difference to the {len(known):,} ratings of the data: {float(error):.3f}"
        right = sum(entry.label == entry.given for entry in known)
        return f"agrees with {right:,} of the {len(known):,} labels of the data: {100 * right / len(known):.1f} %"

    def write(self, path: str | PathLike[str]) -> Path:
        """Write all labels as CSV and return the path."""
        path = Path(path)
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow([*self._titles, "given"])
            for entry in self.entries:
                chance = [] if entry.probability is None else [f"{entry.probability:.6f}"]
                lines.writerow([*entry.name.split("\t"), entry.label, *chance, entry.given])
        return path

    def lines(self, rows: int) -> list[str]:
        """Return the lines of a table of the first `rows` labels."""
        table = [list(self._titles)]
        for entry in self.entries[:rows]:
            chance = [] if entry.probability is None else [f"{100 * entry.probability:.1f} %"]
            table.append([*entry.name.split("\t"), entry.label, *chance])
        widths = [min(30, max(len(row[i]) for row in table)) for i in range(len(table[0]))]
        lines = [
            "  ".join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table
        ]
        left = len(self.entries) - rows
        return lines + ([f"... and {left:,} more: --output labels.csv writes all"] if left > 0 else [])

    @property
    def _titles(self) -> tuple[str, ...]:
        names = tuple(self.kind.split(", "))
        return (*names, "rating") if self.scores.dim() == 1 else (*names, "label", "probability")


def save_labeller(model: Any, encoder: Encoder, folder: str | PathLike[str]) -> Path:
    """Save a trained model for `label`: weights, class, arguments, and how its data was encoded.

    Args:
        model: GCN, GraphSAGE (label nodes); GIN, DiffPoolNet (graphs); LogisticRegression,
            MultinomialLogisticRegression (rows of a table); MatrixFactorization (rates pairs).
        encoder: that of the Graph, GraphSet or Table of the training; for Ratings `ratings_encoder(ratings)`.
        folder: created if need be; config.json, model.safetensors and data.json are written there.

    Raises `TypeError` for a model of another class and `ValueError` for an encoder that does not fit the model.
    """
    folder, name = Path(folder), type(model).__name__
    if name not in _CLASSES:
        raise TypeError(f"model must be one of {', '.join(_CLASSES)}, got {name}")
    is_rating = isinstance(model, MatrixFactorization)
    if not is_rating and encoder.num_features != model.in_features:
        raise ValueError(
            f"encoder makes {encoder.num_features} features, but model was built for {model.in_features}: pass the "
            "encoder of the data that it was trained on"
        )
    classes = getattr(model, "num_classes", 2)
    if not is_rating and len(encoder.class_names) != classes:
        raise ValueError(f"encoder names {len(encoder.class_names)} classes, but model scores {classes}")
    (folder / FILE).unlink(missing_ok=True)  # an old encoder never stays with a new model
    if is_rating:
        arguments = {"num_users": model.num_users, "num_items": model.num_items, "rank": model.rank}
        arguments |= {"bias": model.user_bias is not None}
        save_weights(model.state_dict(), folder, config=Config(name, arguments).as_json())
    else:
        model.class_names = encoder.class_names
        model.save_pretrained(folder)
    encoder.save(folder)
    return folder


def load_labeller(folder: str | PathLike[str]) -> tuple[Any, Encoder]:
    """Load (model in eval mode, encoder) from a folder that `save_labeller` wrote.

    Raises `ValueError` for another folder and `WeightError` for damaged weights.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"model must be a folder that an example has saved, such as runs/cora/model, got {str(folder)!r}"
        )
    config = read_config(folder)
    name = config.model if config else ""
    if config is None or name not in _CLASSES:
        found = f"a {name}" if name else f"no {CONFIG} of a model"
        raise ValueError(f"{folder} holds {found}; label asks a model of the classes {', '.join(_CLASSES)}")
    encoder = Encoder.load(folder)
    try:
        model = _CLASSES[name](**(config.arguments or {}))
    except (TypeError, ValueError) as failure:
        raise ValueError(f"{folder / CONFIG}: no {name} is built so: {failure}") from failure
    load_weights(model, folder)
    return model.eval(), encoder


def label(data: str | PathLike[str], folder: str | PathLike[str]) -> Labels:
    """Label new data with a saved model.

    Args:
        data: for nodes a name or folder that `load_graph` takes, of which the nodes without a label are labelled, or
            all if none is without; for graphs one that `load_graphs` takes; for rows a table (CSV or TSV) with the
            columns of the training, in any order, with or without the class; for ratings lines of user, item and,
            optionally, rating.
        folder: a folder that `save_labeller` wrote.

    Raises `ValueError` for data that is damaged, or lacks columns of the training.
    """
    model, encoder = load_labeller(folder)
    name = type(model).__name__
    labels = _LABELLERS[type(model)](data, model, encoder)
    return Labels(labels.kind, labels.entries, labels.scores, f"{labels.title}\nby {name} of {folder}")


def label_command(data: str | PathLike[str], folder: str | PathLike[str]) -> str:
    """Return the command that labels data with a saved model."""
    return shlex.join(["groundup", "label", str(data), "--model", str(folder)])


@torch.no_grad()
def node_scores(model: Any, graph: Graph) -> Float[Tensor, "N C"]:
    """Return the scores of all nodes, in eval mode."""
    return model.eval()(node_inputs(model, graph), graph.adj)


def node_inputs(model: Any, graph: Graph) -> Float[Tensor, "N I"]:
    """Return the features of a graph: in sparse layout for a GCN, if at most one number in ten is not 0."""
    sparse = isinstance(model, GCN) and int(graph.x.count_nonzero()) <= 0.1 * graph.x.numel()
    return graph.x.to_sparse() if sparse else graph.x


def most_frequent(y: Tensor) -> float:
    """Return how often the most frequent label is right, in %. Label -1 means none."""
    counts = y[y >= 0].bincount()
    return float(100 * counts.max() / counts.sum())


def batch_scores(model: Any, batch: GraphBatch | PaddedBatch) -> tuple[Tensor, Tensor | float]:
    """Return (scores of a batch of graphs, the loss terms that the model adds)."""
    if isinstance(batch, GraphBatch):
        return model(batch.x, batch.adj, batch.batch_index, batch.num_graphs), 0.0
    out = model(batch.x, batch.adj, batch.mask)
    return out.logits, out.link_loss + out.entropy_loss


@torch.no_grad()
def graph_scores(model: Any, graphs: GraphSet) -> Float[Tensor, "B C"]:
    """Return the scores of all graphs, in eval mode."""
    model.eval()
    return torch.cat([batch_scores(model, batch)[0] for batch in Loader(graphs, BATCH_GRAPHS)])


def ratings_encoder(ratings: Ratings) -> Encoder:
    """Return an encoder with the names of users and items, and the lowest and highest rating."""
    low, high = ratings.ratings.aminmax()
    columns = Column("user", ratings.user_names), Column("item", ratings.item_names)
    return Encoder(columns, limits=(float(low), float(high)))


def _entries(names: Any, encoder: Encoder, chances: Float[Tensor, "N C"], given: Any) -> list[Label]:
    best = chances.max(1)
    known = encoder.class_names or tuple(f"class {i}" for i in range(chances.size(1)))
    rows = zip(names, best.indices.tolist(), best.values.tolist(), given)
    return [Label(str(name), known[c], chance, said) for name, c, chance, said in rows]


def _require_finite(model: Any, scores: Tensor) -> Tensor:
    name = type(model).__name__
    checks.require(bool(scores.isfinite().all()), f"model: {name} gives no finite scores: are its weights damaged?")
    return scores


def _format_given(encoder: Encoder, y: Tensor) -> list[str]:
    return [encoder.class_names[c] if 0 <= c < len(encoder.class_names) else "" for c in y.tolist()]


def _label_nodes(data: str | PathLike[str], model: Any, encoder: Encoder) -> Labels:
    graph = load_graph(data, like=encoder)
    assert graph.y is not None
    wanted = (graph.y < 0).nonzero().squeeze(1)
    wanted = torch.arange(len(graph.x)) if len(wanted) == 0 else wanted
    chances = softmax(_require_finite(model, node_scores(model, graph))[wanted], -1)
    names = graph.node_names or range(len(graph.x))
    entries = _entries([names[i] for i in wanted.tolist()], encoder, chances, _format_given(encoder, graph.y[wanted]))
    return Labels("node", entries, chances, f"{len(wanted):,} of {graph}")


def _label_graphs(data: str | PathLike[str], model: Any, encoder: Encoder) -> Labels:
    graphs = load_graphs(data, like=encoder)
    chances = softmax(_require_finite(model, graph_scores(model, graphs)), -1)
    names = graphs.graph_names or range(len(graphs))
    return Labels("graph", _entries(names, encoder, chances, _format_given(encoder, graphs.y)), chances, str(graphs))


@torch.no_grad()
def _label_rows(data: str | PathLike[str], model: Any, encoder: Encoder) -> Labels:
    names = [column.name for column in encoder.columns]
    first = next((fields for _, fields in rows_of(Path(data))), []) if Path(data).is_file() else []
    header = True if set(names) & set(first) else False if names[0].startswith("column ") else None
    sheet = read_sheet(data, header, "a table, a line for each sample")
    z = _require_finite(model, model.eval()(encoder.encode(sheet)))
    chances = softmax(z, -1) if z.dim() == 2 else torch.stack([sigmoid(-z), sigmoid(z)], 1)
    said = sheet.column(encoder.target) if encoder.target in sheet.names else [""] * len(sheet)
    given = [text if text in encoder.class_names else "" for text in said]
    rows = [f"line {line}" for line in sheet.lines]
    return Labels("row", _entries(rows, encoder, chances, given), chances, f"{sheet.path}: {len(sheet):,} rows")


def _rate_pairs(data: str | PathLike[str], model: Any, encoder: Encoder) -> Labels:
    users, items = (column.values for column in encoder.columns)
    pairs = read_ratings(data, (users, items))
    numbers = []
    for column, names, ids in zip(encoder.columns, (pairs.user_names, pairs.item_names), (pairs.users, pairs.items)):
        place = {name: i for i, name in enumerate(column.values)}
        if new := [name for name in names if name not in place]:
            raise ValueError(f"{data}: the {column.name} {new[0]!r} has no rating in the training: take its lines out")
        numbers.append(torch.tensor([place[name] for name in names])[ids])
    ratings = _require_finite(model, model.predict(*numbers)).clamp(*encoder.limits)
    rows = zip(pairs.users.tolist(), pairs.items.tolist(), ratings.tolist(), pairs.ratings.tolist())
    entries = [
        Label(f"{pairs.user_names[u]}\t{pairs.item_names[i]}", f"{r:.3f}", None, "" if given != given else f"{given:g}")
        for u, i, r, given in rows
    ]
    return Labels("user, item", entries, ratings, f"{data}: {pairs}")


_LABELLERS: Mapping[type[Any], Callable[[Any, Any, Encoder], Labels]] = {
    **dict.fromkeys((GCN, GraphSAGE), _label_nodes),
    **dict.fromkeys((GIN, DiffPoolNet), _label_graphs),
    **dict.fromkeys((LogisticRegression, MultinomialLogisticRegression), _label_rows),
    MatrixFactorization: _rate_pairs,
}
_CLASSES = {cls.__name__: cls for cls in _LABELLERS}


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
