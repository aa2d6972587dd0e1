"""Graphs that need no file: Zachary's karate club, and large ones with planted labels."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.data.graphs import Graph


def karate_club() -> Graph:
    """34 members, 78 friendships, and which of two clubs each joined after the split; x is the identity.

    Zachary 1977, An Information Flow Model for Conflict and Fission in Small Groups. PyTorch brings networkx along.
    """
    import networkx

    graph = Graph.from_networkx(networkx.karate_club_graph(), label="club")
    return Graph(torch.eye(len(graph.x)), graph.adj, graph.y, name="karate club")


def planted_graph(
    num_nodes: int,
    num_edges: int,
    num_classes: int = 10,
    num_features: int = 16,
    homophily: float = 0.6,
    signal: float = 0.5,
    exponent: float = 2.5,
    seed: int = 0,
) -> Graph:
    """A graph whose degrees follow a power law, k^-exponent, and whose nodes prefer their own class.

    Pairs are drawn with probability ∝ w_i w_j, w of a Pareto distribution (Chung and Lu 2002, The Average Distances in
    Random Graphs with Given Expected Degrees), with probability `homophily` both of one class. Features are normal
    noise of deviation 1 around one of `num_classes` centres, themselves normal with deviation `signal`: little to go
    by for a node alone, much with its neighbours. num_edges, both directions counted, is before the few that are drawn
    twice, or from a node to itself, are taken out. Half of the nodes, at random, are "train", the others "test".
    """
    checks.integer("num_nodes", num_nodes, 2)
    checks.integer("num_edges", num_edges, 2)
    checks.integer("num_classes", num_classes)
    checks.require(checks.real("exponent", exponent) > 2, f"exponent must be greater than 2, got {exponent}")
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))

    def uniform(count: int) -> Float[Tensor, " count"]:
        return torch.rand(count, dtype=torch.float64, generator=generator)

    y = torch.randint(num_classes, (num_nodes,), generator=generator).sort().values  # class by class
    weight = (1 - uniform(num_nodes)) ** (-1 / (exponent - 1))
    weight = weight.clamp(max=float(weight.sum() / num_edges) ** 0.5 * num_nodes**0.5)
    upto = torch.cat([weight.new_zeros(1), weight.cumsum(0)])  # node i owns [upto_i, upto_i+1)
    bounds = torch.searchsorted(y, torch.arange(num_classes + 1))
    low, high = upto[bounds[:-1]], upto[bounds[1:]]

    def owner(place: Float[Tensor, " count"]) -> Int[Tensor, " count"]:
        return (torch.searchsorted(upto, place, right=True) - 1).clamp(max=num_nodes - 1)

    pairs = num_edges // 2
    source = owner(uniform(pairs) * upto[-1])
    own = uniform(pairs) < checks.probability("homophily", homophily)
    start = torch.where(own, low[y[source]], 0.0)
    end = torch.where(own, high[y[source]], upto[-1])
    target = owner(start + uniform(pairs) * (end - start))
    edges = torch.stack([source, target], 1)[source != target]

    centres = signal * torch.randn(num_classes, num_features, generator=generator)
    x = centres[y] + torch.randn(num_nodes, num_features, generator=generator)
    train = torch.rand(num_nodes, generator=generator) < 0.5
    return Graph.from_edges(edges, x=x, y=y, masks={"train": train, "test": ~train}, name="planted graph")
