"""Samples of a large graph: a few neighbours of a few nodes, layer by layer, and random walks. No loop over nodes.

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
    """What a model of K layers needs for the nodes asked, which come first among `nodes`.

    x (N, C) the features of `nodes` (N,); adjs[k] (N_k+1, N_k) what layer k gathers, the first nodes from all of them.
    """

    x: Tensor
    adjs: list[Tensor]
    nodes: Tensor


class NodeSet(Dataset[Any]):
    """Nodes and their labels, for a Loader: batches are (nodes, labels)."""

    def __init__(self, nodes: Int[Tensor, " N"], y: Tensor) -> None:
        checks.size("y", y, 0, len(nodes), "labels, one for each of nodes")
        self.nodes, self.y = nodes, y

    def __len__(self) -> int:
        return len(self.nodes)

    def batch(self, indices: Int[Tensor, " B"]) -> tuple[Tensor, Tensor]:
        return self.nodes[indices], self.y[indices]


class NeighbourSampler:
    """(nodes, generator) → Sample: of each node at most fan_outs[0] neighbours, of those fan_outs[1], and so on.

    Uniform without replacement; a node with no more than its fan-out keeps all its neighbours. A neighbour met twice is
    one node of the sample. A node that is asked for twice comes twice, each time with a draw of its own: a batch of
    nodes, positives and negatives may repeat nodes.
    Differs from the authors' code, which draws with replacement, and a fixed number of times.
    """

    def __init__(self, graph: Graph, fan_outs: Sequence[int]) -> None:
        checks.require(len(fan_outs) > 0, "fan_outs must hold a number for each layer, got none")
        self.fan_outs = [checks.integer("fan_outs", k) for k in fan_outs]
        self.x, self.weight = graph.x, graph.adj.values()
        self.start, self.col = rows(graph.adj)

    def __call__(self, nodes: Int[Tensor, " B"], generator: Generator = None) -> Sample:
        checks.indices("nodes", nodes, len(self.x), "the number of nodes")
        adjs: list[Tensor] = []
        for k in self.fan_outs:
            place, count = drawn(self.start, nodes, k, generator)
            row = torch.arange(len(nodes)).repeat_interleave(count, output_size=len(place))
            asked, (nodes, col) = len(nodes), _renumbered(nodes, self.col[place])
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


def rows(adj: Float[Tensor, "N N"]) -> tuple[Int[Tensor, " N1"], Int[Tensor, " E"]]:
    """(start, col): what node i gathers from is col[start[i] : start[i + 1]]."""
    row, col = adj.indices()
    count = torch.bincount(row, minlength=adj.size(0))
    return torch.cat([count.new_zeros(1), count.cumsum(0)]), col


def drawn(
    start: Int[Tensor, " N1"], nodes: Int[Tensor, " B"], k: int, generator: Generator = None
) -> tuple[Int[Tensor, " E"], Int[Tensor, " B"]]:
    """(places of min(k, degree) edges of each node, how many): uniform, none twice.

    Floyd's algorithm, for all nodes at once: of the numbers up to d - k + t one is drawn, or if it was already, that
    last one itself is taken, for t = 0 … k - 1 (Bentley and Floyd 1987, A Sample of Brilliance).
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


def _renumbered(nodes: Int[Tensor, " B"], others: Int[Tensor, " E"]) -> tuple[Int[Tensor, " N"], Int[Tensor, " E"]]:
    """(nodes, then those of the others that are new; the place of each of the others in it).

    Where a node is given twice, its first place counts.
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
    """The nodes that walks of `length` steps from `nodes` meet, (B, length + 1), the first included.

    Every step goes to a node that the last one gathers from, each as likely; where there is none the walk stays.
    """
    checks.integer("length", length)
    checks.indices("nodes", nodes, len(graph.x), "the number of nodes")
    start, col = rows(graph.adj)
    walk = [nodes]
    for _ in range(length):
        at = walk[-1]
        degree = start[at + 1] - start[at]
        u = torch.rand(len(at), dtype=torch.float64, generator=generator)
        place = (start[at] + (u * degree).long()).clamp(max=max(len(col) - 1, 0))
        walk.append(torch.where(degree > 0, col[place], at) if len(col) else at)
    return torch.stack(walk, 1)
