"""Rows: the graph networks."""

import torch

from groundup.models.graph_networks import GCN, GIN, DiffPoolNet, GraphSAGE
from rows.graph import COARSE, graphs
from rows.kit import Case, label
from rows.oracles.graph import DiffPoolNetOracle, GCNNetOracle, GINOracle, SAGENetOracle

# Statistics of ten rows in bfloat16: of float64's gradients the oracle itself is off by up to 0.21, ours by 0.08.
NORMED = {torch.bfloat16: 0.3}
CONNECTED = graphs(loops=True)  # differentiable at every entry of A


def of_two(batch=None, dtype=torch.float64):
    """Five nodes of two graphs; the edges between them are sums over blocks all the same."""
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
        label(**options) + (",batch_index" if inputs is of_two else ""),
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
    gin(of_two, batches=()),
    gin(of_two, batches=(), readout="mean"),
    diffpool((3,), 1),
    diffpool((3, 2), 2),
]

REQUIRED = {"GCN": (3, 4, 2), "GraphSAGE": (3, 4, 2), "GIN": (3, 4, 2), "DiffPoolNet": (3, 4, 2)}

x, adj = torch.ones(2, 4, 3), torch.ones(2, 4, 4)
sparse = torch.eye(4).to_sparse()

BAD_INPUTS = [
    ("GCN", lambda: GCN(3, 4, 2, num_layers=0), ValueError, "num_layers must be at least 1, got 0"),
    ("GCN", lambda: GCN(3, 0, 2), ValueError, "hidden_features must be at least 1, got 0"),
    ("GCN", lambda: GCN(3, 4, 2, dropout=2.0), ValueError, "p must be a finite number in [0.0, 1.0], got 2.0"),
    ("GCN", lambda: GCN(3, 4, 2)(x[..., :2], adj), ValueError, "x must have 3 features (axis -1), got 2"),
    ("GCN", lambda: GCN(3, 4, 2)(x, adj[:, :3]), ValueError, "adj must have shape (2, 4, 4) for x (2, 4, 3)"),
    ("GCN", lambda: GCN(3, 4, 2)(x[0], torch.ones(2, 4)), ValueError, "adj must have shape (4, 4)"),
    ("GCN", lambda: GCN(4, 4, 2)(sparse, sparse, torch.ones(4).bool()), TypeError, "x must be dense, or sparse COO"),
    ("GCN", lambda: GCN(3, 4, 2)(sparse, sparse), ValueError, "x must have 3 features (axis -1), got 4"),
    (
        "GCN",
        lambda: GCN(2, 4, 3)(torch.ones(4, 2), torch.zeros(2, 9).long()),
        TypeError,
        "pass Graph.from_edges(edge_index.T",
    ),
    ("GIN", lambda: GIN(2, 4, 3)(torch.ones(4, 2), torch.zeros(2, 9).int()), TypeError, "looks like an edge_index"),
    ("GCN", lambda: GCN.preset("pubmed"), ValueError, "GCN has no preset 'pubmed'; it has 'cora'"),
    ("GraphSAGE", lambda: GraphSAGE(3, 4, 2, aggregation="sum"), ValueError, "aggregation must be one of 'mean'"),
    ("GraphSAGE", lambda: GraphSAGE(3, 4, 2)(x, adj[:1]), ValueError, "adj must have shape (2, 4, 4)"),
    (
        "GraphSAGE",
        lambda: GraphSAGE(3, 4, 2)(x[0], [sparse]),
        ValueError,
        "adj must be one adjacency, or one for each of the 2 layers, got 1",
    ),
    ("GraphSAGE", lambda: GraphSAGE(3, 4, 2)(x[0], torch.ones(5, 4)), ValueError, "adj must have shape (4, 4)"),
    ("GIN", lambda: GIN(3, 4, 2, num_layers=1), ValueError, "num_layers must be at least 2, got 1"),
    ("GIN", lambda: GIN(3, 4, 0), ValueError, "num_classes must be at least 1, got 0"),
    ("GIN", lambda: GIN(3, 4, 2, mlp_layers=0), ValueError, "mlp_layers must be at least 1, got 0"),
    ("GIN", lambda: GIN(3, 4, 2, readout="max"), ValueError, "readout must be one of 'sum', 'mean', got 'max'"),
    ("GIN", lambda: GIN(3, 4, 2)(x[..., :2], adj), ValueError, "x must have 3 features (axis -1), got 2"),
    ("GIN", lambda: GIN(3, 4, 2)(x, adj, torch.zeros(4).long()), ValueError, "batch_index is for x (N, I)"),
    (
        "GIN",
        lambda: GIN(3, 4, 2)(x[0], sparse, torch.tensor([0, 0, 1, 3]), 2),
        ValueError,
        "index must lie in [0, 1], got 3",
    ),
    ("DiffPoolNet", lambda: DiffPoolNet(3, 4, 2, ()), ValueError, "clusters must be a number for each level"),
    ("DiffPoolNet", lambda: DiffPoolNet(3, 4, 2, 12), ValueError, "clusters must be a number for each level"),
    ("DiffPoolNet", lambda: DiffPoolNet(3, 4, 2, (0,)), ValueError, "clusters must be at least 1, got 0"),
    ("DiffPoolNet", lambda: DiffPoolNet(3, 4, 2)(x[0], adj[0]), ValueError, "x must have shape (B, N, I), got 2 axes"),
    ("DiffPoolNet", lambda: DiffPoolNet(2, 4, 2)(x, adj), ValueError, "x must have 2 features (axis -1), got 3"),
    (
        "DiffPoolNet",
        lambda: DiffPoolNet(3, 4, 2)(x, adj, torch.ones(2, 4)),
        TypeError,
        "mask must be boolean (True = a real node)",
    ),
]
