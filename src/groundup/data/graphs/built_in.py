"""Graphs that need no file: Zachary's karate club, graphs with one of two motifs, and large random graphs."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.data.graphs.graph import Graph
from groundup.data.graphs.graph_set import GraphSet, encode_graphs
from groundup.data.registry import GRAPH_SETS, GRAPHS
from groundup.data.tables.encoder import NODE, Column, Encoder, make_columns

#: Community of each member, in the division into four with the largest modularity (0.4198): Brandes et al. 2008, On
#: Modularity Clustering. Members 0 and 33, who fell out, are of the communities 0 and 2.
KARATE_COMMUNITIES = "0000111022100022102020233323322322"


def karate_club(label: str = "club") -> Graph:
    """Return Zachary's karate club: 34 members, 78 friendships; x is the identity.

    Zachary 1977, An Information Flow Model for Conflict and Fission in Small Groups; it is a part of networkx, which
    PyTorch depends on.

    Args:
        label: "club", one of the two clubs that the members joined after the split; or "community", one of the four
            that Kipf and Welling 2017 train on (appendix A.1).

    Example:
        >>> karate_club()
        karate club: 34 nodes, 156 edges, 34 features
    """
    import networkx

    checks.choice("label", label, ("club", "community"))
    graph = Graph.from_networkx(networkx.karate_club_graph(), label="club")
    y = graph.y if label == "club" else torch.tensor([int(c) for c in KARATE_COMMUNITIES])
    classes = ("Mr. Hi", "Officer") if label == "club" else tuple(f"community {i}" for i in range(4))
    names = tuple(f"member {i}" for i in range(len(graph.x)))
    encoder = Encoder((Column(NODE, names),), classes)
    return Graph(torch.eye(len(names)), graph.adj, y, name="karate club", node_names=names, encoder=encoder)


def motif_graphs(
    count: int = 1000, base: int = 20, seed: int = 0, degree_as_tag: bool = False, like: Encoder | None = None
) -> GraphSet:
    """Return random trees with a motif attached: a house (class 0) or a ring of five nodes (class 1).

    Luo et al. 2020, Parameterized Explainer for Graph Neural Networks, arXiv:2011.04573, BA-2motifs. The trees grow by
    preferential attachment. x is 1 everywhere, so that only the shape distinguishes the classes.

    Args:
        count: number of graphs.
        base: number of nodes of each tree.
        seed: determines the trees.
        degree_as_tag, like: as for `load_graphs`.
    """
    checks.integer("count", count)
    checks.integer("base", base, 2)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))
    ring = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]
    edges_so_far, labels = [], []
    for number in range(count):
        ends, pairs = [0, 1], [(0, 1)]  # each node as often as it has edges
        for node in range(2, base):
            other = ends[int(torch.randint(len(ends), (), generator=generator))]
            pairs.append((node, other))
            ends += [node, other]
        labels.append(("house", "ring")[number % 2])
        motif = ring if labels[-1] == "ring" else [*ring, (1, 4)]  # the house: its roof's beam
        pairs += [(base + i, base + j) for i, j in motif]
        pairs.append((base, int(torch.randint(base, (), generator=generator))))
        edges_so_far.append(torch.tensor(pairs) + number * (base + 5))
    edges, owner = torch.cat(edges_so_far), torch.arange(count).repeat_interleave(base + 5)
    edges = torch.cat([edges, edges.flip(1)])
    return encode_graphs(Path("motifs"), {}, edges, owner, labels, degree_as_tag, like)


def power_law_graph(
    num_nodes: int,
    num_edges: int,
    num_classes: int = 10,
    num_features: int = 16,
    homophily: float = 0.6,
    signal: float = 0.5,
    exponent: float = 2.5,
    train: float = 0.5,
    seed: int = 0,
) -> Graph:
    """Return a random graph whose degrees follow a power law, and whose nodes prefer neighbours of their own class.

    Edges are drawn with probability ∝ w_i w_j, w from a Pareto distribution: Chung and Lu 2002, The Average Distances
    in Random Graphs with Given Expected Degrees. Features are normal noise of deviation 1 around the centre of the
    class. The centres are so close that one node's features say little about its class, and those of its neighbours
    say much: a model that ignores the edges fails.

    Args:
        num_nodes: number of nodes.
        num_edges: number of edges, both directions counted, before duplicates and self-loops are removed.
        num_classes, num_features: of the nodes.
        homophily: probability that both nodes of an edge are drawn from one class.
        signal: deviation of the centres of the classes.
        exponent: of the power law k^-exponent, greater than 2.
        train: share of the mask "train"; a fifth of the other nodes is "validation", the rest "test".
        seed: determines the graph.

    Example:
        >>> power_law_graph(1000, 5000).masks.keys()
        dict_keys(['train', 'validation', 'test'])
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
    weight = weight.clamp(max=float(weight.sum()) / num_edges**0.5)  # degree √E: no pair is expected twice
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
    place, first = torch.rand(num_nodes, generator=generator), checks.probability("train", train)
    known, test = place < first, place >= first + 0.2 * (1 - first)
    masks = {"train": known, "validation": ~known & ~test, "test": test}
    encoder = Encoder(make_columns(num_features), tuple(f"class {i}" for i in range(num_classes)))
    return Graph.from_edges(edges, x=x, y=y, masks=masks, name="planted graph", encoder=encoder)


planted_graph = power_law_graph  # its earlier name


@GRAPHS.register("karate_club")
def _karate_communities() -> Graph:
    return karate_club("community")


@GRAPHS.register("planted")
def _graph_like_cora() -> Graph:
    return power_law_graph(2708, 10_556, num_classes=7, num_features=64, homophily=0.8, train=0.05)


@GRAPH_SETS.register("motifs")
def _motifs(degree_as_tag: bool, like: Encoder | None) -> GraphSet:
    return motif_graphs(degree_as_tag=degree_as_tag, like=like)
