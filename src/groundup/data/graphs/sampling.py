"""Samples of a large graph: some neighbours of some nodes, layer by layer, and random walks, without loops over nodes.

    sampler = NeighbourSampler(graph, (10, 10))
    batches = Loader(NodeSet(nodes, graph.y[nodes]), 512, shuffle=True, transform=sampler)
    for sample, y in batches: model(sample.x, sample.adjs)

Hamilton et al. 2017, Inductive Representation Learning on Large Graphs, arXiv:1706.02216, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.graphs.graph import Graph

Generator = torch.Generator | None


class Sample(NamedTuple):
    """The part of a graph that a model of K layers needs for some nodes.

    Args:
        x: (N, C) features of `nodes`.
        adjs: adjs[k], (N_k+1, N_k), are the edges along which layer k gathers: the first nodes gather from all.
        nodes: (N,) their numbers in the graph; the requested nodes come first.

    Example:
        >>> graph = Graph.from_edges(torch.tensor([[0, 1]]))
        >>> NeighbourSampler(graph, (1,))(torch.tensor([1]), torch.Generator()).nodes
        tensor([1, 0])
    """

    x: Tensor
    adjs: list[Tensor]
    nodes: Tensor


class NodeSet(Dataset[Any]):
    """Nodes and their labels, for a `Loader`: batches are (nodes, labels).

    Args:
        nodes: (N,) numbers of the nodes.
        y: (N, …) their labels.

    Example:
        >>> NodeSet(torch.tensor([4, 7]), torch.tensor([0, 1])).batch(torch.tensor([1]))
        (tensor([7]), tensor([1]))
    """

    def __init__(self, nodes: Int[Tensor, " N"], y: Tensor) -> None:
        checks.size("y", y, 0, len(nodes), "labels, one for each of nodes")
        self.nodes, self.y = nodes, y

    def __len__(self) -> int:
        return len(self.nodes)

    def batch(self, indices: Int[Tensor, " B"]) -> tuple[Tensor, Tensor]:
        return self.nodes[indices], self.y[indices]


class NeighbourSampler:
    """Sample neighbours: (nodes, generator) → `Sample`.

    The neighbourhood of a node over K layers grows exponentially with K. With at most k_1 k_2 … k_K sampled neighbours
    the cost of a batch is bounded, whatever the size of the graph.

    Args:
        graph: the graph to sample from.
        fan_outs: number of neighbours per layer: at most fan_outs[0] of each requested node, fan_outs[1] of each of
            those, and so on.

    Neighbours are drawn uniformly without replacement; a node with fewer keeps all of them. A neighbour of several
    nodes is one node of the sample. A node that is requested twice comes twice, each time with a draw of its own.
    Differs from the authors' code, which draws a fixed number with replacement.

    Example:
        >>> graph = Graph.from_edges(torch.tensor([[0, 1], [0, 2], [0, 3]]))
        >>> sample = NeighbourSampler(graph, (2,))(torch.tensor([0]), torch.Generator())
        >>> len(sample.nodes), sample.adjs[0].shape
        (3, torch.Size([1, 3]))
    """

    def __init__(self, graph: Graph, fan_outs: Sequence[int]) -> None:
        checks.require(len(fan_outs) > 0, "fan_outs must hold a number for each layer, got none")
        self.fan_outs = [checks.integer("fan_outs", k) for k in fan_outs]
        self.x, self.weight = graph.x, graph.adj.values()
        self.start, self.col = neighbour_lists(graph.adj)

    def __call__(self, nodes: Int[Tensor, " B"], generator: Generator = None) -> Sample:
        checks.indices("nodes", nodes, len(self.x), "the number of nodes")
        adjs: list[Tensor] = []
        for k in self.fan_outs:
            place, count = draw_neighbours(self.start, nodes, k, generator)
            row = torch.arange(len(nodes)).repeat_interleave(count, output_size=len(place))
            asked, (nodes, col) = len(nodes), _renumber(nodes, self.col[place])
            adjs.append(
                torch.sparse_coo_tensor(
                    torch.stack([row, col]),
                    self.weight[place],
                    (asked, len(nodes)),
                    is_coalesced=True,
                    check_invariants=False,
                )
            )
        return Sample(self.x[nodes], adjs[::-1], nodes)


def neighbour_lists(adj: Float[Tensor, "N N"]) -> tuple[Int[Tensor, " N1"], Int[Tensor, " E"]]:
    """Return (start, col): node i gathers from the nodes col[start[i] : start[i + 1]]."""
    row, col = adj.indices()
    count = torch.bincount(row, minlength=adj.size(0))
    return torch.cat([count.new_zeros(1), count.cumsum(0)]), col


def draw_neighbours(
    start: Int[Tensor, " N1"], nodes: Int[Tensor, " B"], k: int, generator: Generator = None
) -> tuple[Int[Tensor, " E"], Int[Tensor, " B"]]:
    """Return (positions of min(k, degree) edges of each node, their number), uniform without replacement.

    Floyd's algorithm, for all nodes at once: for t = 0 … k - 1, a number up to d - k + t is drawn; if it was drawn
    before, d - k + t itself is used (Bentley and Floyd 1987, A Sample of Brilliance).
    """
    first, degree = start[nodes], start[nodes + 1] - start[nodes]
    k = min(k, int(degree.max())) if len(nodes) else 0
    count = degree.clamp(max=k)
    pick = torch.arange(k).expand(len(nodes), k).clone()
    many = (degree > k).nonzero().squeeze(1)
    last = degree[many] - k
    chosen = torch.empty(len(many), k, dtype=torch.int64)
    for t in range(k):
        u = torch.rand(len(many), dtype=torch.float64, generator=generator)
        value = (u * (last + t + 1)).long()
        taken = (chosen[:, :t] == value[:, None]).any(1)
        chosen[:, t] = torch.where(taken, last + t, value)
    pick[many] = chosen
    return (first[:, None] + pick)[torch.arange(k) < count[:, None]], count


def _renumber(nodes: Int[Tensor, " B"], others: Int[Tensor, " E"]) -> tuple[Int[Tensor, " N"], Int[Tensor, " E"]]:
    """Return (nodes, followed by new ones of `others`; the position of each of `others` in it).

    For a node that is given twice, its first position is used.
    """
    known, place = torch.unique(torch.cat([nodes, others]), return_inverse=True)
    rank = torch.full((len(known),), len(nodes))
    rank.scatter_reduce_(0, place[: len(nodes)], torch.arange(len(nodes)), "amin")
    new = (rank == len(nodes)).nonzero().squeeze(1)
    rank[new] = torch.arange(len(nodes), len(nodes) + len(new))
    return torch.cat([nodes, known[new]]), rank[place[len(nodes) :]]


def random_walks(
    graph: Graph, nodes: Int[Tensor, " B"], length: int, generator: Generator = None
) -> Int[Tensor, "B steps"]:
    """Return the nodes of random walks, (B, length + 1), including the first.

    Args:
        graph: the graph; each step goes to a node that the last one gathers from, uniformly. A node without one keeps
            the walk.
        nodes: (B,) first nodes.
        length: number of steps.
        generator: random numbers are drawn from it; by default from PyTorch's global one.

    Example:
        >>> graph = Graph.from_edges(torch.tensor([[0, 1]]))
        >>> random_walks(graph, torch.tensor([0]), 3)
        tensor([[0, 1, 0, 1]])
    """
    checks.integer("length", length)
    checks.indices("nodes", nodes, len(graph.x), "the number of nodes")
    start, col = neighbour_lists(graph.adj)
    walk = [nodes]
    for _ in range(length):
        at = walk[-1]
        degree = start[at + 1] - start[at]
        u = torch.rand(len(at), dtype=torch.float64, generator=generator)
        place = (start[at] + (u * degree).long()).clamp(max=max(len(col) - 1, 0))
        walk.append(torch.where(degree > 0, col[place], at) if len(col) else at)
    return torch.stack(walk, 1)
