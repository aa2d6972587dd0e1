"""Sets of graphs, stored one after another; batches are one block-diagonal graph, or are padded to one size.

    graphs = GraphSet.of([graph, ...])             # or gin_graphs("MUTAG"), tu_graphs("ENZYMES"), read_gin(path), ...
    for batch in Loader(graphs, 32, shuffle=True): model(batch.x, batch.adj, batch.batch_index, batch.num_graphs)

Legend: B graphs, N nodes of all of them or (padded) of the largest, C features, E edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.graphs.graph import Graph, adjacency
from groundup.data.tables.delimited import Sheet, is_missing
from groundup.data.tables.encoder import DEGREE, ONE, Column, Encoder, sort_values


class GraphBatch(NamedTuple):
    """Graphs as one block-diagonal graph, so that a sparse product computes all graphs at once, without padding.

    Args:
        x: (N, C) features of all nodes.
        adj: (N, N) block-diagonal adjacency matrix, sparse.
        batch_index: (N,) number of the graph of each node.
        num_graphs: number of graphs.
        y: (B,) or (B, T) targets.

    Example:
        >>> batch = GraphSet.of([Graph.from_edges(torch.tensor([[0, 1]]))] * 2).join(torch.tensor([0, 1]))
        >>> batch.adj.shape, batch.num_graphs
        (torch.Size([4, 4]), 2)
    """

    x: Tensor
    adj: Tensor
    batch_index: Tensor
    num_graphs: int
    y: Tensor


class PaddedBatch(NamedTuple):
    """Graphs padded with zeros to one size, for models that need dense matrices.

    Args:
        x: (B, N, C) features.
        adj: (B, N, N) adjacency matrices, dense.
        mask: (B, N), True = a real node.
        y: (B,) or (B, T) targets.

    Example:
        >>> batch = GraphSet.of([Graph.from_edges(torch.tensor([[0, 1]]))]).pad(torch.tensor([0]), size=3)
        >>> batch.mask
        tensor([[ True,  True, False]])
    """

    x: Tensor
    adj: Tensor
    mask: Tensor
    y: Tensor


class GraphSet(Dataset[Graph]):
    """Many graphs with one kind of features and targets: a map-style dataset of `Graph`.

    Args:
        x: (N, C) features of all nodes, graph after graph.
        row, col: (E,) edges: node row gathers from node col, numbered within each graph.
        weight: (E,) weights of the edges.
        nodes, edges: (B,) number of nodes and edges of each graph.
        y: (B,) int64 class numbers, -1 for an unknown one; or floating-point targets, (B,) or (B, T).
        name: name of the data set.
        padded: if given, `batch`, which a `Loader` calls, returns a `PaddedBatch` with this number of nodes; 0 means
            that of the largest graph of the batch.
        graph_names: names of the graphs in the files that they come from; () if they have numbers only.
        encoder: encoder that made x and y from the columns of a file, with the names of the classes; None if unknown.

    Example:
        >>> graphs = [Graph.from_edges(torch.tensor([[0, 1]]), y=torch.tensor(c)) for c in (0, 1)]
        >>> data = GraphSet.of(graphs)
        >>> batch = data.batch(torch.tensor([0, 1]))
        >>> batch.batch_index, batch.y
        (tensor([0, 0, 1, 1]), tensor([0, 1]))
    """

    def __init__(
        self,
        x: Float[Tensor, "N C"],
        row: Int[Tensor, " E"],
        col: Int[Tensor, " E"],
        weight: Float[Tensor, " E"],
        nodes: Int[Tensor, " B"],
        edges: Int[Tensor, " B"],
        y: Shaped[Tensor, "B *targets"],
        name: str = "",
        padded: int | None = None,
        graph_names: tuple[str, ...] = (),
        encoder: Encoder | None = None,
    ) -> None:
        self.x, self.row, self.col, self.weight = x, row, col, weight
        self.nodes, self.edges, self.y, self.name, self.padded = nodes, edges, y, name, padded
        self.graph_names, self.encoder = graph_names, encoder
        self.first_node, self.first_edge = nodes.cumsum(0) - nodes, edges.cumsum(0) - edges
        checks.require(len(nodes) > 0, "a set must hold at least one graph, got none")
        checks.require(bool((nodes > 0).all()), "every graph must have at least one node, got an empty one")

    @classmethod
    def of(cls, graphs: Sequence[Graph], name: str = "") -> GraphSet:
        """Return the set of single graphs.

        Args:
            graphs: graphs with equally many features, each with a class number or floating-point targets as `y`. A
                graph without a class number gets -1.
            name: name of the data set.

        Raises `ValueError` for graphs with different numbers of features, and targets of several shapes or kinds.
        """
        checks.require(len(graphs) > 0, "a set must hold at least one graph, got none")
        widths = sorted({g.x.size(1) for g in graphs})
        checks.require(len(widths) == 1, f"all graphs must have equally many features, got {widths}")
        row, col = torch.cat([g.edges for g in graphs], 1).unbind(0)
        return cls(
            torch.cat([g.x for g in graphs]),
            row,
            col,
            torch.cat([g.adj.values() for g in graphs]),
            torch.tensor([len(g.x) for g in graphs]),
            torch.tensor([g.edges.size(1) for g in graphs]),
            _targets([g.y for g in graphs]),
            name,
        )

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, index: int) -> Graph:
        batch = self.join(torch.tensor([range(len(self))[index]]))
        return Graph(batch.x, batch.adj, batch.y[0], name=self.name)

    @property
    def num_classes(self) -> int:
        """The number of classes. Raises `ValueError` for floating-point targets, which are not classes."""
        if self.y.is_floating_point():
            raise ValueError(f"y holds {self.y.dtype} targets, which are no classes: train with mse_loss")
        return len(self.encoder.class_names) if self.encoder else int(self.y.max()) + 1

    def subset(self, indices: Int[Tensor, " B"]) -> GraphSet:
        """Return the graphs at `indices`, in that order."""
        n, e = _ranges(self.first_node, self.nodes, indices), _ranges(self.first_edge, self.edges, indices)
        parts = (self.x[n], self.row[e], self.col[e], self.weight[e], self.nodes[indices], self.edges[indices])
        names = tuple(self.graph_names[i] for i in indices.tolist()) if self.graph_names else ()
        return GraphSet(*parts, self.y[indices], self.name, self.padded, names, self.encoder)

    def select_labelled(self) -> GraphSet:
        """Return the graphs with a known class. Raises `ValueError` unless two classes or more have two graphs each."""
        known = self.subset((self.y >= 0).nonzero().squeeze(1)) if (self.y >= 0).any() else self
        counts = known.y.clamp(min=0).bincount(minlength=known.num_classes)
        few = [f"{count} of class {c}" for c, count in enumerate(counts.tolist()) if count < 2 or (known.y < 0).all()]
        if few or len(counts) < 2:
            raise ValueError(
                f"{self.name or 'graphs'}: to train and test needs two graphs or more of each of two classes or more, "
                f"got {', '.join(few) or f'{len(known)} of one class'}"
            )
        return known

    def with_padding(self, size: int = 0) -> GraphSet:
        """Return the same graphs, with batches padded to `size` nodes; 0 means the largest graph of a batch."""
        parts = (self.x, self.row, self.col, self.weight, self.nodes, self.edges, self.y, self.name)
        return GraphSet(*parts, checks.integer("size", size, 0), self.graph_names, self.encoder)

    def batch(self, indices: Int[Tensor, " B"]) -> GraphBatch | PaddedBatch:
        """Return the graphs at `indices` as one batch, padded if the set was made so."""
        return self.join(indices) if self.padded is None else self.pad(indices, self.padded)

    def join(self, indices: Int[Tensor, " B"]) -> GraphBatch:
        """Return the graphs at `indices` as one block-diagonal graph, without a loop over graphs."""
        nodes, edges = self.nodes[indices], self.edges[indices]
        n, e = _ranges(self.first_node, self.nodes, indices), _ranges(self.first_edge, self.edges, indices)
        total = len(n)
        offset = (nodes.cumsum(0) - nodes).repeat_interleave(edges, output_size=len(e))
        index = torch.stack([self.row[e] + offset, self.col[e] + offset])
        adj = torch.sparse_coo_tensor(index, self.weight[e], (total, total), is_coalesced=True, check_invariants=False)
        owner = torch.arange(len(indices)).repeat_interleave(nodes, output_size=total)
        return GraphBatch(self.x[n], adj, owner, len(indices), self.y[indices])

    def pad(self, indices: Int[Tensor, " B"], size: int = 0) -> PaddedBatch:
        """Return the graphs at `indices`, padded to `size` nodes; 0 means the size of the largest."""
        nodes, edges = self.nodes[indices], self.edges[indices]
        largest = int(nodes.max()) if len(indices) else 0
        size = size or largest
        checks.require(size >= largest, f"size must be at least {largest}, the largest graph's nodes, got {size}")
        n, e = _ranges(self.first_node, self.nodes, indices), _ranges(self.first_edge, self.edges, indices)
        graph = torch.arange(len(indices))
        mask: Bool[Tensor, "B N"] = torch.arange(size) < nodes[:, None]
        x = self.x.new_zeros(len(indices), size, self.x.size(1))
        x[mask] = self.x[n]
        adj = self.x.new_zeros(len(indices), size, size)
        adj[graph.repeat_interleave(edges), self.row[e], self.col[e]] = self.weight[e]
        return PaddedBatch(x, adj, mask, self.y[indices])

    def __repr__(self) -> str:
        kind = "with targets" if self.y.is_floating_point() else f"of {self.num_classes} classes"
        return (
            f"{self.name or 'graphs'}: {len(self):,} graphs {kind}, {self.x.size(1)} features, "
            f"{len(self.x) / len(self):.2f} nodes and {len(self.row) / len(self) / 2:.2f} undirected edges on average"
        )


def _targets(targets: Sequence[Tensor | None]) -> Shaped[Tensor, "B *targets"]:
    """Stack the targets of graphs: int64, with -1 for none, or floating-point."""
    given = [y.squeeze(0) if y.dim() == 1 and len(y) == 1 else y for y in targets if y is not None]
    floating = any(y.is_floating_point() for y in given)
    shapes = {tuple(y.shape) for y in given}
    if len(shapes) > 1 or (floating and len(given) < len(targets)) or (not floating and shapes - {()}):
        missing = ", and none at all" if len(given) < len(targets) else ""
        raise ValueError(
            "every graph's y must be a class number, of shape (), or else floating-point targets of one shape, got "
            f"shapes {', '.join(map(str, sorted(shapes)))}{missing}"
        )
    if not floating:
        return torch.tensor([-1 if y is None else int(y) for y in targets])
    return torch.stack(given)


def encode_graphs(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    pairs: Int[Tensor, "E two"],
    owner: Int[Tensor, " N"],
    labels: Sequence[str],
    degree_as_tag: bool = False,
    like: Encoder | None = None,
    weight: Float[Tensor, " E"] | None = None,
    graph_names: tuple[str, ...] = (),
) -> GraphSet:
    """Return a set of graphs, with features and classes made from the columns of a file.

    Args:
        path: file or folder, for messages and the name.
        columns: fields of the nodes by column: tags and degrees become one-hot features, others are numbers.
        pairs: (row, col) of the edges, with nodes numbered through all graphs.
        owner: (N,) number of the graph of each node, ascending.
        labels: one per graph; "?" means unknown.
        degree_as_tag: use the degree of a node as its only feature.
        like: encoder to use; by default a new one is made, from all columns or from degrees.
        weight: (E,) weights of the edges; by default 1.
        graph_names: names of the graphs.
    """
    checks.indices("edges", pairs, len(owner), "num_nodes")
    adj = adjacency(pairs[:, 0], pairs[:, 1], len(owner), weight)  # by row, hence by graph
    row, col = adj.indices()
    if not torch.equal(owner[row], owner[col]):
        raise ValueError(f"{path}: edges must join nodes of one graph, got one between two graphs")
    degrees = row.bincount(minlength=len(owner)).tolist()
    by_column = {**columns, DEGREE: [str(degree) for degree in degrees], ONE: ["1"] * len(owner)}
    if like is None:
        names = [DEGREE] if degree_as_tag else [*columns] or [ONE]
        made_of = [Column(name, sort_values(by_column[name]) if name in (DEGREE, "tag") else ()) for name in names]
        like = Encoder(tuple(made_of), sort_values(label for label in labels if not is_missing(label)))
    fields = list(zip(*by_column.values()))
    x = like.encode(Sheet(path, tuple(by_column), fields, range(1, len(fields) + 1)))
    nodes, edges = owner.bincount(minlength=len(labels)), owner[row].bincount(minlength=len(labels))
    first = (nodes.cumsum(0) - nodes)[owner[row]]
    y = like.classes(labels)
    return GraphSet(x, row - first, col - first, adj.values(), nodes, edges, y, path.stem, None, graph_names, like)


def _ranges(first: Tensor, count: Tensor, indices: Tensor) -> Int[Tensor, " total"]:
    """Return first[i], first[i] + 1, …, `count[i]` numbers for each i of `indices`, one after another."""
    first, count = first[indices], count[indices]
    start = count.cumsum(0) - count
    total = int(count.sum())
    return torch.arange(total) + (first - start).repeat_interleave(count, output_size=total)
