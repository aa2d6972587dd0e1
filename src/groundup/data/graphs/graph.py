"""Graphs: features of nodes, weighted edges, labels and masks.

From edge lists, networkx, PyTorch Geometric's `Data` and back. Legend: N nodes, C features, E edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup import checks
from groundup.data.tables.encoder import Encoder


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph with features on its nodes.

    Args:
        x: (N, C) features of the nodes.
        adj: (N, N) adjacency matrix, sparse COO, coalesced: node i gathers from node j with weight a_ij.
        y: (N,) labels of the nodes, -1 for an unknown one; or one number for the whole graph, ().
        masks: name → (N,) bool, such as "train" and "test".
        name: name of the data set.
        node_names: names of the nodes in the file that they come from; () if they have numbers only.
        encoder: encoder that made x and y from the columns of a file, with the names of the classes; None if unknown.

    Raises `ValueError` if these do not fit together, for an empty graph, and for features that are not finite.

    Example:
        >>> graph = Graph.from_edges(torch.tensor([[0, 1], [1, 2]]), x=torch.eye(3))
        >>> graph
        graph: 3 nodes, 4 edges, 3 features
        >>> graph.adj.to_dense()[1]
        tensor([1., 0., 1.])
    """

    x: Float[Tensor, "N C"]
    adj: Float[Tensor, "N N"]
    y: Tensor | None = None
    masks: Mapping[str, Bool[Tensor, " N"]] = field(default_factory=dict)
    name: str = ""
    node_names: tuple[str, ...] = ()
    encoder: Encoder | None = None

    def __post_init__(self) -> None:
        checks.rank("x", checks.floating("x", self.x), 2, layout="(N, C)")
        checks.require(len(self.x) > 0, "x must hold at least one node, got none: an empty graph")
        if not self.x.isfinite().all():
            bad = int((~self.x.isfinite()).any(1).nonzero()[0])
            raise ValueError(f"x must be finite, got NaN or infinity at node {bad}")
        if tuple(self.adj.shape) != (len(self.x),) * 2:
            raise ValueError(f"adj must have shape {(len(self.x),) * 2}, got {tuple(self.adj.shape)}")
        for name, mask in self.masks.items():
            checks.size(f"masks[{name!r}]", mask, 0, len(self.x), "entries, one per node")
        if len(self.node_names) not in (0, len(self.x)):
            raise ValueError(f"node_names must hold {len(self.x)} names, one per node, got {len(self.node_names)}")

    @property
    def edges(self) -> Int[Tensor, "two E"]:
        """(row, col) of every edge, by row: node `row` gathers from node `col`."""
        return self.adj.indices()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Graph:
        """Return the graph on a device."""

        def move(value: Tensor) -> Tensor:
            return value.to(device, non_blocking=non_blocking)

        masks = {name: move(mask) for name, mask in self.masks.items()}
        y = None if self.y is None else move(self.y)
        return replace(self, x=move(self.x), adj=move(self.adj), y=y, masks=masks)

    def subgraph(self, nodes: Int[Tensor, " B"]) -> Graph:
        """Return the graph of some nodes, in that order, and the edges among them.

        Raises `ValueError` for a node that is given twice.
        """
        checks.indices("nodes", nodes, len(self.x), "the number of nodes")
        place = torch.full((len(self.x),), -1, device=self.x.device)
        place[nodes] = torch.arange(len(nodes), device=self.x.device)
        if not torch.equal(place[nodes], torch.arange(len(nodes), device=self.x.device)):
            raise ValueError("nodes must hold each node once: pass nodes.unique()")
        row, col = place[self.edges]
        kept = (row >= 0) & (col >= 0)
        return replace(
            self,
            x=self.x[nodes],
            adj=adjacency(row[kept], col[kept], len(nodes), self.adj.values()[kept]),
            y=self.y[nodes] if self.y is not None and self.y.dim() > 0 else self.y,
            masks={name: mask[nodes] for name, mask in self.masks.items()},
            node_names=tuple(self.node_names[i] for i in nodes.tolist()) if self.node_names else (),
        )

    def __repr__(self) -> str:
        n, e = len(self.x), self.edges.size(1)
        masks = "".join(f", {int(mask.sum()):,} {name}" for name, mask in self.masks.items())
        return f"{self.name or 'graph'}: {n:,} nodes, {e:,} edges, {self.x.size(1):,} features{masks}"

    # ---- conversions ------------------------------------------------------------------------------------------------

    @classmethod
    def from_edges(
        cls,
        edges: Int[Tensor, "E two"],
        num_nodes: int | None = None,
        x: Float[Tensor, "N C"] | None = None,
        weight: Float[Tensor, " E"] | None = None,
        directed: bool = False,
        **rest: Any,
    ) -> Graph:
        """Return the graph of pairs of nodes.

        Args:
            edges: (E, 2) pairs (i, j), numbered from 0; nodes in no pair are isolated. A pair that is given twice, or
                in both directions, is one edge with the larger of its weights. An edge of a node to itself is kept.
            num_nodes: number of nodes; by default that of x, else the largest number in `edges` plus one.
            x: features of the nodes; by default a 1 per node.
            weight: (E,) weights, at least 0; by default 1.
            directed: if False, each node of a pair gathers from the other; if True, i → j means that j gathers from i.
            rest: y, masks, name, node_names and encoder of `Graph`.

        Raises `ValueError` for a node that does not exist, for pairs in columns, (2, E), and for weights that are
        negative or not finite: a mean over neighbours divides by their sum.
        """
        checks.rank("edges", checks.tensor("edges", edges), 2, layout="(E, 2)")
        if edges.size(1) != 2 == edges.size(0):
            raise ValueError(
                f"edges must hold a pair of nodes in each row, (E, 2), got {tuple(edges.shape)}, a pair in each "
                "column, as PyTorch Geometric's edge_index does: pass edges.T"
            )
        checks.size("edges", edges, 1, 2, "nodes a row")
        if edges.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"edges must hold int64 or int32 numbers of nodes, got {edges.dtype}")
        if num_nodes is None:
            num_nodes = len(x) if x is not None else int(edges.max()) + 1 if edges.numel() else 0
        checks.require(checks.integer("num_nodes", num_nodes, 0) > 0, "edges name no node: an empty graph")
        checks.indices("edges", edges, num_nodes, "num_nodes")
        if weight is not None:
            _check_weight("weight", weight, len(edges))
        source, target = edges.long().unbind(1)
        if not directed:
            source, target = torch.cat([source, target]), torch.cat([target, source])
            weight = None if weight is None else torch.cat([weight, weight])
        x = torch.ones(num_nodes, 1, device=edges.device) if x is None else x
        return cls(x, adjacency(target, source, num_nodes, weight), **rest)

    @classmethod
    def from_networkx(cls, graph: Any, label: str | None = None, weight: str | None = None, **rest: Any) -> Graph:
        """Return the graph of a `networkx.Graph` or `DiGraph`, with the nodes in its order.

        Args:
            graph: the networkx graph.
            label: attribute of the nodes that holds their label; labels are numbered in the order of their texts.
            weight: attribute of the edges that holds their weight.
            rest: masks, name, node_names and encoder of `Graph`.
        """
        place = {node: i for i, node in enumerate(graph)}
        pairs = [(place[a], place[b]) for a, b in graph.edges()]
        if label is not None:
            values = [str(graph.nodes[node][label]) for node in graph]
            number = {value: i for i, value in enumerate(sorted(set(values)))}
            rest["y"] = torch.tensor([number[value] for value in values])
        if weight is not None:
            rest["weight"] = torch.tensor([float(value) for _, _, value in graph.edges(data=weight, default=1.0)])
        edges = torch.tensor(pairs, dtype=torch.int64).view(-1, 2)
        return cls.from_edges(edges, len(place), directed=graph.is_directed(), **rest)

    @classmethod
    def from_pyg(cls, data: Any) -> Graph:
        """Return the graph of a `torch_geometric.data.Data`, whose edge_index holds (from, to).

        The weights of parallel edges are added, 1 each without edge_weight: a node gathers along each of them, as in
        PyTorch Geometric. Raises `ValueError` for weights that are negative, not finite, or not one number per edge.
        """
        masks = {name.removesuffix("_mask"): mask for name, mask in data.to_dict().items() if name.endswith("_mask")}
        y = data.y.squeeze(0) if data.y is not None and data.y.numel() == 1 else data.y
        n, (source, target) = data.num_nodes, data.edge_index.long()
        checks.indices("edge_index", data.edge_index, n, "num_nodes")
        weight = torch.ones(len(source), device=source.device) if data.edge_weight is None else data.edge_weight
        _check_weight("edge_weight", weight, len(source))
        x = torch.ones(n, 1, device=source.device) if data.x is None else data.x
        return cls(x, adjacency(target, source, n, weight, parallel="sum"), y=y, masks=masks)

    def to_pyg(self) -> Any:
        """Return a `torch_geometric.data.Data` with x, edge_index (from, to), edge_weight, y and masks."""
        try:
            from torch_geometric.data import Data
        except ImportError as missing:
            raise ImportError("this needs PyTorch Geometric: pip install torch-geometric") from missing
        masks = {f"{name}_mask": mask for name, mask in self.masks.items()}
        y = self.y[None] if self.y is not None and self.y.dim() == 0 else self.y
        return Data(x=self.x, edge_index=self.edges.flip(0), edge_weight=self.adj.values(), y=y, **masks)


def _check_weight(name: str, weight: Tensor, count: int) -> None:
    """Raise `ValueError` unless `weight` holds `count` finite numbers of at least 0."""
    if checks.floating(name, weight).shape != (count,):
        raise ValueError(f"{name} must hold one number for each of the {count} edges, got shape {tuple(weight.shape)}")
    if (wrong := ~(weight.isfinite() & (weight >= 0))).any():
        edge = int(wrong.nonzero()[0])
        raise ValueError(
            f"{name} must hold {count} finite numbers, none below 0, got {float(weight[edge])} for edge {edge}: a mean "
            "over neighbours divides by the sum of their weights"
        )


def adjacency(
    row: Int[Tensor, " E"],
    col: Int[Tensor, " E"],
    size: int,
    weight: Float[Tensor, " E"] | None = None,
    parallel: str = "amax",
) -> Float[Tensor, "N N"]:
    """Return the adjacency matrix of edges, sparse COO, coalesced.

    Args:
        row, col: node `row` gathers from node `col`.
        size: number of nodes.
        weight: weights of the edges; by default 1, also for an edge that is given twice.
        parallel: "amax" or "sum" of the weights of an edge that is given twice.
    """
    if weight is None:
        key = torch.unique(row * size + col)
        value = torch.ones(len(key), device=row.device)
    else:
        key, place = torch.unique(row * size + col, return_inverse=True)
        value = weight.new_zeros(len(key)).scatter_reduce(0, place, weight, parallel)
    index = torch.stack([key // size, key % size])
    return torch.sparse_coo_tensor(index, value, (size, size), is_coalesced=True, check_invariants=False)
