"""Graph cells: sparse as dense, symmetry, padding, direction, and others' mistakes."""

import pytest
import torch

from groundup import UnsupportedCall, backend
from groundup import functional as G
from groundup import layers as L
from groundup.functional.graph import edge_sum, neighbours
from parity import assert_same, randomise, run
from rows.oracles.graph import coo, csr, graph, split_entries

MODES = pytest.mark.parametrize("mode", ["reference", "auto"])
EXACT = {"rtol": 0, "atol": 1e-12}
AGGREGATIONS = ("mean", "pool", "gcn", "lstm")
CELLS = {
    "Graph_cell": lambda out=2: L.Graph_cell(3, out),
    "GCN_cell": lambda out=2: L.GCN_cell(3, out),
    **{f"GraphSAGE_cell, {a}": lambda out=2, a=a: L.GraphSAGE_cell(3, out, a) for a in AGGREGATIONS},
}
EACH = pytest.mark.parametrize("name", CELLS)
IN_NO_ORDER = pytest.mark.parametrize("name", [name for name in CELLS if "lstm" not in name])


def cell(name, out=2):
    return randomise(CELLS[name](out)).double().eval()


SPARSE = pytest.mark.parametrize("layout", [coo, csr, split_entries])


# ---- sparse and dense ---------------------------------------------------------------------------------------------


@SPARSE
@MODES
@EACH
def test_sparse_equals_dense(name, mode, layout):
    """Results, and gradients to x and to every parameter; with a mask too."""
    x, adj = graph()
    mask = torch.tensor([True, True, False, True, True, False])
    for out in (2, 5):
        for m in (None, mask):
            layer = cell(name, out)
            with backend(mode):
                expected = run(lambda v: layer(v, adj, m), [x], layer)  # noqa: B023
                actual = run(lambda v: layer(v, layout(adj), m), [x], layer)  # noqa: B023
            assert_same(actual, expected, torch.float64)


@pytest.mark.parametrize("layout", ["coo", "csr"])
@MODES
@pytest.mark.parametrize("name", ["Graph_cell", "GCN_cell", "GraphSAGE_cell, mean", "GraphSAGE_cell, gcn"])
def test_gradients_reach_the_weights_of_a_sparse_adjacency(name, mode, layout):
    x, adj = graph()
    layer, (row, col) = cell(name), adj.nonzero().unbind(1)
    start = csr(adj).crow_indices()

    def sparse(value):
        if layout == "coo":
            matrix = torch.sparse_coo_tensor(torch.stack([row, col]), value, adj.shape, check_invariants=True)
        else:
            matrix = torch.sparse_csr_tensor(start, col, value, adj.shape, check_invariants=True)
        return layer(x, matrix)

    def dense(value):
        return layer(x, torch.zeros_like(adj).index_put((row, col), value))

    with backend(mode):
        assert_same(run(sparse, [adj[row, col]]), run(dense, [adj[row, col]]), torch.float64)


def test_the_kernel_says_what_it_cannot_do():
    x, adj = graph()
    row, col = adj.nonzero().unbind(1)
    weight = adj[row, col]
    with backend("fused"):
        with pytest.raises(UnsupportedCall, match="weights that require a gradient"):
            edge_sum(x, row, col, weight.clone().requires_grad_())
        with pytest.raises(UnsupportedCall, match="half precision"):
            edge_sum(x.bfloat16(), row, col, weight)
        with torch.no_grad():
            torch.testing.assert_close(edge_sum(x, row, col, weight.clone().requires_grad_()), adj @ x, **EXACT)


@EACH
def test_sparse_graphs_are_never_made_dense(name):
    """300,000 nodes: a dense adjacency would take 360 GB."""
    n = 300_000
    index = torch.tensor([[5, 9, 9, n - 1], [7, 0, n - 1, 5]])
    adj = torch.sparse_coo_tensor(index, torch.ones(4), (n, n), check_invariants=True)
    layer = CELLS[name]()
    x = torch.ones(n, 3, requires_grad=True)
    y = layer(x, adj)
    y.sum().backward()
    assert y.shape == (n, 2)
    assert x.grad.isfinite().all()


@MODES
@EACH
def test_half_precision_on_a_sparse_graph(name, mode):
    """bfloat16 throughout, a float32 adjacency with bfloat16 features, and autocast."""
    x, adj = graph()
    expected = (layer := cell(name))(x, adj).float()
    with backend(mode):
        wide = layer.float()
        with torch.autocast("cpu", torch.bfloat16):
            cast = wide(x.float(), coo(adj.float()))
        half = layer.bfloat16()(x.bfloat16(), coo(adj.float()))
    assert half.dtype == torch.bfloat16
    for y in (cast, half):
        torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.15)


@MODES
def test_degrees_are_counted_in_float32(mode):
    """1,000 neighbours: bfloat16 counts to 256."""
    n = 1001
    adj = torch.zeros(n, n, dtype=torch.bfloat16)
    adj[0, 1:] = 1
    x = torch.ones(n, 1, dtype=torch.bfloat16)
    with backend(mode):
        for a in (adj, coo(adj)):
            assert G.neighbour_mean(x, a)[0].item() == 1.0


# ---- symmetry, padding, and odd graphs ----------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [lambda a: a, coo], ids=["dense", "coo"])
@IN_NO_ORDER
def test_permutation_equivariance(name, layout):
    x, adj = graph()
    layer, order = cell(name), torch.tensor([3, 5, 0, 2, 1, 4])
    permuted = layer(x[order], layout(adj[order][:, order]))
    torch.testing.assert_close(permuted, layer(x, layout(adj))[order], **EXACT)


@MODES
@EACH
def test_padded_nodes_change_nothing_and_are_zero(name, mode):
    """Even where they hold NaN and edges; parameters get a finite gradient, the padding none."""
    x, adj = graph(4, isolated=(1,))
    layer = cell(name)
    big, edges = torch.full((2, 6, 3), torch.nan, dtype=torch.float64), torch.ones(2, 6, 6, dtype=torch.float64)
    big[:, :4], edges[:, :4, :4] = x, adj
    mask = torch.tensor([[True] * 4 + [False] * 2] * 2)
    with backend(mode):
        expected = run(lambda v, a: layer(v, a), [x[None], adj[None]], layer)
        actual = run(lambda v, a: layer(v, a, mask), [big, edges], layer)
    torch.testing.assert_close(actual.outputs[0][:, :4], expected.outputs[0].expand(2, -1, -1), **EXACT)
    assert (actual.outputs[0][:, 4:] == 0).all()
    assert all(g is None or g.isfinite().all() for g in actual.parameter_grads.values())
    for g in actual.input_grads:
        assert g is None or (g[:, 4:] == 0).all()


@MODES
@EACH
def test_batches_are_graphs_apart(name, mode):
    (x, a), (y, b) = graph(seed=4), graph(seed=8, isolated=(0, 5))
    layer = cell(name)
    with backend(mode):
        both = layer(torch.stack([x, y]), torch.stack([a, b]))
        torch.testing.assert_close(both, torch.stack([layer(x, a), layer(y, b)]), **EXACT)


@MODES
@EACH
def test_odd_sizes(name, mode):
    """No nodes, one node, no graphs, no edges."""
    layer = cell(name)
    with backend(mode):
        for shape in ((0, 3), (2, 0, 3), (0, 4, 3), (0, 0, 3), (1, 3), (4, 3), (2, 1, 3)):
            x = torch.ones(shape, dtype=torch.float64, requires_grad=True)
            adj = torch.zeros(*shape[:-1], shape[-2], dtype=torch.float64)
            for a in (adj, coo(adj), csr(adj)) if x.dim() == 2 else (adj,):
                y = layer(x, a)
                y.sum().backward()
                assert y.shape == (*shape[:-1], 2)
                assert y.isfinite().all()
                assert x.grad.isfinite().all()


@pytest.mark.parametrize("layout", [lambda a: a, coo, csr], ids=["dense", "coo", "csr"])
@MODES
def test_isolated_nodes(mode, layout):
    """Graph_cell and GraphSAGE keep the node's own term, GCN its X W."""
    x, adj = graph()
    with backend(mode):
        for name, own in (
            ("Graph_cell", lambda m, v: m.lin_rel.bias + v @ m.lin_root.weight.T),
            ("GCN_cell", lambda m, v: v @ m.lin.weight.T + m.bias),
            *((f"GraphSAGE_cell, {a}", lambda m, v: m.lin_l.bias + v @ m.lin_r.weight.T) for a in ("mean", "pool")),
            ("GraphSAGE_cell, gcn", lambda m, v: m.lin_l(v)),
        ):
            layer = cell(name)
            torch.testing.assert_close(layer(x, layout(adj))[3], own(layer, x[3]), **EXACT)


# ---- others' mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [lambda a: a, coo, csr], ids=["dense", "coo", "csr"])
@MODES
def test_degrees_are_row_sums(mode, layout):
    """Node 0 gathers from two unit neighbours and nobody from it: their average, not 0 and not their sum."""
    adj = torch.tensor([[0.0, 1, 1], [0, 0, 0], [0, 0, 0]])
    x = torch.tensor([[10.0], [3.0], [5.0]])
    with backend(mode):
        assert G.neighbour_mean(x, layout(adj)).flatten().tolist() == [4.0, 0.0, 0.0]
        assert G.neighbour_max(x, layout(adj)).flatten().tolist() == [5.0, 0.0, 0.0]
        gathered = G.normalized_sum(x, layout(adj)).flatten()  # D̃ = 3, 1, 1
    torch.testing.assert_close(gathered, torch.tensor([10 / 3 + 8 / 3**0.5, 3.0, 5.0]))


@MODES
def test_the_mean_divides_by_the_neighbours_and_weighs_them(mode):
    """[3, 4, 5] of a full graph, not divided by n again; a weighted degree below 1 divides too."""
    x = torch.tensor([[9.0, 0, 0], [0, 12.0, 0], [0, 0, 15.0]])
    with backend(mode):
        for weight in (1.0, 0.1):
            full = torch.full((3, 3), weight)
            torch.testing.assert_close(G.neighbour_mean(x, full), torch.tensor([[3.0, 4, 5]] * 3))
        uneven = torch.tensor([[0, 0.1, 0.3], [0, 0, 0], [0, 0, 0]])
        torch.testing.assert_close(G.neighbour_mean(x, uneven)[0], torch.tensor([0, 3.0, 11.25]))


@pytest.mark.parametrize("layout", [lambda a: a, coo], ids=["dense", "coo"])
@MODES
def test_the_maximum_is_not_scaled_by_weights(mode, layout):
    x, adj = graph()
    with backend(mode):
        layer = cell("GraphSAGE_cell, pool")
        torch.testing.assert_close(layer(x, layout(0.1 * adj)), layer(x, layout(adj)), **EXACT)
        # and it may be negative: the zeros of a dense adjacency are no neighbours
        assert G.neighbour_max(-x.abs() - 1, layout(adj))[[0, 1, 2, 4, 5]].max() < 0


def test_gcn_remembers_nothing():
    """A changed in place, and two backward passes through a differentiable A."""
    x, adj = graph()
    layer = cell("GCN_cell")
    layer(x, adj)
    adj *= torch.linspace(0.5, 2, 6, dtype=torch.float64)
    assert torch.equal(layer(x, adj), layer(x, adj.clone()))
    adj.requires_grad_()
    for _ in range(2):
        layer(x, adj).sum().backward()
    assert adj.grad.isfinite().all()


def test_gcn_keeps_loops_that_are_there():
    """Ã's diagonal is a_ii where there is an edge, 1 elsewhere: neither 1 + a_ii nor 1 throughout."""
    adj, x = torch.tensor([[3.0, 1.0], [0.0, 0.0]]), torch.tensor([[4.0], [2.0]])
    expected = torch.tensor([[3.0 + 2 / 4**0.5], [2.0]])  # D̃ = 4, 1
    for a in (adj, coo(adj), csr(adj)):
        torch.testing.assert_close(G.normalized_sum(x, a), expected)


@MODES
def test_gcn_is_differentiable_in_a_dense_adjacency(mode):
    x, adj = graph(4)
    adj = (adj + 0.2).requires_grad_()
    with backend(mode):
        assert torch.autograd.gradcheck(lambda v, a: G.normalized_sum(v, a), (x.requires_grad_(), adj))
        assert torch.autograd.gradgradcheck(lambda v, a: G.normalized_sum(v, a), (x, adj))


def test_graphsage_is_algorithm_1():
    """W [h ; h_N] with one W of the width out_features, not two projections side by side."""
    x, adj = graph()
    layer = cell("GraphSAGE_cell, mean")
    h_n = adj @ x / adj.sum(1, keepdim=True).clamp(min=1e-300)
    w = torch.cat([layer.lin_r.weight, layer.lin_l.weight], 1)
    torch.testing.assert_close(layer(x, adj), torch.cat([x, h_n], 1) @ w.T + layer.lin_l.bias, **EXACT)


def test_graphsage_normalisation():
    """Rows of length 1; a zero row stays zero, with a finite gradient."""
    x, adj = graph()
    layer = L.GraphSAGE_cell(3, 4, normalize=True, bias=False).double()
    x = torch.where(torch.arange(6)[:, None] == 3, 0, x).requires_grad_()  # node 3 is isolated and zero
    y = layer(x, adj)
    y.sum().backward()
    torch.testing.assert_close(y.norm(dim=1), (torch.arange(6) != 3).double(), **EXACT)
    assert x.grad.isfinite().all()


# ---- the LSTM's random order --------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [lambda a: a, coo, csr], ids=["dense", "coo", "csr"])
def test_the_lstm_takes_neighbours_in_random_order_when_training(layout):
    x, adj = graph()
    layer = cell("GraphSAGE_cell, lstm")
    settled = layer(x, layout(adj))
    assert torch.equal(layer(x, layout(adj)), settled)
    layer.train()
    state = torch.get_rng_state()
    draws = [layer(x, layout(adj), generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(layer(x, layout(adj)), layer(x, layout(adj)))  # the global generator moves on


def test_an_order_is_a_permutation_and_every_one_is_drawn():
    adj = torch.tensor([[0.0, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 2]])
    row, col = neighbours(adj)
    assert (row.tolist(), col.tolist()) == ([0, 0, 0, 2, 2, 3], [1, 2, 3, 0, 1, 3])
    orders = set()
    for _ in range(200):
        r, c = neighbours(adj, shuffle=True)
        assert torch.equal(r, row)
        assert sorted(zip(r.tolist(), c.tolist())) == list(zip(row.tolist(), col.tolist()))
        orders.add(tuple(c[:3].tolist()))
    assert len(orders) == 6
