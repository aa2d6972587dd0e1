"""Rows: the graph networks."""

from functools import cache
from itertools import islice

import torch
from torch import nn

from groundup.data import Graph, Loader, NeighbourSampler, NodeSet, gin_graphs, planetoid, power_law_graph
from groundup.functional import cross_entropy
from groundup.models.graph_networks import GCN, GIN, DiffPoolNet, GraphSAGE
from groundup.optimizers import Adam
from rows.benchmark import Benchmark
from rows.graph import COARSE, graphs
from rows.kit import Case, bad_inputs, label
from rows.oracles.graph import DiffPoolNetOracle, GCNNetOracle, GINOracle, SAGENetOracle
from rows.units import Unit, fill

# Statistics of ten rows in bfloat16: of float64's gradients the oracle itself is off by up to 0.21, ours by 0.08.
NORMED = {torch.bfloat16: 0.3}
CONNECTED = graphs(loops=True)  # differentiable at every entry of A


def two_graphs(batch=None, dtype=torch.float64):
    """Five nodes of two graphs, with edges between the graphs."""
    x, adj = graphs()(dtype=dtype)
    return x[1], adj[1], torch.tensor([0, 1, 0, 1, 1])


def gcn(inputs, random=False, **options):
    return Case(
        "GCN",
        label(**options),
        lambda: GCN(3, 4, 2, **{"dropout": 0.0, **options}),
        inputs,
        lambda: GCNNetOracle([3, 4, 2], **{"dropout": 0.0, **options}),
        random=random,
        tolerance=COARSE,
        gain=0.5,
    )


def sage(inputs, classes=None, **options):
    return Case(
        "GraphSAGE",
        label(**options, classes=classes),
        lambda: GraphSAGE(3, 4, 3, num_classes=classes, **options),
        inputs,
        lambda: SAGENetOracle([3, 4, 3], classes=classes, **options),
        modes=(False,) if options.get("aggregation") == "lstm" else (True, False),
        tolerance=COARSE,
        gain=0.5,
    )


def gin(inputs, batches=(0, 1), **options):
    return Case(
        "GIN",
        label(**options) + (",batch_index" if inputs is two_graphs else ""),
        lambda: GIN(3, 4, 2, num_layers=3, dropout=0.0, **options),
        inputs,
        lambda: GINOracle([3, 4, 4], 2, **options),
        batches=batches,
        tolerance=NORMED,
        gain=0.5,
    )


def diffpool(clusters, num_layers):
    return Case(
        "DiffPoolNet",
        label(clusters=clusters),
        lambda: DiffPoolNet(3, 4, 2, clusters, num_layers),
        CONNECTED,
        lambda: DiffPoolNetOracle(3, 4, 2, clusters, num_layers),
        batches=(),  # the losses are of the whole batch
        tolerance=NORMED,
        gain=0.5,
        deep=True,
    )


CASES = [
    gcn(CONNECTED),
    gcn(graphs(), bias=False),
    gcn(graphs(), random=True, dropout=0.5),
    sage(CONNECTED),
    sage(graphs(), classes=2, normalize=False),
    sage(graphs(), aggregation="pool"),
    gin(CONNECTED),
    gin(graphs(), train_eps=True),
    gin(graphs(), readout="mean", mlp_layers=1),
    gin(two_graphs, batches=()),
    gin(two_graphs, batches=(), readout="mean"),
    diffpool((3,), 1),
    diffpool((3, 2), 2),
]

REQUIRED = {"GCN": (3, 4, 2), "GraphSAGE": (3, 4, 2), "GIN": (3, 4, 2), "DiffPoolNet": (3, 4, 2)}

x, adj = torch.ones(2, 4, 3), torch.ones(2, 4, 4)
sparse = torch.eye(4).to_sparse()

BAD_INPUTS = bad_inputs(
    GCN=[
        (lambda: GCN(3, 4, 2, num_layers=0), "num_layers must be at least 1, got 0"),
        (lambda: GCN(3, 0, 2), "hidden_features must be at least 1, got 0"),
        (lambda: GCN(3, 4, 2, dropout=2.0), "p must be a finite number in [0.0, 1.0], got 2.0"),
        (lambda: GCN(3, 4, 2)(x[..., :2], adj), "x must have 3 features (axis -1), got 2"),
        (lambda: GCN(3, 4, 2)(x, adj[:, :3]), "adj must have shape (2, 4, 4) for x (2, 4, 3)"),
        (lambda: GCN(3, 4, 2)(x[0], torch.ones(2, 4)), "adj must have shape (4, 4)"),
        (lambda: GCN(4, 4, 2)(sparse, sparse, torch.ones(4).bool()), "TypeError: x must be dense, or sparse COO"),
        (lambda: GCN(3, 4, 2)(sparse, sparse), "x must have 3 features (axis -1), got 4"),
        (
            lambda: GCN(2, 4, 3)(torch.ones(4, 2), torch.zeros(2, 9).long()),
            "TypeError: pass Graph.from_edges(edge_index.T",
        ),
        (lambda: GCN.preset("pubmed"), "GCN has no preset 'pubmed'; it has 'cora'"),
    ],
    GIN=[
        (lambda: GIN(2, 4, 3)(torch.ones(4, 2), torch.zeros(2, 9).int()), "TypeError: looks like an edge_index"),
        (lambda: GIN(3, 4, 2, num_layers=1), "num_layers must be at least 2, got 1"),
        (lambda: GIN(3, 4, 0), "num_classes must be at least 1, got 0"),
        (lambda: GIN(3, 4, 2, mlp_layers=0), "mlp_layers must be at least 1, got 0"),
        (lambda: GIN(3, 4, 2, readout="max"), "readout must be one of 'sum', 'mean', got 'max'"),
        (lambda: GIN(3, 4, 2)(x[..., :2], adj), "x must have 3 features (axis -1), got 2"),
        (lambda: GIN(3, 4, 2)(x, adj, torch.zeros(4).long()), "batch_index is for x (N, I)"),
        (lambda: GIN(3, 4, 2)(x[0], sparse, torch.tensor([0, 0, 1, 3]), 2), "index must lie in [0, 1], got 3"),
    ],
    GraphSAGE=[
        (lambda: GraphSAGE(3, 4, 2, aggregation="sum"), "aggregation must be one of 'mean'"),
        (lambda: GraphSAGE(3, 4, 2)(x, adj[:1]), "adj must have shape (2, 4, 4)"),
        (
            lambda: GraphSAGE(3, 4, 2)(x[0], [sparse]),
            "adj must be one adjacency, or one for each of the 2 layers, got 1",
        ),
        (lambda: GraphSAGE(3, 4, 2)(x[0], torch.ones(5, 4)), "adj must have shape (4, 4)"),
    ],
    DiffPoolNet=[
        (lambda: DiffPoolNet(3, 4, 2, ()), "clusters must be a number per level"),
        (lambda: DiffPoolNet(3, 4, 2, 12), "clusters must be a number per level"),
        (lambda: DiffPoolNet(3, 4, 2, (0,)), "clusters must be at least 1, got 0"),
        (lambda: DiffPoolNet(3, 4, 2)(x[0], adj[0]), "x must have shape (B, N, I), got 2 axes"),
        (lambda: DiffPoolNet(2, 4, 2)(x, adj), "x must have 2 features (axis -1), got 3"),
        (
            lambda: DiffPoolNet(3, 4, 2)(x, adj, torch.ones(2, 4)),
            "TypeError: mask must be boolean (True = a real node)",
        ),
    ],
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------

UNTRACED = "sparse tensors cannot be traced"


class Epoch(Unit):
    """An epoch of training on `batches`; the outcome is computed on `checked` batches, without random draws."""

    def __init__(self, model, optimizer, loss, batches, checked=None):
        fill(model)
        self.model, self.loss, self.batches, self.checked = model, loss, batches, checked or batches
        self.optimizer = optimizer(model.parameters(), lr=0.01)

    def run(self):
        self.model.train()
        for inputs, y, counted in self.batches():
            self.optimizer.zero_grad()
            self.loss(self.model(*inputs)[counted], y).backward()
            self.optimizer.step()
        return ()

    def outcome(self):
        """Scores of every batch, without dropout, and the sum of their gradients."""
        self.model.eval()
        self.model.zero_grad()
        scores = []
        for inputs, y, counted in self.checked():
            scores.append(self.model(*inputs)[counted])
            self.loss(scores[-1], y).backward()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return [torch.cat(scores), *gradients]

    def compile(self):
        raise NotImplementedError(UNTRACED)


def compare_epochs(name, size, against, ours, peer, limit=0.8):
    options = {"limit": limit, "tolerance": 1e-3, "not_compiled": UNTRACED}
    return Benchmark("graph", name, size, "an epoch", against, ours, peer, **options)


@cache
def cora():
    graph = planetoid()
    return Graph(graph.x / graph.x.sum(1, keepdim=True), graph.adj, graph.y, graph.masks)


def gcn_ours():
    graph, train = cora(), cora().masks["train"]
    x = graph.x.to_sparse()
    return Epoch(GCN(1433, 16, 7), Adam, cross_entropy, lambda: [((x, graph.adj), graph.y[train], train)])


def gcn_theirs():
    from torch_geometric.nn.models import GCN as Theirs

    graph, train = cora(), cora().masks["train"]
    x, edges = graph.x, graph.edges.flip(0)
    model = Theirs(1433, 16, 2, 7, dropout=0.5, cached=True)
    return Epoch(model, torch.optim.Adam, nn.functional.cross_entropy, lambda: [((x, edges), graph.y[train], train)])


class TheirGIN(nn.Module):
    """Equation 4.2 with the parts of PyTorch Geometric."""

    def __init__(self, features, hidden, classes, layers=5):
        super().__init__()
        from torch_geometric.nn import GINConv

        widths = [features] + [hidden] * (layers - 1)
        self.convs, self.norms, self.heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for width in widths[:-1]:
            parts = nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, hidden)
            self.convs.append(GINConv(nn.Sequential(*parts)))
            self.norms.append(nn.BatchNorm1d(hidden))
        self.heads.extend(nn.Linear(width, classes) for width in widths)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x, edges, batch, size):
        from torch_geometric.nn import global_add_pool

        scores = self.dropout(self.heads[0](global_add_pool(x, batch, size)))
        for conv, norm, head in zip(self.convs, self.norms, list(self.heads)[1:]):
            x = torch.relu(norm(conv(x, edges)))
            scores = scores + self.dropout(head(global_add_pool(x, batch, size)))
        return scores


@cache
def proteins():
    return gin_graphs("PROTEINS")


def gin_ours():
    loader = Loader(proteins(), 128)
    batches = lambda: (((b.x, b.adj, b.batch_index, b.num_graphs), b.y, slice(None)) for b in loader)  # noqa: E731
    return Epoch(GIN(3, 32, 2), Adam, cross_entropy, batches)


def gin_theirs():
    from torch_geometric.loader import DataLoader

    loader = DataLoader([graph.to_pyg() for graph in proteins()], 128)
    batches = lambda: (((b.x, b.edge_index, b.batch, b.num_graphs), b.y, slice(None)) for b in loader)  # noqa: E731
    return Epoch(TheirGIN(3, 32, 2), torch.optim.Adam, nn.functional.cross_entropy, batches)


# GraphSAGE on a planted graph: 2,048 nodes, 512 per step, two layers
FAN_OUTS, ALL, ASKED = (10, 10), (10**6, 10**6), 2048


@cache
def sample_graph():
    return power_law_graph(20_000, 200_000)


def samples(fan_outs):
    nodes = torch.arange(0, 20_000, 20_000 // ASKED)[:ASKED]
    return Loader(NodeSet(nodes, sample_graph().y[nodes]), 512, transform=NeighbourSampler(sample_graph(), fan_outs))


def sage_ours():
    def of(loader):
        def batches():
            loader.seek(0)  # the same draws each time, as the peer's
            return (((s.x, s.adjs), y, slice(None)) for s, y in loader)

        return batches

    # Checked with all neighbours, where there is nothing to draw.
    model = GraphSAGE(16, 64, 10, normalize=False)
    return Epoch(model, Adam, cross_entropy, of(samples(FAN_OUTS)), lambda: list(islice(of(samples(ALL))(), 1)))


def their_sage():
    from torch_geometric.nn.models import GraphSAGE as Theirs

    return Theirs(16, 64, 2, 10)


def sage_of_all():
    """PyTorch Geometric without compiled samplers: all neighbours of two hops, in Python."""
    from torch_geometric.utils import k_hop_subgraph

    graph = sample_graph()
    edges = graph.edges.flip(0)

    def batches():
        for nodes, y in Loader(samples(FAN_OUTS).dataset, 512):
            near, local, place, _ = k_hop_subgraph(nodes, 2, edges, relabel_nodes=True, num_nodes=len(graph.x))
            yield (graph.x[near], local), y, place

    return Epoch(
        their_sage(), torch.optim.Adam, nn.functional.cross_entropy, batches, lambda: list(islice(batches(), 1))
    )


class OnSamples(nn.Module):
    """PyTorch Geometric's GraphSAGE on our samples, each layer of fewer nodes, as its own samplers hand them out."""

    def __init__(self):
        super().__init__()
        self.convs = their_sage().convs

    def forward(self, x, edges):
        for number, (conv, (index, size)) in enumerate(zip(self.convs, edges)):
            x = conv((x, x[:size]), index)
            x = torch.relu(x) if number + 1 < len(edges) else x
        return x


def sage_on_samples():
    def of(loader):
        def batches():
            loader.seek(0)
            for sample, y in loader:
                edges = [(adj.indices().flip(0), adj.size(0)) for adj in sample.adjs]
                yield (sample.x, edges), y, slice(None)

        return batches

    checked = lambda: list(islice(of(samples(ALL))(), 1))  # noqa: E731
    return Epoch(OnSamples(), torch.optim.Adam, nn.functional.cross_entropy, of(samples(FAN_OUTS)), checked)


PLANTED = "20,000 nodes, 197,000 edges; 2,048 asked, 10 + 10 neighbours"
BENCHMARKS = [
    compare_epochs("GCN 1433 → 16 → 7", "Cora", "PyG GCN, cached", gcn_ours, gcn_theirs),
    compare_epochs("GIN, 5 layers of 32", "PROTEINS, 128 a batch", "PyG GINConv, DataLoader", gin_ours, gin_theirs),
    *[
        compare_epochs("GraphSAGE, sampled", PLANTED, f"PyG GraphSAGE, {how}", sage_ours, peer, limit)
        for how, peer, limit in (
            ("k_hop_subgraph (all neighbours)", sage_of_all, 0.8),
            ("on our samples", sage_on_samples, 1.0),
        )
    ],
]
