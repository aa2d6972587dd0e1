"""Label new data with a trained model: nodes, graphs, rows of a table; or rate pairs.

save_labeller(model, encoder, "runs/cora/model")        beside the weights, how the data was prepared
labels = label("friends", "runs/cora/model")            read, prepared in the same way, and labelled

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

_BATCH = 256  # graphs that are scored at a time


class Label(NamedTuple):
    """One answer: the name of a thing, its class or rating, the probability; `given` is the label in the data."""

    name: str
    label: str
    probability: float | None
    given: str


@dataclass(frozen=True)
class Labels:
    """The answers of a model, one for each thing that it was asked about.

    kind      "node", "graph", "row" or "user, item"
    entries   in the order of the data
    scores    the probabilities of the classes (N, C), or the ratings (N,)
    title     the model and the data, in words
    """

    kind: str
    entries: list[Label]
    scores: Tensor
    title: str

    def agreement(self) -> str:
        """How well the labels agree with those that the data has itself, in words; "" where it has none."""
        known = [entry for entry in self.entries if entry.given]
        if not known:
            return ""
        if self.scores.dim() == 1:
            error = torch.tensor([float(entry.label) - float(entry.given) for entry in known]).square().mean().sqrt()
            return f"root mean square difference to the {len(known):,} ratings of the data: {float(error):.3f}"
        right = sum(entry.label == entry.given for entry in known)
        return f"agrees with {right:,} of the {len(known):,} labels of the data: {100 * right / len(known):.1f} %"

    def write(self, path: str | PathLike[str]) -> Path:
        """Write all entries as CSV."""
        path = Path(path)
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow([*self._titles, "given"])
            for entry in self.entries:
                chance = [] if entry.probability is None else [f"{entry.probability:.6f}"]
                lines.writerow([*entry.name.split("\t"), entry.label, *chance, entry.given])
        return path

    def lines(self, rows: int) -> list[str]:
        """A table of the first `rows` entries, for the eye."""
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
    """Save a trained model for `label`: its weights, class and arguments, and how its data was prepared.

        model      GCN, GraphSAGE (labels of nodes); GIN, DiffPoolNet (of graphs); LogisticRegression,
                   MultinomialLogisticRegression (of rows of a table); MatrixFactorization (ratings)
        encoder    of the Graph, GraphSet or Table that it was trained on; of Ratings, `ratings_encoder(ratings)`
        folder     is made if need be; config.json, model.safetensors and data.json are written there

    Raises `TypeError` for a model of another class, `ValueError` for an encoder that does not fit the model.
    """
    folder, name = Path(folder), type(model).__name__
    if name not in _KINDS:
        raise TypeError(f"model must be one of {', '.join(_KINDS)}, got {name}")
    if isinstance(model, MatrixFactorization):
        (folder / FILE).unlink(missing_ok=True)
        given = {"num_users": model.num_users, "num_items": model.num_items, "rank": model.rank}
        config = Config(name, {**given, "bias": model.user_bias is not None}).as_json()
        save_weights(model.state_dict(), folder, config=config)
    else:
        if encoder.num_features != model.in_features:
            raise ValueError(
                f"encoder makes {encoder.num_features} features, but model was built for {model.in_features}: pass the "
                "encoder of the data that it was trained on"
            )
        classes = getattr(model, "num_classes", 2)
        if len(encoder.class_names) != classes:
            raise ValueError(f"encoder names {len(encoder.class_names)} classes, but model scores {classes}")
        (folder / FILE).unlink(missing_ok=True)
        model.class_names = encoder.class_names
        model.save_pretrained(folder)
    encoder.save(folder)
    return folder


def load_labeller(folder: str | PathLike[str]) -> tuple[Any, Encoder]:
    """(the model in eval mode, the encoder) of a folder that `save_labeller` wrote.

    Raises `ValueError` for a folder that is none; `WeightError` for weights that are damaged.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"model must be a folder that an example has saved, such as runs/cora/model, got {str(folder)!r}"
        )
    config = read_config(folder)
    name = config.model if config else ""
    if config is None or name not in _KINDS:
        found = f"a {name}" if name else f"no {CONFIG} of a model"
        raise ValueError(f"{folder} holds {found}; label asks a model of the classes {', '.join(_KINDS)}")
    encoder = Encoder.load(folder)
    try:
        model = _KINDS[name].model(**(config.arguments or {}))
    except (TypeError, ValueError) as failure:
        raise ValueError(f"{folder / CONFIG}: no {name} is built so: {failure}") from failure
    load_weights(model, folder)
    return model.eval(), encoder


def label(data: str | PathLike[str], folder: str | PathLike[str]) -> Labels:
    """Label new data with the model saved in `folder`.

    data     of nodes: a name or folder that `load_graph` takes; the nodes without a label are asked, or else all;
             of graphs: one that `load_graphs` takes; of rows: a table, CSV or TSV, with the columns of the training,
             in any order, the class left out or not; of ratings: lines of user, item and, where known, rating

    Raises `ValueError` for data that is damaged, or lacks what the model was trained with.
    """
    model, encoder = load_labeller(folder)
    name = type(model).__name__
    labels = _KINDS[name].ask(data, model, encoder)
    return Labels(labels.kind, labels.entries, labels.scores, f"{labels.title}\nby {name} of {folder}")


def label_command(data: str | PathLike[str], folder: str | PathLike[str]) -> str:
    """The command that labels data with a saved model."""
    return shlex.join(["groundup", "label", str(data), "--model", str(folder)])


@torch.no_grad()
def node_scores(model: Any, graph: Graph) -> Float[Tensor, "N C"]:
    """The scores of all nodes, in eval mode."""
    return model.eval()(node_inputs(model, graph), graph.adj)


def node_inputs(model: Any, graph: Graph) -> Float[Tensor, "N I"]:
    """The features as the model takes them: in sparse layout for a GCN, where at most one number in ten is not 0."""
    sparse = isinstance(model, GCN) and int(graph.x.count_nonzero()) <= 0.1 * graph.x.numel()
    return graph.x.to_sparse() if sparse else graph.x


def most_frequent(y: Tensor) -> float:
    """How often the most frequent label is right, in %; -1 is no label."""
    counts = y[y >= 0].bincount()
    return float(100 * counts.max() / counts.sum())


def batch_scores(model: Any, batch: GraphBatch | PaddedBatch) -> tuple[Tensor, Tensor | float]:
    """(the scores of a batch of graphs, what the model adds to the loss)."""
    if isinstance(batch, GraphBatch):
        return model(batch.x, batch.adj, batch.batch_index, batch.num_graphs), 0.0
    out = model(batch.x, batch.adj, batch.mask)
    return out.logits, out.link_loss + out.entropy_loss


@torch.no_grad()
def graph_scores(model: Any, graphs: GraphSet) -> Float[Tensor, "B C"]:
    """The scores of all graphs, in eval mode."""
    model.eval()
    return torch.cat([batch_scores(model, batch)[0] for batch in Loader(graphs, _BATCH)])


def ratings_encoder(ratings: Ratings) -> Encoder:
    """The names of users and items, and the lowest and highest rating."""
    low, high = ratings.ratings.aminmax()
    columns = Column("user", ratings.user_names), Column("item", ratings.item_names)
    return Encoder(columns, limits=(float(low), float(high)))


def _entries(names: Any, encoder: Encoder, chances: Float[Tensor, "N C"], given: Any) -> list[Label]:
    best = chances.max(1)
    known = encoder.class_names or tuple(f"class {i}" for i in range(chances.size(1)))
    rows = zip(names, best.indices.tolist(), best.values.tolist(), given)
    return [Label(str(name), known[c], chance, said) for name, c, chance, said in rows]


def _finite(model: Any, scores: Tensor) -> Tensor:
    name = type(model).__name__
    checks.require(bool(scores.isfinite().all()), f"model: {name} gives no finite scores: are its weights damaged?")
    return scores


def _given(encoder: Encoder, y: Tensor) -> list[str]:
    return [encoder.class_names[c] if 0 <= c < len(encoder.class_names) else "" for c in y.tolist()]


def _ask_nodes(data: str | PathLike[str], model: Any, encoder: Encoder) -> Labels:
    graph = load_graph(data, like=encoder)
    assert graph.y is not None
    asked = (graph.y < 0).nonzero().squeeze(1)
    asked = torch.arange(len(graph.x)) if len(asked) == 0 else asked
    chances = softmax(_finite(model, node_scores(model, graph))[asked], -1)
    names = graph.node_names or range(len(graph.x))
    entries = _entries([names[i] for i in asked.tolist()], encoder, chances, _given(encoder, graph.y[asked]))
    return Labels("node", entries, chances, f"{len(asked):,} of {graph}")


def _ask_graphs(data: str | PathLike[str], model: Any, encoder: Encoder) -> Labels:
    graphs = load_graphs(data, like=encoder)
    chances = softmax(_finite(model, graph_scores(model, graphs)), -1)
    names = graphs.graph_names or range(len(graphs))
    return Labels("graph", _entries(names, encoder, chances, _given(encoder, graphs.y)), chances, str(graphs))


@torch.no_grad()
def _ask_rows(data: str | PathLike[str], model: Any, encoder: Encoder) -> Labels:
    names = [column.name for column in encoder.columns]
    first = next((fields for _, fields in rows_of(Path(data))), []) if Path(data).is_file() else []
    header = True if set(names) & set(first) else False if names[0].startswith("column ") else None
    sheet = read_sheet(data, header, "a table, a line for each sample")
    z = _finite(model, model.eval()(encoder.encode(sheet)))
    chances = softmax(z, -1) if z.dim() == 2 else torch.stack([sigmoid(-z), sigmoid(z)], 1)
    said = sheet.column(encoder.target) if encoder.target in sheet.names else [""] * len(sheet)
    given = [text if text in encoder.class_names else "" for text in said]
    rows = [f"line {line}" for line in sheet.lines]
    return Labels("row", _entries(rows, encoder, chances, given), chances, f"{sheet.path}: {len(sheet):,} rows")


def _ask_pairs(data: str | PathLike[str], model: Any, encoder: Encoder) -> Labels:
    users, items = (column.values for column in encoder.columns)
    pairs = read_ratings(data, (users, items))
    numbers = []
    for column, names, ids in zip(encoder.columns, (pairs.user_names, pairs.item_names), (pairs.users, pairs.items)):
        place = {name: i for i, name in enumerate(column.values)}
        if new := [name for name in names if name not in place]:
            raise ValueError(f"{data}: the {column.name} {new[0]!r} has no rating in the training: take its lines out")
        numbers.append(torch.tensor([place[name] for name in names])[ids])
    ratings = _finite(model, model.predict(*numbers)).clamp(*encoder.limits)
    rows = zip(pairs.users.tolist(), pairs.items.tolist(), ratings.tolist(), pairs.ratings.tolist())
    entries = [
        Label(f"{pairs.user_names[u]}\t{pairs.item_names[i]}", f"{r:.3f}", None, "" if given != given else f"{given:g}")
        for u, i, r, given in rows
    ]
    return Labels("user, item", entries, ratings, f"{data}: {pairs}")


class _Kind(NamedTuple):
    model: Any
    ask: Callable[[Any, Any, Encoder], Labels]


_KINDS: Mapping[str, _Kind] = {
    cls.__name__: _Kind(cls, ask)
    for ask, classes in (
        (_ask_nodes, (GCN, GraphSAGE)),
        (_ask_graphs, (GIN, DiffPoolNet)),
        (_ask_rows, (LogisticRegression, MultinomialLogisticRegression)),
        (_ask_pairs, (MatrixFactorization,)),
    )
    for cls in classes
}


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
