"""Rows: the graph cells and the graph poolings."""

import warnings
from functools import cache

import torch
from torch import nn

from groundup import layers as L
from groundup.data import planetoid
from groundup.functional.graph import edge_sum
from rows.benchmark import compare_calls
from rows.kit import FunctionCase, bad_inputs, both, grid, positive, randn, seeded_randn
from rows.oracles.graph import AddPoolOracle, DiffPoolOracle, GCNOracle, GraphOracle, SAGEOracle

# Directed and weighted, with edges of a node to itself (2 and 4) and, in the second graph, isolated nodes (0 and 3).
PATTERN = torch.tensor(
    [
        [[0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [1, 0, 1, 0, 0], [0, 1, 1, 0, 1], [0, 0, 0, 1, 1]],
        [[0, 0, 0, 0, 0], [1, 0, 1, 0, 1], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1]],
    ]
).double()


def graphs(features=3, loops=False):
    """x (B, 5, features) and a weighted adjacency; `loops` gives every node an edge to itself, in the first graph."""

    def inputs(batch=2, dtype=torch.float64):
        x = seeded_randn(2, 5, features)
        adj = PATTERN * (0.1 + seeded_randn(2, 5, 5, seed=4).abs())
        if loops:  # then A is differentiable at every entry that finite differences move
            adj = 0.2 + adj
        return x[:batch].to(dtype), adj[:batch].to(dtype)

    return inputs


def one_graph(batch=None, dtype=torch.float64):
    x, adj = graphs()(dtype=dtype)
    return x[1], adj[1]


def to_pool(batch=2, dtype=torch.float64):
    x, adj = graphs()(dtype=dtype)
    return x, adj, seeded_randn(2, 5, 2, seed=5).to(dtype)


def one_to_pool(batch=None, dtype=torch.float64):
    return tuple(v[0] for v in to_pool(dtype=dtype))


def nodes(batch=None, dtype=torch.float64):
    return (seeded_randn(5, 3, dtype=dtype),)


def sorted_nodes(batch=None, dtype=torch.float64):
    return *nodes(dtype=dtype), torch.tensor([2, 0, 2, 1, 0])


biases = grid(bias=(True, False))
AGGREGATIONS = grid(aggregation=("mean", "gcn", "pool", "lstm"))
# The oracle rounds at each of its many steps, in half precision.
COARSE = {torch.bfloat16: 0.15}

CASES = [
    *both("BatchAddPool", AddPoolOracle, inputs=nodes, batches=()),
    *both("BatchAddPool", AddPoolOracle, inputs=sorted_nodes, batches=()),
    *[
        case
        for name, oracle in (("Graph_cell", GraphOracle), ("GCN_cell", GCNOracle))
        for case in (
            *both(name, oracle, 3, 2, inputs=graphs(loops=True), tolerance=COARSE),
            *both(name, oracle, 3, 4, inputs=graphs(), grid=biases, tolerance=COARSE),
            *both(name, oracle, 3, 2, inputs=one_graph, grid=biases, batches=(), tolerance=COARSE),
        )
    ],
    *both("GraphSAGE_cell", SAGEOracle, 3, 2, inputs=graphs(loops=True), tolerance=COARSE),
    *[  # eval mode: 'lstm' then has an order
        case
        for size, inputs, options in (
            (2, graphs(), [{**a, **o} for a in AGGREGATIONS for o in ({}, {"normalize": True}, {"bias": False})]),
            (4, one_graph, AGGREGATIONS),
        )
        for case in both(
            "GraphSAGE_cell",
            SAGEOracle,
            3,
            size,
            inputs=inputs,
            grid=options,
            modes=(False,),
            batches=() if inputs is one_graph else (0, 1),
            tolerance=COARSE,
        )
    ],
    *both("DiffPool", DiffPoolOracle, inputs=to_pool, batches=(), tolerance=COARSE),
    *both("DiffPool", DiffPoolOracle, inputs=one_to_pool, batches=(), tolerance=COARSE),
]

row, col = torch.tensor([0, 0, 1, 3, 3, 3]), torch.tensor([1, 4, 1, 0, 2, 3])


def edge_sum_oracle(x, row, col, weight):
    adj = torch.zeros(5, 5, dtype=weight.dtype).index_put((row, col), weight)
    return adj @ x


FUNCTION_CASES = [
    FunctionCase(
        edge_sum,
        lambda dtype, w=weight: ([randn(5, 3)(dtype), row, col, w(dtype)], {}),
        edge_sum_oracle,
        label,
        constants=constants,
    )
    for label, weight, constants in (("constant weights", positive(6), (3,)), ("weights", randn(6), ()))
]


def fewer_rows_oracle(x, row, col, weight, size):
    return torch.zeros(size, 5, dtype=weight.dtype).index_put((row, col), weight) @ x


FUNCTION_CASES.append(
    FunctionCase(
        edge_sum,
        lambda dtype: ([randn(5, 3)(dtype), row, col, positive(6)(dtype), 4], {}),
        fewer_rows_oracle,
        "fewer rows",
        constants=(3,),
    )
)

x, adj = torch.ones(2, 4, 3), torch.ones(2, 4, 4)
sparse = torch.eye(4).to_sparse()
mask = torch.ones(2, 4).bool()
cell = L.Graph_cell(3, 2)


def csc_adjacency():
    with warnings.catch_warnings():  # PyTorch says once that its compressed layouts are in beta
        warnings.filterwarnings("ignore", "Sparse .* tensor support is in beta", UserWarning)
        return torch.eye(4).to_sparse_csc()


REQUIRED = {"Graph_cell": (3, 4), "GCN_cell": (3, 4), "GraphSAGE_cell": (3, 4)}

BAD_INPUTS = bad_inputs(
    Graph_cell=[
        (lambda: L.Graph_cell(0, 2), "in_features must be at least 1, got 0"),
        (lambda: cell(x[0, 0], adj), "x must have shape (N, C) or (B, N, C), got 1 axes"),
        (lambda: cell(x.long(), adj), "TypeError: x must be a floating-point tensor"),
        (lambda: cell(x, adj.long()), "TypeError: adj must be a floating-point tensor, got torch.int64"),
        (lambda: cell(x, adj[0]), "adj must have shape (2, 4, 4) for x (2, 4, 3), got (4, 4)"),
        (lambda: cell(x, adj[:, :3]), "adj must have shape (2, 4, 4)"),
        (lambda: cell(x, sparse), "x must have shape (N, C) with a sparse adj, got (2, 4, 3)"),
        (lambda: cell(x[0], csc_adjacency()), "TypeError: adj must be dense, sparse COO or sparse CSR"),
        (lambda: cell(x[0], torch.ones(4, 4, 1).to_sparse(2)), "adj must hold one number per edge, got 1 dense axes"),
        (lambda: cell(x, adj, mask.float()), "TypeError: mask must be boolean (True = a real node)"),
        (lambda: cell(x, adj, mask[0]), "mask must have shape (2, 4), one per node, got (4,)"),
    ],
    GCN_cell=[
        (lambda: L.GCN_cell(3, 2)(adj, adj), "x must have 3 features (axis -1), got 4"),
        (lambda: L.GCN_cell(3, True), "TypeError: out_features must be an int, got True"),
    ],
    GraphSAGE_cell=[
        (lambda: L.GraphSAGE_cell(3, 2, "max"), "aggregation must be one of 'mean', 'pool', 'gcn', 'lstm', got 'max'"),
        (lambda: L.GraphSAGE_cell(3, 2)(x, adj[:1]), "adj must have shape (2, 4, 4)"),
    ],
    DiffPool=[
        (
            lambda: L.DiffPool()(x, adj, torch.ones(2, 3, 2)),
            "assignment_logits must have shape (2, 4, 'K'), one row per node of z, got (2, 3, 2)",
        ),
        (lambda: L.DiffPool()(x, adj, torch.ones(2, 4, 0)), "assignment_logits must have at least one cluster, got 0"),
        (lambda: L.DiffPool()(x, adj, adj.long()), "TypeError: assignment_logits must be a floating-point"),
    ],
    BatchAddPool=[
        (lambda: L.BatchAddPool()(x), "x must have shape (N, C), got 3 axes"),
        (lambda: L.BatchAddPool()(x[0], num_graphs=2), "batch_index must be given for num_graphs=2"),
        (lambda: L.BatchAddPool()(x[0], torch.tensor([0, 1, 2, 1]), 2), "index must lie in [0, 1], got 2"),
        (lambda: L.BatchAddPool()(x[0], torch.tensor([0, -1, 1, 1])), "index must lie in [0, 1], got -1"),
        (lambda: L.BatchAddPool()(x[0], torch.ones(4)), "TypeError: index must be an integer tensor"),
        (lambda: L.BatchAddPool()(x[0], torch.ones(3).long()), "index must have shape (N,) with N = 4, as x has"),
    ],
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------


@cache
def cora():
    return planetoid("cora")


class OnCora(nn.Module):
    """A layer with the graph put in: an adjacency for ours, edges (from, to) for the peer's."""

    def __init__(self, layer, graph):
        super().__init__()
        self.layer, self.graph = layer, graph

    def forward(self, x):
        return self.layer(x, self.graph)


def compare_cells(name, peer, sizes, csr=False, **only_peer):
    """`layers.<name>` against `torch_geometric.nn.<peer>` with the options that make it the same, on Cora."""

    def ours():
        return OnCora(getattr(L, name)(*sizes), cora().adj.to_sparse_csr() if csr else cora().adj)

    def theirs():
        import torch_geometric.nn

        return OnCora(getattr(torch_geometric.nn, peer)(*sizes, **only_peer), cora().edges.flip(0))

    return compare_calls(
        *("graph", f"{name} {sizes[0]} → {sizes[1]}" + ", CSR" * csr, "Cora", f"PyG {peer}"),
        ours,
        theirs,
        lambda: [cora().x if sizes[0] == 1433 else torch.randn(2708, sizes[0])],
        limit=1.0,
        not_compiled="sparse tensors cannot be traced",
    )


BENCHMARKS = [
    row
    for sizes in ((1433, 16), (16, 7))
    for row in (
        compare_cells("GCN_cell", "GCNConv", sizes),
        compare_cells("Graph_cell", "GraphConv", sizes, aggr="mean"),
        compare_cells("GraphSAGE_cell", "SAGEConv", sizes),
    )
] + [compare_cells("GCN_cell", "GCNConv", (16, 7), csr=True)]
