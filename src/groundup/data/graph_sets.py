"""Many graphs: stored end to end, and handed out joined to one block-diagonal graph, or side by side with padding.

    graphs = GraphSet.of([graph, ...])             # or gin_graphs("MUTAG"), tu_graphs("ENZYMES"), read_gin(path), ...
    for batch in Loader(graphs, 32, shuffle=True): model(batch.x, batch.adj, batch.batch_index, batch.num_graphs)

Legend: B graphs, N nodes of all of them or (padded) of the largest, C features, E edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.graphs import Graph, adjacency


class GraphBatch(NamedTuple):
    """Graphs joined to one: adj (N, N) is block-diagonal and sparse; node n belongs to graph batch_index[n]."""

    x: Tensor
    adj: Tensor
    batch_index: Tensor
    num_graphs: int
    y: Tensor


class PaddedBatch(NamedTuple):
    """Graphs side by side: x (B, N, C), adj (B, N, N) dense, mask (B, N), True = a real node; the rest is zero."""

    x: Tensor
    adj: Tensor
    mask: Tensor
    y: Tensor


class GraphSet(Dataset[Graph]):
    """Graphs of one kind, end to end: their nodes x (N, C), their edges, numbered within each graph, and labels y (B,).

    nodes, edges (B,): how many each has. `padded` makes `batch`, which a Loader asks, a PaddedBatch of `padded` nodes;
    0 means as many as the largest of the batch.
    """

    def __init__(
        self,
        x: Float[Tensor, "N C"],
        row: Int[Tensor, " E"],
        col: Int[Tensor, " E"],
        weight: Float[Tensor, " E"],
        nodes: Int[Tensor, " B"],
        edges: Int[Tensor, " B"],
        y: Int[Tensor, " B"],
        name: str = "",
        padded: int | None = None,
    ) -> None:
        self.x, self.row, self.col, self.weight = x, row, col, weight
        self.nodes, self.edges, self.y, self.name, self.padded = nodes, edges, y, name, padded
        self.first_node, self.first_edge = nodes.cumsum(0) - nodes, edges.cumsum(0) - edges
        checks.require(len(nodes) > 0, "a set must hold at least one graph, got none")
        checks.require(bool((nodes > 0).all()), "every graph must have at least one node, got an empty one")

    @classmethod
    def of(cls, graphs: Sequence[Graph], name: str = "") -> GraphSet:
        """Of single graphs, each with a label y of its own; without one it is 0."""
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
            torch.tensor([0 if g.y is None else int(g.y) for g in graphs]),
            name,
        )

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, index: int) -> Graph:
        batch = self.joined(torch.tensor([range(len(self))[index]]))
        return Graph(batch.x, batch.adj, batch.y[0], name=self.name)

    @property
    def num_classes(self) -> int:
        return int(self.y.max()) + 1

    def subset(self, indices: Int[Tensor, " B"]) -> GraphSet:
        """Some of the graphs, in that order."""
        n, e = _ranges(self.first_node, self.nodes, indices), _ranges(self.first_edge, self.edges, indices)
        parts = (self.x[n], self.row[e], self.col[e], self.weight[e])
        return GraphSet(*parts, self.nodes[indices], self.edges[indices], self.y[indices], self.name, self.padded)

    def with_padding(self, size: int = 0) -> GraphSet:
        """The same graphs, handed out as PaddedBatch of `size` nodes; 0: as many as the largest of a batch."""
        checks.integer("size", size, 0)
        parts = (self.x, self.row, self.col, self.weight, self.nodes, self.edges, self.y)
        return GraphSet(*parts, self.name, size)

    def batch(self, indices: Int[Tensor, " B"]) -> GraphBatch | PaddedBatch:
        return self.joined(indices) if self.padded is None else self.side_by_side(indices, self.padded)

    def joined(self, indices: Int[Tensor, " B"]) -> GraphBatch:
        """The graphs as one, block by block: whole tensors, no loop over graphs."""
        nodes, edges = self.nodes[indices], self.edges[indices]
        n, e = _ranges(self.first_node, self.nodes, indices), _ranges(self.first_edge, self.edges, indices)
        total = len(n)
        offset = (nodes.cumsum(0) - nodes).repeat_interleave(edges, output_size=len(e))
        index = torch.stack([self.row[e] + offset, self.col[e] + offset])
        adj = torch.sparse_coo_tensor(index, self.weight[e], (total, total), is_coalesced=True, check_invariants=False)
        owner = torch.arange(len(indices)).repeat_interleave(nodes, output_size=total)
        return GraphBatch(self.x[n], adj, owner, len(indices), self.y[indices])

    def side_by_side(self, indices: Int[Tensor, " B"], size: int = 0) -> PaddedBatch:
        """The graphs padded to `size` nodes; 0: to as many as the largest has."""
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
        return (
            f"{self.name or 'graphs'}: {len(self):,} graphs of {self.num_classes} classes, {self.x.size(1)} features, "
            f"{len(self.x) / len(self):.2f} nodes and {len(self.row) / len(self) / 2:.2f} undirected edges on average"
        )


def collected(
    x: Float[Tensor, "N C"], pairs: Int[Tensor, "E two"], owner: Int[Tensor, " N"], y: Int[Tensor, " B"], name: str
) -> GraphSet:
    """A set of nodes numbered through, owner (N,) the graph of each in order; pairs are (row, col), once or twice."""
    nodes = owner.bincount(minlength=len(y))
    checks.indices("edges", pairs, len(x), "num_nodes")
    adj = adjacency(pairs[:, 0], pairs[:, 1], len(x))  # by row, hence by graph
    row, col = adj.indices()
    if not torch.equal(owner[row], owner[col]):
        raise ValueError("edges must join nodes of one graph, got one between two graphs")
    first = (nodes.cumsum(0) - nodes)[owner[row]]
    return GraphSet(x, row - first, col - first, adj.values(), nodes, owner[row].bincount(minlength=len(y)), y, name)


def _ranges(first: Tensor, count: Tensor, indices: Tensor) -> Int[Tensor, " total"]:
    """first[i], first[i] + 1, …, count[i] of them, for each i of `indices`, one after another."""
    first, count = first[indices], count[indices]
    start = count.cumsum(0) - count
    total = int(count.sum())
    return torch.arange(total) + (first - start).repeat_interleave(count, output_size=total)
