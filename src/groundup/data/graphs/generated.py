"""Graphs that need no file: Zachary's karate club, sets told apart by a motif, large ones with planted labels."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.data.graphs.graph import Graph
from groundup.data.graphs.sets import GraphSet, encoded
from groundup.data.tables.encoder import NODE, Column, Encoder, numbered_columns

#: Of the members, the four communities of the largest modularity (0.4198): Brandes et al. 2008, On Modularity
#: Clustering. Members 0 and 33, who fell out, are of the communities 0 and 2.
KARATE_COMMUNITIES = "0000111022100022102020233323322322"


def karate_club(label: str = "club") -> Graph:
    """34 members, 78 friendships, and which of two clubs each joined after the split; x is the identity.

    label="community": one of four, those that Kipf and Welling 2017 train on (appendix A.1).
    Zachary 1977, An Information Flow Model for Conflict and Fission in Small Groups. PyTorch brings networkx along.
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
    """Trees that grow by preferring the well connected, with a house (class 0) or a ring of five (1) hung on.

    Luo et al. 2020, Parameterized Explainer for Graph Neural Networks, arXiv:2011.04573, BA-2motifs; x is 1 throughout,
    so that nothing but the shape tells them apart. `degree_as_tag` and `like` as in `load_graphs`.
    """
    checks.integer("count", count)
    checks.integer("base", base, 2)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))
    ring = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]
    joined, labels = [], []
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
        joined.append(torch.tensor(pairs) + number * (base + 5))
    edges, owner = torch.cat(joined), torch.arange(count).repeat_interleave(base + 5)
    edges = torch.cat([edges, edges.flip(1)])
    return encoded(Path("motifs"), {}, edges, owner, labels, degree_as_tag, like)


def planted_graph(
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
    """A graph whose degrees follow a power law, k^-exponent, and whose nodes prefer their own class.

    Pairs are drawn with probability ∝ w_i w_j, w of a Pareto distribution (Chung and Lu 2002, The Average Distances in
    Random Graphs with Given Expected Degrees), with probability `homophily` both of one class. Features are normal
    noise of deviation 1 around one of `num_classes` centres, themselves normal with deviation `signal`: little to go
    by for a node alone, much with its neighbours. num_edges, both directions counted, is before the few that are drawn
    twice, or from a node to itself, are taken out. A share `train` of the nodes, at random, is "train", a fifth of the
    others "validation", the rest "test".
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
    encoder = Encoder(numbered_columns(num_features), tuple(f"class {i}" for i in range(num_classes)))
    return Graph.from_edges(edges, x=x, y=y, masks=masks, name="planted graph", encoder=encoder)
