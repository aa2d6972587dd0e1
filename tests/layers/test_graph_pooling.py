"""DiffPool and BatchAddPool: padding, sparse graphs, exact coarsening, empty graphs, and others' mistakes."""

import pytest
import torch

from groundup import backend
from groundup import layers as L
from parity import assert_same, run, seeded_randn
from rows.oracles.graph import DiffPoolOracle, coo, csr, graph, split_entries

MODES = pytest.mark.parametrize("mode", ["reference", "auto"])
EXACT = {"rtol": 0, "atol": 1e-12}

# ---- DiffPool -----------------------------------------------------------------------------------------------------


def to_pool(batch=2, n=6, k=3):
    adj = torch.stack([graph(n, seed=4 + b)[1] for b in range(batch)])
    return seeded_randn(batch, n, 4), adj, seeded_randn(batch, n, k, seed=9)


@MODES
def test_assignments_sum_to_one_over_the_clusters(mode):
    """Of ones, X' counts the nodes of each cluster: n in all, a softmax over nodes would give k."""
    _, adj, logits = to_pool()
    with backend(mode):
        x, coarse, _, _ = L.DiffPool()(torch.ones(2, 6, 1, dtype=torch.float64), adj, logits)
    torch.testing.assert_close(x.sum((1, 2)), torch.full((2,), 6.0, dtype=torch.float64), **EXACT)
    torch.testing.assert_close(coarse.sum((1, 2)), adj.sum((1, 2)), **EXACT)
    assert x.shape[1] == logits.size(-1)


@pytest.mark.parametrize("layout", [lambda a: a, coo, csr, split_entries], ids=["dense", "coo", "csr", "uncoalesced"])
@pytest.mark.parametrize("masked", [False, True])
def test_diffpool_on_one_graph(layout, masked):
    """Sparse and dense, masked or not, against the loop over entries; gradients too."""
    z, adj, logits = (v[0] for v in to_pool())
    mask = torch.tensor([True, True, False, True, True, False]) if masked else None
    expected = run(lambda u, v: DiffPoolOracle()(u, adj, v, mask), [z, logits])
    actual = run(lambda u, v: L.DiffPool()(u, layout(adj), v, mask), [z, logits])
    assert_same(actual, expected, torch.float64)


def test_gradients_of_diffpool_reach_sparse_weights():
    z, adj, logits = (v[0] for v in to_pool())
    row, col = adj.nonzero().unbind(1)

    def sparse(value):
        matrix = torch.sparse_coo_tensor(torch.stack([row, col]), value, adj.shape, check_invariants=True)
        return L.DiffPool()(z, matrix, logits)

    def dense(value):
        return L.DiffPool()(z, torch.zeros_like(adj).index_put((row, col), value), logits)

    assert_same(run(sparse, [adj[row, col]]), run(dense, [adj[row, col]]), torch.float64)


def test_padding_and_neighbours_in_the_batch_do_not_change_the_losses():
    z, adj, logits = to_pool()
    padded = [torch.full((3, 9, 4), torch.nan).double(), torch.ones(3, 9, 9).double(), torch.full((3, 9, 3), torch.nan)]
    padded[2] = padded[2].double()
    padded[0][:2, :6], padded[1][:2, :6, :6], padded[2][:2, :6] = z, adj, logits
    mask = torch.zeros(3, 9, dtype=torch.bool)
    mask[:2, :6] = True  # the third graph has no node at all
    expected = run(L.DiffPool(), [z, adj, logits])
    actual = run(lambda *a: L.DiffPool()(*a, mask), padded)
    for a, e in zip(actual.outputs, expected.outputs):
        torch.testing.assert_close(a[:2] if a.dim() else a, e, **EXACT)
    assert all(g.isfinite().all() for g in actual.input_grads)
    alone = [L.DiffPool()(*(v[b] for v in (z, adj, logits)))[2:] for b in range(2)]
    for i in (0, 1):
        torch.testing.assert_close(expected.outputs[2 + i], (alone[0][i] + alone[1][i]) / 2, **EXACT)


@pytest.mark.parametrize("layout", [lambda a: a, coo], ids=["dense", "coo"])
@MODES
def test_a_hard_assignment_coarsens_exactly(mode, layout):
    """One-hot S: clusters are summed, entropy 0; two cliques with loops are S Sᵀ, link loss 0; finite gradients."""
    cluster = torch.tensor([0, 1, 0, 1, 1])
    s = torch.eye(2, dtype=torch.float64)[cluster]
    logits = ((2 * s - 1) * 1e4).requires_grad_()
    z = seeded_randn(5, 3)
    with backend(mode):
        x, coarse, link, entropy = L.DiffPool()(z, layout(s @ s.T), logits)
    torch.testing.assert_close(x, torch.stack([z[cluster == k].sum(0) for k in (0, 1)]), **EXACT)
    torch.testing.assert_close(coarse, torch.tensor([[4.0, 0], [0, 9]], dtype=torch.float64), **EXACT)
    assert (link.item(), entropy.item()) == (0.0, 0.0)
    (link + entropy).backward()
    assert logits.grad.isfinite().all()


@MODES
def test_a_forbidden_cluster_costs_nothing(mode):
    """A logit of -inf is a probability of 0, whose share of the entropy is 0, with a finite gradient."""
    z, adj, logits = to_pool()
    barred = torch.cat([logits, torch.full((2, 6, 1), -torch.inf, dtype=torch.float64)], -1)
    with backend(mode):
        expected, actual = (run(L.DiffPool(), [z, adj, v]) for v in (logits, barred))
    for a, e in zip(actual.outputs[2:], expected.outputs[2:]):
        torch.testing.assert_close(a, e, **EXACT)
    assert (actual.input_grads[2][..., 3] == 0).all()
    assert all(g.isfinite().all() for g in actual.input_grads)


def test_the_entropy_is_of_probabilities():
    """log 2 for an undecided pair, whatever both logits are."""
    z, adj = torch.ones(4, 1), torch.ones(4, 4)
    for value in (0.0, 5.0, -50.0):
        assert L.DiffPool()(z, adj, torch.full((4, 2), value))[3].item() == pytest.approx(0.693147, abs=1e-6)
    assert L.DiffPool()(z, adj, torch.tensor([[5.0, -5.0]] * 4))[3].item() == pytest.approx(4.99e-4, abs=1e-5)


@MODES
def test_diffpool_does_not_see_the_order_of_nodes(mode):
    z, adj, logits = to_pool()
    order = torch.tensor([3, 5, 0, 2, 1, 4])
    with backend(mode):
        permuted = L.DiffPool()(z[:, order], adj[:, order][:, :, order], logits[:, order])
        torch.testing.assert_close(permuted, L.DiffPool()(z, adj, logits), **EXACT)


def test_diffpool_of_odd_sizes():
    for shape in ((0, 4), (2, 0), (2, 1), (0, 0)):
        z = torch.ones(*shape, 3, requires_grad=True)
        x, coarse, link, entropy = L.DiffPool()(z, torch.zeros(*shape, shape[1]), torch.ones(*shape, 2))
        assert (x.shape, coarse.shape) == ((shape[0], 2, 3), (shape[0], 2, 2))
        assert link.isfinite()
        assert entropy.isfinite()


# ---- BatchAddPool -------------------------------------------------------------------------------------------------


def test_add_pool_keeps_graphs_without_nodes():
    x = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    index = torch.tensor([2, 0, 2, 0])
    pool = L.BatchAddPool()
    assert pool(x, index, 5).flatten().tolist() == [10.0, 0, 5, 0, 0]
    assert pool(x, index).flatten().tolist() == [10.0, 0, 5]
    assert pool(x, index.int(), 3).flatten().tolist() == [10.0, 0, 5]
    assert pool(x).flatten().tolist() == [15.0]
    assert torch.equal(pool(x), pool(x, torch.zeros(4, dtype=torch.int64)))


def test_add_pool_does_not_see_the_order_of_nodes():
    x, index, order = seeded_randn(5, 3), torch.tensor([1, 0, 1, 2, 0]), torch.tensor([4, 2, 0, 1, 3])
    pool = L.BatchAddPool()
    torch.testing.assert_close(pool(x[order], index[order], 4), pool(x, index, 4), **EXACT)


def test_add_pool_of_odd_sizes():
    nothing, index = torch.ones(0, 3), torch.zeros(0, dtype=torch.int64)
    pool = L.BatchAddPool()
    assert pool(nothing).tolist() == [[0.0] * 3]
    assert pool(nothing, index).shape == (0, 3)
    assert pool(nothing, index, 2).tolist() == [[0.0] * 3] * 2


@pytest.mark.usefixtures("untyped")
def test_a_given_number_of_graphs_is_traced():
    x, index = torch.ones(4, 3), torch.tensor([2, 0, 2, 0])
    pool = L.BatchAddPool()
    compiled = torch.compile(pool, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, index, 4), pool(x, index, 4))


def test_add_pool_sums_half_precision_in_float32():
    """1,000 ones: bfloat16 stops at 256."""
    x, index = torch.ones(1000, 1, dtype=torch.bfloat16), torch.zeros(1000, dtype=torch.int64)
    assert L.BatchAddPool()(x, index).item() == 1000
