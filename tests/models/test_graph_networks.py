"""Graph networks: PyTorch Geometric's, sparse and dense; symmetry, padding, colours; the papers' numbers; mistakes."""

import pytest
import torch
import torch_geometric.nn as pyg
from torch_geometric.nn.dense import dense_diff_pool

from groundup import backend
from groundup.data import Graph, GraphSet, random_walks
from groundup.functional import neighbour_sum, walk_loss
from groundup.functional.graph import apply_to_real_nodes, edges
from groundup.models.graph_networks import GCN, GIN, DiffPoolNet, GraphSAGE
from groundup.optimizers import Adam
from parity import assert_same, randomise, run, seeded_randn
from rows.oracles.graph import coo, csr, graph

MODES = pytest.mark.parametrize("mode", ["reference", "auto"])
EXACT = {"rtol": 0, "atol": 1e-11}
NETS = {
    "GCN": lambda: GCN(3, 4, 2, dropout=0.0),
    "GraphSAGE": lambda: GraphSAGE(3, 4, 3, num_classes=2),
    "GIN": lambda: GIN(3, 4, 2, num_layers=3, dropout=0.0, train_eps=True),
    "DiffPoolNet": lambda: DiffPoolNet(3, 4, 2, (3, 2), num_layers=2),
}
EACH = pytest.mark.parametrize("name", NETS)
OF_NODES = ("GCN", "GraphSAGE")


def net(name, train=False):
    model = randomise(NETS[name]()).double().train(train)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    return model


def undirected(n=6, seed=4):
    x, adj = graph(n, seed, isolated=(3,))
    return x, ((adj + adj.T) > 0).double().fill_diagonal_(0)


def scores(model, x, adj, mask=None):
    """What the model says of dense graphs, (B, N, C)."""
    if isinstance(model, GIN):
        return model(x, adj, mask=mask)
    outputs = model(x, adj, mask)
    return outputs[0] if isinstance(model, DiffPoolNet) else outputs


# ---- PyTorch Geometric --------------------------------------------------------------------------------------------


def shared(ours, theirs, rename=lambda key: key):
    """Both with the same random parameters; every one of theirs is one of ours, and the other way round."""
    state = {rename(key): value for key, value in ours.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected
    assert all("num_batches" in key for key in missing)
    return theirs.double()


@pytest.mark.parametrize("layout", [coo, csr])
@MODES
@pytest.mark.parametrize("bias", [True, False])
def test_gcn_is_pyg_s(mode, layout, bias):
    x, adj = undirected()
    ours = randomise(GCN(3, 5, 2, 3, dropout=0.0, bias=bias)).double()
    theirs = shared(ours, pyg.models.GCN(3, 5, 3, 2, bias=bias))
    edge_index = adj.nonzero().T.flip(0)
    with backend(mode):
        actual = run(lambda v: ours(v, layout(adj)), [x], ours)
    assert_same(actual, run(lambda v: theirs(v, edge_index), [x], theirs), torch.float64)


@pytest.mark.parametrize("layout", [lambda a: a, coo, csr], ids=["dense", "coo", "csr"])
@MODES
@pytest.mark.parametrize(("aggregation", "options"), [("mean", {}), ("pool", {"aggr": "max", "project": True})])
def test_graphsage_is_pyg_s(mode, layout, aggregation, options):
    x, adj = undirected()
    ours = randomise(GraphSAGE(3, 5, 2, 3, aggregation, normalize=False)).double()
    theirs = shared(ours, pyg.models.GraphSAGE(3, 5, 3, 2, **options))
    edge_index = adj.nonzero().T.flip(0)
    with backend(mode):
        actual = run(lambda v: ours(v, layout(adj)), [x], ours)
    assert_same(actual, run(lambda v: theirs(v, edge_index), [x], theirs), torch.float64)


class PyGGIN(torch.nn.Module):
    """GIN of PyG's layers, sparse or dense."""

    def __init__(self, ours, dense):
        super().__init__()
        conv = pyg.dense.DenseGINConv if dense else pyg.GINConv
        mlps = [torch.nn.Sequential(*map(torch_twin, layer.mlp)) for layer in ours.layers]
        self.layers = torch.nn.ModuleList(conv(mlp, train_eps=True) for mlp in mlps)
        self.norms = torch.nn.ModuleList(map(torch_twin, ours.norms))
        self.heads = torch.nn.ModuleList(map(torch_twin, ours.heads))

    def forward(self, x, edges, batch):
        y = self.heads[0](pyg.global_add_pool(x, batch))
        for layer, norm, head in zip(self.layers, self.norms, list(self.heads)[1:]):
            x = layer(x, edges)  # (1, N, C) of the dense one
            x = torch.relu(norm(x.flatten(0, -2)))
            y = y + head(pyg.global_add_pool(x, batch))
        return y


def torch_twin(layer):
    if hasattr(layer, "in_features"):
        return torch.nn.Linear(layer.in_features, layer.out_features)
    return LastAxisNorm(layer.num_features) if hasattr(layer, "num_features") else torch.nn.ReLU()


class LastAxisNorm(torch.nn.BatchNorm1d):
    """Features last, whatever goes before: of (B, N, C) torch's would take N for the channels."""

    def forward(self, x):
        return super().forward(x.flatten(0, -2)).view_as(x)


def two_graphs():
    (x, a), (z, b) = undirected(6, 4), undirected(4, 8)
    return torch.cat([x, z]), torch.block_diag(a, b), torch.tensor([0] * 6 + [1] * 4)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("train", [False, True])
@MODES
def test_gin_is_of_pyg_s_layers(mode, train, dense):
    x, adj, batch = two_graphs()
    ours = net("GIN", train)
    theirs = shared(ours, PyGGIN(ours, dense), lambda key: key.replace(".mlp.", ".nn.")).train(train)
    edges = adj if dense else adj.nonzero().T.flip(0)
    with backend(mode):
        actual = run(lambda v: ours(v, adj if dense else coo(adj), batch, 2), [x], ours)
    expected = run(lambda v: theirs(v, edges, batch), [x], theirs)
    for part in ("parameter_grads", "buffers"):
        setattr(expected, part, {k.replace(".nn.", ".mlp."): v for k, v in getattr(expected, part).items()})
    assert_same(actual, expected, torch.float64)


@MODES
def test_diffpool_is_of_pyg_s_layers(mode):
    """Without batch normalisation's own affair: eval mode, DenseSAGEConv and dense_diff_pool, one level."""
    x, adj = (v[None] for v in undirected())
    adj = 1e4 * (adj + 0.5)  # degrees of 1 and more, of clusters too, where both divide alike
    ours = randomise(DiffPoolNet(3, 4, 2, (3,), 2)).double().eval()

    def stack(stacks, i, v, a):
        outputs = []
        for conv, norm in zip(stacks[i].convs, stacks[i].norms):
            twin = pyg.dense.DenseSAGEConv(conv.in_features, conv.out_features).double()
            twin.load_state_dict(
                {
                    "lin_rel.weight": conv.lin_l.weight,
                    "lin_root.weight": conv.lin_r.weight,
                    "lin_root.bias": conv.lin_l.bias,
                }
            )
            h = torch.nn.functional.normalize(torch.relu(twin(v, a)), dim=-1)
            mean, var = norm.running_mean, norm.running_var
            v = (h - mean) / (var + 1e-5).sqrt() * norm.weight + norm.bias
            outputs.append(v)
        return torch.cat(outputs, -1)

    z = stack(ours.embed, 0, x, adj)
    pooled, coarse, link, entropy = dense_diff_pool(z, adj, ours.logits[0](stack(ours.assign, 0, x, adj)))
    tops = torch.cat([z.amax(1), stack(ours.embed, 1, pooled, coarse).amax(1)], 1)
    with backend(mode):
        actual = ours(x, adj)
    torch.testing.assert_close(actual[0], ours.head(tops), **EXACT)
    torch.testing.assert_close(actual[1], link)
    torch.testing.assert_close(actual[2], entropy, rtol=0, atol=1e-9)  # PyG adds 1e-15 inside its logarithm


# ---- symmetry, padding, batches -----------------------------------------------------------------------------------


@MODES
@EACH
def test_the_order_of_nodes_does_not_matter(name, mode):
    """Scores of nodes move with them; scores of graphs stay."""
    x, adj = graph()
    order = torch.tensor([3, 5, 0, 2, 1, 4])
    for train in (False, True):
        model = net(name, train)
        with backend(mode):
            usual = scores(model, x[None], adj[None])
            permuted = scores(model, x[order][None], adj[order][:, order][None])
        torch.testing.assert_close(permuted, usual[:, order] if name in OF_NODES else usual, **EXACT)


@MODES
@pytest.mark.parametrize("name", ["GIN", "DiffPoolNet"])
def test_padded_nodes_change_nothing(name, mode):
    """Nor the statistics of the batch: outputs, gradients and buffers, though the padding holds NaN and edges."""
    x, adj = graph(5, isolated=(1,))
    big, edges = torch.full((2, 8, 3), torch.nan, dtype=torch.float64), torch.ones(2, 8, 8, dtype=torch.float64)
    big[:, :5], edges[:, :5, :5] = x, adj
    big[1, :5] += 1
    mask = torch.arange(8).expand(2, 8) < 5
    for train in (False, True):
        plain, padded = net(name, train), net(name, train)
        with backend(mode):
            expected = run(lambda v: scores(plain, v, torch.stack([adj, adj])), [torch.stack([x, x + 1])], plain)  # noqa: B023
            actual = run(lambda v: scores(padded, v, edges, mask), [big], padded)  # noqa: B023
        assert (actual.input_grads[0][:, 5:] == 0).all()
        actual.input_grads = [actual.input_grads[0][:, :5]]
        assert_same(actual, expected, torch.float64)


@pytest.mark.parametrize("name", OF_NODES)  # the cells' own tests see to gradients; a head's bias reaches padding
def test_padded_nodes_change_no_score_of_a_node(name):
    x, adj = graph(5, isolated=(1,))
    big, edges = torch.full((1, 8, 3), torch.nan, dtype=torch.float64), torch.ones(1, 8, 8, dtype=torch.float64)
    big[0, :5], edges[0, :5, :5] = x, adj
    model = net(name)
    y = model(big, edges, torch.arange(8)[None] < 5)
    torch.testing.assert_close(y[0, :5], model(x, adj), **EXACT)


@MODES
@pytest.mark.parametrize("readout", ["sum", "mean"])
def test_gin_of_joined_graphs_is_gin_of_padded_ones(mode, readout):
    """A block-diagonal batch and a padded one are the same graphs; a graph by itself too, in eval mode."""
    (x, a), (z, b) = undirected(6, 4), undirected(4, 8)
    joined = (torch.cat([x, z]), coo(torch.block_diag(a, b)), torch.tensor([0] * 6 + [1] * 4), 2)
    wide, adj = torch.zeros(2, 6, 3, dtype=torch.float64), torch.zeros(2, 6, 6, dtype=torch.float64)
    wide[0], wide[1, :4], adj[0], adj[1, :4, :4] = x, z, a, b
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    model = randomise(GIN(3, 4, 2, 3, dropout=0.0, readout=readout)).double()
    with backend(mode):
        for train in (True, False):
            model.train(train)
            torch.testing.assert_close(model(*joined), model(wide, adj, mask=mask), **EXACT)
        torch.testing.assert_close(model(z, coo(b)), model(*joined)[1:], **EXACT)


@pytest.mark.parametrize("layout", [coo, csr])
@MODES
def test_edges_in_order_of_their_columns_change_nothing(mode, layout):
    """The order that GIN finds once and its layers share: of a directed, weighted graph, wider than either kernel."""
    x, adj = graph()
    wide = seeded_randn(6, 200)
    with backend(mode):
        for v in (x, wide):
            expected = run(lambda u: neighbour_sum(u, adj), [v])
            assert_same(run(lambda u: neighbour_sum(u, edges(layout(adj), ordered=True)), [v]), expected, torch.float64)
            y = v.requires_grad_()
            grad = torch.autograd.grad(
                neighbour_sum(y, edges(layout(adj), ordered=True)).sin().sum(), y, create_graph=True
            )
            plain = torch.autograd.grad(neighbour_sum(y, adj).sin().sum(), y, create_graph=True)
            second = [torch.autograd.grad(g[0].square().sum(), y)[0] for g in (grad, plain)]
            torch.testing.assert_close(second[0], second[1], **EXACT)


def test_a_graph_without_nodes_scores_its_biases():
    model = net("GIN")
    y = model(torch.zeros(0, 3).double(), torch.zeros(0, 0).double().to_sparse(), torch.zeros(0).long(), 2)
    torch.testing.assert_close(y, sum(head.bias for head in model.heads).expand(2, -1), **EXACT)


@MODES
def test_diffpool_of_graphs_without_nodes(mode):
    model = net("DiffPoolNet")
    with backend(mode):
        for shape in ((1, 0), (0, 4)):
            y = model(torch.zeros(*shape, 3).double(), torch.zeros(*shape, shape[1]).double())
            assert y.logits.shape == (shape[0], 2)
            assert all(v.isfinite().all() for v in y)


def test_statistics_are_of_real_nodes():
    x = torch.arange(6.0).view(2, 3, 1)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    seen = []
    y = apply_to_real_nodes(lambda rows: seen.append(rows) or rows + 1, x, mask)
    assert seen[0].flatten().tolist() == [0.0, 1.0, 3.0]
    assert y.flatten().tolist() == [1.0, 2.0, 0.0, 4.0, 0.0, 0.0]


# ---- what colours tell apart --------------------------------------------------------------------------------------


def ring(*lengths):
    blocks = []
    for n in lengths:
        a = torch.zeros(n, n, dtype=torch.float64)
        for i in range(n):
            a[i, (i + 1) % n] = a[(i + 1) % n, i] = 1
        blocks.append(a)
    return torch.block_diag(*blocks)


def path(n):
    return torch.diag(torch.ones(n - 1), 1).double() + torch.diag(torch.ones(n - 1), -1).double()


def colours(adj, rounds=6):
    """The Weisfeiler-Lehman test: the multiset of colours after refinement by neighbours' colours."""
    colour = [0] * len(adj)
    for _ in range(rounds):
        colour = [(c, *sorted(colour[j] for j in row.nonzero().flatten())) for c, row in zip(colour, adj)]
        table = {c: i for i, c in enumerate(sorted(set(colour)))}
        colour = [table[c] for c in colour]
    return sorted(colour)


@MODES
def test_gin_tells_apart_what_colours_do_and_no_more(mode):
    """C6 and two triangles look alike to both; a path of 3 and a triangle do not, though to a mean they do."""
    model = net("GIN")

    def score(adj):
        return model(torch.ones(len(adj), 3, dtype=torch.float64), coo(adj))

    with backend(mode):
        for a, b in ((ring(6), ring(3, 3)), (ring(8), ring(4, 4)), (ring(3), path(3)), (ring(6), path(6))):
            same = colours(a) == colours(b)
            assert bool((score(a) - score(b)).abs().max() < 1e-12) == same
        assert colours(ring(6)) == colours(ring(3, 3))
        sage = randomise(GraphSAGE(3, 4, 2)).double()
        means = [sage(torch.ones(3, 3).double(), coo(a)).sum(0) for a in (ring(3), path(3))]
    torch.testing.assert_close(means[0], means[1], **EXACT)


def test_the_readout_counts_layer_0():
    """Of the features themselves, whatever the layers do: their share of the scores is there with all layers at 0."""
    model = net("GIN")
    with torch.no_grad():
        for head in list(model.heads)[1:]:
            head.weight.zero_()
    x, adj = undirected()
    expected = model.heads[0].weight @ x.sum(0) + sum(head.bias for head in model.heads)
    torch.testing.assert_close(model(x, coo(adj))[0], expected, **EXACT)


def test_eps_is_learned_only_when_asked():
    """GIN-ε has one number a layer more, which gets a gradient; GIN-0 keeps 0 and saves it."""
    trained, kept = GIN(3, 4, 2, train_eps=True), GIN(3, 4, 2)
    assert len(list(trained.parameters())) == len(list(kept.parameters())) + 4
    x, adj = (v.float() for v in undirected())
    trained(x, coo(adj)).sum().backward()
    assert all(layer.eps.grad is not None and layer.eps.item() == 0 for layer in trained.layers)
    assert "layers.0.eps" in kept.state_dict()


# ---- the papers' numbers, and others' mistakes --------------------------------------------------------------------


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_gcn_on_cora_has_the_paper_s_parameters():
    assert count(GCN.preset("cora")) == 23_040
    assert count(GCN.preset("cora", bias=True)) == 23_063
    assert GCN.preset("cora").dropout.p == 0.5


def test_gcn_ends_in_scores():
    """No relu and no further layer behind the last product: equation 9, written out."""
    x, adj = undirected()
    model = net("GCN")
    tilde = adj + torch.eye(6, dtype=torch.float64)
    scale = tilde.sum(1).rsqrt()
    hat = scale[:, None] * tilde * scale
    first, second = model.convs
    hidden = torch.relu(hat @ x @ first.lin.weight.T + first.bias)
    torch.testing.assert_close(model(x, adj), hat @ hidden @ second.lin.weight.T + second.bias, **EXACT)
    assert (model(x, adj) < 0).any()


@MODES
def test_gcn_takes_sparse_features(mode):
    """Bags of words: the scores and gradients of the dense ones; of a sparse x only what it holds can be dropped."""
    x, adj = undirected()
    x = torch.where(x > 0, x, 0)
    model = net("GCN")
    with backend(mode):
        expected = run(lambda: model(x, coo(adj)), [], model)
        actual = run(lambda: model(x.to_sparse(), coo(adj)), [], model)
        assert_same(actual, expected, torch.float64)
        halves = GCN(3, 4, 2, dropout=0.5).double().train()
        kept = halves._drop(x.to_sparse()).to_dense()
    assert set((kept / torch.where(x > 0, x, 1)).flatten().tolist()) <= {0.0, 2.0}


def test_graphsage_normalises_after_its_relu():
    """Algorithm 1, line 7 after line 5: the hidden rows have length 1 and no negative entry."""
    x, adj = undirected()
    model = randomise(GraphSAGE(3, 5, 2)).double()
    seen = []
    model.convs[1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    z = model(x, adj)
    torch.testing.assert_close(seen[0].norm(dim=-1), torch.ones(6).double(), **EXACT)
    assert (seen[0] >= 0).all()
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(6).double(), **EXACT)
    assert (z < 0).any()  # the last layer has no relu


@MODES
def test_graphsage_is_asked_about_graphs_it_has_not_seen(mode):
    x, adj = undirected(9, seed=5)
    assert net("GraphSAGE")(x, coo(adj)).shape == (9, 2)


@pytest.mark.parametrize("layout", [lambda a: a, coo, csr], ids=["dense", "coo", "csr"])
@MODES
@pytest.mark.parametrize("aggregation", ["mean", "gcn", "pool", "lstm"])
def test_fewer_rows_than_columns(mode, aggregation, layout):
    """The first M nodes gather: the rows of the square graph's answer, and its gradients."""
    x, adj = graph()
    model = randomise(GraphSAGE(3, 4, 2, 1, aggregation)).double().eval()
    mask = torch.tensor([True, True, False, True, True, False])
    with backend(mode):
        for m in (None, mask):
            for rows in (4, 1):
                expected = run(lambda v: model(v, adj, m)[:rows], [x], model)  # noqa: B023
                actual = run(lambda v: model(v, [layout(adj[:rows])], m), [x], model)  # noqa: B023
                assert_same(actual, expected, torch.float64)


def test_as_many_clusters_as_were_asked_and_any_certainty():
    """Logits are of both signs and any size, so that a node can be all of one cluster; K columns, not L·H."""
    model = net("DiffPoolNet")
    seen = []
    model.pool.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    x, adj = (v[None] for v in undirected())
    model(100 * x, adj)
    assert [inputs[2].shape for inputs in seen] == [(1, 6, 3), (1, 3, 2)]
    assert (seen[0][2] < 0).any()
    with torch.no_grad():
        model.logits[0].weight.mul_(100)
    model(x, adj)
    assert torch.softmax(seen[2][2], -1).max() > 0.999


def test_walk_loss():
    """Equation 1 by hand, and that it pulls pairs together and negatives apart."""
    u, v, far = (seeded_randn(*s, seed=i) for i, s in enumerate(((4, 3), (4, 3), (5, 3))))
    by_hand = [
        -torch.log(torch.sigmoid(a @ b)) - sum(torch.log(torch.sigmoid(-(a @ q))) for q in far) for a, b in zip(u, v)
    ]
    torch.testing.assert_close(walk_loss(u, v, far, "none"), torch.stack(by_hand), **EXACT)
    torch.testing.assert_close(walk_loss(u, v, far, "sum"), sum(by_hand), **EXACT)
    assert walk_loss(1e4 * u, -1e4 * u, far).isfinite()


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((4, 3), (5, 3), (2, 3)), r"v must have shape \(P, C\) with P = 4, as u has, got \(5, 3\)"),
        (((4, 3), (4, 3), (2, 2)), r"negatives must have shape \(Q, C\) with C = 3, as u has, got \(2, 2\)"),
        (((4, 3), (4, 3), (3,)), r"negatives must have shape \(Q, C\) with C = 3, got 1 axes"),
    ],
)
def test_walk_loss_of_wrong_shapes(shapes, words):
    with pytest.raises(ValueError, match=words):
        walk_loss(*(torch.ones(s) for s in shapes))


def test_graphsage_learns_without_labels():
    """Two rings of eight, joined by an edge: after some walks a node is nearer to its own ring than to the other."""
    ends = [(r + i, r + (i + 1) % 8) for r in (0, 8) for i in range(8)] + [
        (r + i, r + (i + 2) % 8) for r in (0, 8) for i in range(8)
    ]
    graph = Graph.from_edges(torch.tensor([*ends, (0, 8)]), x=torch.eye(16))
    model = GraphSAGE(16, 8, 8)
    optimizer = Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        walks = random_walks(graph, torch.arange(16), 3)
        z = model(graph.x, graph.adj)
        start, met = walks[:, :1].expand(-1, 3).flatten(), walks[:, 1:].flatten()
        optimizer.zero_grad()
        walk_loss(z[start], z[met], z[torch.randint(16, (5,))]).backward()
        optimizer.step()
    near = (z @ z.T).detach()
    own = torch.block_diag(torch.ones(8, 8), torch.ones(8, 8)).bool()
    assert near[own].mean() > near[~own].mean() + 0.5


def test_models_take_what_a_set_of_graphs_hands_out():
    graphs = GraphSet.of([Graph(v.float(), coo(a.float())) for v, a in (undirected(6, 4), undirected(4, 8))])
    joined = graphs.batch(torch.tensor([1, 0]))
    padded = graphs.with_padding(7).batch(torch.tensor([1, 0]))
    gin = NETS["GIN"]().eval()
    torch.testing.assert_close(gin(*joined[:4]), gin(padded.x, padded.adj, mask=padded.mask))
    assert NETS["DiffPoolNet"]()(*padded[:3]).logits.shape == (2, 2)
