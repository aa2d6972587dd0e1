"""Graphs, sets of them, their files, and samples: what comes out is what was put in, and nothing wrong gets through."""

import networkx
import pytest
import torch

from groundup.data import (
    Graph,
    GraphSet,
    Loader,
    NeighbourSampler,
    NodeSet,
    folds,
    gin_graphs,
    karate_club,
    load_graphs,
    motif_graphs,
    power_law_graph,
    random_walks,
    read_gin,
    read_tu,
    tu_graphs,
)
from groundup.data.graphs.sampling import draw_neighbours
from groundup.models.graph_networks import GraphSAGE

untyped = pytest.mark.usefixtures("untyped")


def dense(graph):
    return graph.adj.to_dense()


def ring(n, features=2, y=0):
    edges = torch.stack([torch.arange(n), (torch.arange(n) + 1) % n], 1)
    return Graph.from_edges(edges, x=torch.randn(n, features), y=None if y is None else torch.tensor(y))


# ---- one graph ----------------------------------------------------------------------------------------------------


def test_edges_once_and_both_ways():
    """Given twice, or both ways round, a pair is one edge; a loop stays; whom no pair names is isolated."""
    graph = Graph.from_edges(torch.tensor([[0, 1], [1, 0], [0, 1], [2, 2]]), num_nodes=4)
    assert dense(graph).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert graph.adj.is_coalesced()
    assert graph.x.tolist() == [[1.0]] * 4
    assert repr(graph) == "graph: 4 nodes, 3 edges, 1 features"


def test_directed_edges_point_where_they_say():
    """i → j: j gathers from i."""
    graph = Graph.from_edges(torch.tensor([[0, 1], [2, 1]]), directed=True)
    assert dense(graph).tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert graph.edges.tolist() == [[1, 1], [0, 2]]


def test_the_larger_weight_counts():
    graph = Graph.from_edges(torch.tensor([[0, 1], [1, 0]]), weight=torch.tensor([0.5, 2.0]))
    assert dense(graph).tolist() == [[0, 2], [2, 0]]


def test_networkx():
    source = networkx.DiGraph()
    source.add_node("c", kind="x")
    source.add_node("a", kind="y")
    source.add_edge("a", "c", strength=3.0)
    graph = Graph.from_networkx(source, label="kind", weight="strength")
    assert dense(graph).tolist() == [[0, 3], [0, 0]]
    assert graph.y.tolist() == [0, 1]
    assert Graph.from_networkx(networkx.path_graph(3)).edges.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert dense(Graph.from_networkx(networkx.empty_graph(2))).sum() == 0


def test_pyg_and_back():
    """Directed, weighted, masked: what comes back is what was sent."""
    adj = torch.tensor([[0, 0.5, 0], [0, 0, 2.0], [0, 0, 1.0]])
    mask = torch.tensor([True, False, True])
    graph = Graph(torch.randn(3, 2), adj.to_sparse(), torch.tensor([1, 0, 1]), {"train": mask})
    data = graph.to_pyg()
    assert data.edge_index.tolist() == [[1, 2, 2], [0, 1, 2]]  # from, to
    assert data.train_mask.equal(mask)
    back = Graph.from_pyg(data)
    assert torch.equal(dense(back), adj)
    assert torch.equal(back.x, graph.x)
    assert torch.equal(back.y, graph.y)
    assert back.masks["train"].equal(mask)
    whole = Graph.from_pyg(Graph(graph.x, graph.adj, torch.tensor(1)).to_pyg())
    assert whole.y.shape == ()


def test_parallel_edges_of_pyg_add_up():
    """As its layers gather along each of them: twice from node 0 with 1 and 2, or twice with 1."""
    from torch_geometric.data import Data

    index = torch.tensor([[0, 0, 1], [1, 1, 2]])
    data = Data(x=torch.randn(3, 2), edge_index=index, edge_weight=torch.tensor([1.0, 2.0, 0.5]))
    assert dense(Graph.from_pyg(data)).tolist() == [[0, 0, 0], [3, 0, 0], [0, 0.5, 0]]
    assert dense(Graph.from_pyg(Data(x=data.x, edge_index=index))).tolist() == [[0, 0, 0], [2, 0, 0], [0, 1, 0]]
    data.edge_weight[1] = -2.0
    with pytest.raises(ValueError, match=r"edge_weight must hold 3 finite numbers, none below 0, got -2\.0 for edge 1"):
        Graph.from_pyg(data)
    data.edge_weight = torch.ones(3, 1)
    with pytest.raises(ValueError, match="one number for each of the 3 edges, got shape"):
        Graph.from_pyg(data)


def test_a_part_of_a_graph():
    graph = power_law_graph(40, 200, 3, 4)
    nodes = torch.tensor([7, 3, 30])
    part = graph.subgraph(nodes)
    assert torch.equal(dense(part), dense(graph)[nodes][:, nodes])
    assert torch.equal(part.x, graph.x[nodes])
    assert torch.equal(part.y, graph.y[nodes])
    assert part.masks["test"].equal(graph.masks["test"][nodes])
    with pytest.raises(ValueError, match="nodes must hold each node once"):
        graph.subgraph(torch.tensor([1, 1]))


def test_the_karate_club():
    graph = karate_club()
    assert (len(graph.x), graph.edges.size(1), graph.y.bincount().tolist()) == (34, 156, [17, 17])
    assert graph.y[0] != graph.y[33]  # the two who fell out


def test_the_club_s_communities():
    """A partition into four of modularity 0.4198, the largest there is."""
    graph = karate_club("community")
    parts = [set((graph.y == c).nonzero().flatten().tolist()) for c in range(4)]
    modularity = networkx.community.modularity(networkx.karate_club_graph(), parts, weight=None)
    assert modularity == pytest.approx(0.4198, abs=5e-5)
    assert torch.equal(dense(graph), dense(karate_club()))


def test_motifs():
    """A tree of 20 and five more nodes: a house has one edge more than a ring, and nothing else tells them apart."""
    graphs = motif_graphs(6, seed=3)
    assert graphs.y.tolist() == [0, 1] * 3
    assert set(graphs.nodes.tolist()) == {25}
    assert (graphs.edges // 2).tolist() == [19 + 6 + 1, 19 + 5 + 1] * 3
    assert (graphs.x == 1).all()
    assert all(networkx.is_connected(networkx.from_numpy_array(dense(g).numpy())) for g in graphs)
    assert torch.equal(motif_graphs(6, seed=3).row, graphs.row)


@untyped
@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: Graph.from_edges(torch.tensor([[0, 5]]), 3),
            ValueError,
            "edges must lie in .0, 2., num_nodes being 3",
        ),
        (lambda: Graph.from_edges(torch.tensor([[0, -1]]), 3), ValueError, "num_nodes being 3, got -1"),
        (lambda: Graph.from_edges(torch.tensor([[0.0, 1.0]])), TypeError, "edges must hold int64 or int32"),
        (lambda: Graph.from_edges(torch.tensor([0, 1])), ValueError, "edges must have shape"),
        (lambda: Graph.from_edges(torch.tensor([[0, 1, 2]])), ValueError, "edges must have 2 nodes a row"),
        (lambda: Graph.from_edges(torch.zeros(2, 5).long()), ValueError, r"a pair in each column, .* pass edges\.T"),
        (lambda: Graph.from_edges(torch.zeros(0, 2).long()), ValueError, "an empty graph"),
        (lambda: Graph.from_edges([[0, 1]]), TypeError, "edges must be a torch.Tensor, got list"),
        (
            lambda: Graph.from_edges(torch.tensor([[0, 1]]), weight=torch.tensor([-1.0])),
            ValueError,
            "weight must hold 1 finite numbers, none below 0",
        ),
        (
            lambda: Graph.from_edges(torch.tensor([[0, 1]]), x=torch.tensor([[1.0], [torch.nan]])),
            ValueError,
            "x must be finite, got NaN or infinity at node 1",
        ),
        (lambda: Graph(torch.zeros(0, 2), torch.zeros(0, 0).to_sparse()), ValueError, "an empty graph"),
        (lambda: Graph(torch.zeros(2, 2), torch.eye(3).to_sparse()), ValueError, "adj must have shape .2, 2., got"),
        (
            lambda: Graph.from_edges(torch.tensor([[0, 1]]), weight=torch.tensor([2])),
            TypeError,
            "weight must be a floating-point tensor",
        ),
        (lambda: GraphSet.of([]), ValueError, "a set must hold at least one graph"),
        (lambda: GraphSet.of([ring(3, y=0.5), ring(3, y=[0.5, 1.0])]), ValueError, "every graph's y must be a class"),
        (lambda: GraphSet.of([ring(3, y=0.5), ring(3, y=None)]), ValueError, "and none at all"),
        (lambda: GraphSet.of([ring(3, y=0.5)]).num_classes, ValueError, "targets, which are no classes"),
        (lambda: GraphSet.of([ring(3, y=0), ring(3, y=0)]).select_labelled(), ValueError, "got 2 of one class"),
        (
            lambda: GraphSet.of([ring(3, y=0), ring(3, y=1)]).select_labelled(),
            ValueError,
            "got 1 of class 0, 1 of class 1",
        ),
        (lambda: GraphSet.of([ring(3), ring(3, 4)]), ValueError, "all graphs must have equally many features"),
        (lambda: NeighbourSampler(ring(3), ()), ValueError, "fan_outs must hold a number for each layer"),
        (lambda: NeighbourSampler(ring(3), (0,)), ValueError, "fan_outs must be at least 1, got 0"),
        (lambda: NeighbourSampler(ring(3), (2,))(torch.tensor([3])), ValueError, "nodes must lie in .0, 2."),
        (lambda: NodeSet(torch.arange(3), torch.arange(2)), ValueError, "y must have 3 labels, one for each of nodes"),
        (lambda: random_walks(ring(3), torch.tensor([0]), 0), ValueError, "length must be at least 1, got 0"),
        (lambda: power_law_graph(10, 20, exponent=2.0), ValueError, "exponent must be greater than 2"),
        (lambda: folds(torch.tensor([0, 1, 1]), 2), ValueError, "count must be at most 1, the smallest class"),
        (lambda: gin_graphs("COLLAB"), ValueError, "name must be one of 'MUTAG'"),
        (lambda: load_graphs("nowhere"), ValueError, "'nowhere' is neither"),
        (lambda: karate_club("age"), ValueError, "label must be one of 'club', 'community', got 'age'"),
        (lambda: tu_graphs("DD"), ValueError, "name must be one of 'ENZYMES'"),
    ],
)
def test_bad_graphs(make, error, words):
    with pytest.raises(error, match=words):
        make()


# ---- many graphs --------------------------------------------------------------------------------------------------


def test_graphs_joined_and_padded():
    a, b, c = (
        ring(3, y=1),
        ring(5, y=0),
        Graph.from_edges(torch.zeros(0, 2).long(), x=torch.ones(1, 2), y=torch.tensor(1)),
    )
    graphs = GraphSet.of([a, b, c])
    assert len(graphs) == 3
    joined = graphs.join(torch.tensor([1, 2, 0]))
    assert torch.equal(joined.x, torch.cat([b.x, c.x, a.x]))
    assert torch.equal(joined.adj.to_dense(), torch.block_diag(dense(b), dense(c), dense(a)))
    assert joined.batch_index.tolist() == [0] * 5 + [1] + [2] * 3
    assert (joined.num_graphs, joined.y.tolist()) == (3, [0, 1, 1])
    padded = graphs.pad(torch.tensor([0, 1]), 6)
    assert padded.mask.sum(1).tolist() == [3, 5]
    assert torch.equal(padded.x[0, :3], a.x)
    assert padded.x[~padded.mask].abs().sum() == 0
    assert torch.equal(padded.adj[1, :5, :5], dense(b))
    assert padded.adj.sum() == dense(a).sum() + dense(b).sum()
    one = graphs[1]
    assert torch.equal(dense(one), dense(b))
    assert graphs.subset(torch.tensor([2, 1]))[1].x.equal(b.x)
    with pytest.raises(ValueError, match="size must be at least 5"):
        graphs.pad(torch.tensor([1]), 4)


def test_targets_stay_what_they_are():
    """Class numbers are whole, floating-point targets stay; a graph without a class has -1."""
    assert GraphSet.of([ring(3, y=2), ring(4, y=None), ring(5, y=[1])]).y.tolist() == [2, -1, 1]
    numbers = GraphSet.of([ring(3, y=2.7), ring(4, y=-0.5)])
    assert numbers.y.tolist() == pytest.approx([2.7, -0.5])
    assert repr(numbers).startswith("graphs: 2 graphs with targets, 2 features")
    several = GraphSet.of([ring(3, y=[2.7, 1.0]), ring(4, y=[0.5, 0.0])])
    assert next(iter(Loader(several, 2))).y.shape == (2, 2)
    mixed = GraphSet.of([ring(3, y=0), ring(4, y=None), ring(5, y=0), ring(6, y=1), ring(7, y=1)])
    assert mixed.select_labelled().nodes.tolist() == [3, 5, 6, 7]


def test_a_loader_of_graphs():
    graphs = GraphSet.of([ring(n) for n in (3, 4, 5, 6)])
    sizes = sorted(n for batch in Loader(graphs, 2, shuffle=True) for n in batch.batch_index.bincount().tolist())
    assert sizes == [3, 4, 5, 6]
    assert [batch.x.shape for batch in Loader(graphs.with_padding(7), 4)] == [(4, 7, 2)]


def test_folds_are_stratified_and_cover_everything():
    y = torch.tensor([0] * 23 + [1] * 40)
    parts = folds(y, 10, seed=1)
    assert torch.cat([test for _, test in parts]).sort().values.tolist() == list(range(63))
    for train, test in parts:
        assert sorted(torch.cat([train, test]).tolist()) == list(range(63))
        assert set(y[test].bincount(minlength=2).tolist()) <= {2, 3, 4}
    assert not torch.equal(parts[0][1], folds(y, 10, seed=2)[0][1])


# ---- files --------------------------------------------------------------------------------------------------------

GIN = "2\n3 5\n7 1 1\n2 2 0 2\n7 1 1\n1 3\n2 0\n"


def test_gin_text(tmp_path):
    (tmp_path / "own.txt").write_text(GIN)
    graphs = read_gin(tmp_path / "own.txt")
    assert graphs.y.tolist() == [1, 0]  # in the order of the numbers 3 and 5
    assert dense(graphs[0]).tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert graphs[0].x.tolist() == [[0, 1], [1, 0], [0, 1]]  # tags 2 and 7
    assert (len(graphs[1].x), dense(graphs[1]).sum()) == (1, 0)
    assert read_gin(tmp_path / "own.txt", degree_as_tag=True).x.argmax(1).tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GIN.replace("7 1 1\n2", "7 1 3\n2", 1), "graph 0 needs lines 'tag degree neighbours'"),
        (GIN.replace("2 2 0 2", "2 3 0 2"), "got 2 3 0 2"),
        (GIN.replace("2 0\n", ""), "ends too early"),
        (GIN + "1 1\n", "more lines than its 2 graphs need"),
        (GIN.replace("7 1 1", "x 1 1", 1), "line 3: expected whole numbers"),
        (GIN.replace("3 5", "3"), "line 2: expected 2 numbers, got 1"),
        ("1\n0 1\n", "line 2: graph 0 has no nodes: an empty graph"),
        ("0\n", "line 1: a file of graphs must hold at least one, got 0"),
        ("-1\n", "line 1: a file of graphs must hold at least one, got -1"),
        ("", "ends too early"),
    ],
)
def test_wrong_gin_text(text, words, tmp_path):
    (tmp_path / "own.txt").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_gin(tmp_path / "own.txt")


TU = {
    "A": "1, 2\n2, 1\n2, 3\n3, 2\n5, 4\n",
    "graph_indicator": "1\n1\n1\n2\n2\n",
    "graph_labels": "-1\n1\n",
    "node_labels": "4\n9\n4\n4\n4\n",
    "node_attributes": "0.5, 1\n0, 0\n0, 0\n0, 0\n2, 3\n",
}


def tu(folder, **changes):
    for part, text in (TU | changes).items():
        if text is not None:
            (folder / f"{folder.name}_{part}.txt").write_text(text)
    return read_tu(folder)


def test_tu_folder(tmp_path):
    graphs = tu(tmp_path)
    assert (graphs.y.tolist(), graphs.nodes.tolist()) == ([0, 1], [3, 2])
    assert dense(graphs[0]).tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert dense(graphs[1]).tolist() == [[0, 0], [1, 0]]
    assert graphs.x[0].tolist() == [0.5, 1, 1, 0]
    assert graphs.x[1].tolist() == [0, 0, 0, 1]


def test_graphs_by_path(tmp_path):
    """A folder is TU's, a file GIN's."""
    (tmp_path / "own.txt").write_text(GIN)
    assert load_graphs(tmp_path / "own.txt").nodes.tolist() == [3, 1]
    tu(tmp_path)
    assert load_graphs(tmp_path).nodes.tolist() == [3, 2]


def test_a_label_that_is_not_known(tmp_path):
    (tmp_path / "own.txt").write_text(GIN.replace("1 3", "1 ?"))
    graphs = read_gin(tmp_path / "own.txt")
    assert graphs.y.tolist() == [0, -1]
    assert graphs.encoder.class_names == ("5",)


def test_other_graphs_by_the_encoder_of_the_first(tmp_path, caplog):
    """Tags and classes keep their numbers; a tag that is new gives zeros, and that is said."""
    (tmp_path / "own.txt").write_text(GIN)
    encoder = read_gin(tmp_path / "own.txt").encoder
    (tmp_path / "new.txt").write_text("1\n2 5\n9 1 1\n7 1 0\n")
    graphs = read_gin(tmp_path / "new.txt", like=encoder)
    assert graphs.x.tolist() == [[0, 0], [0, 1]]
    assert graphs.y.tolist() == [1]
    assert "1 values of 'tag' are new, such as '9'" in caplog.text


def test_degrees_as_tags_and_padding(tmp_path):
    (tmp_path / "own.txt").write_text(GIN)
    graphs = load_graphs(tmp_path / "own.txt", degree_as_tag=True, padded=True)
    assert graphs.padded == graphs.encoder.padded == 3
    assert graphs.x.argmax(1).tolist() == [1, 2, 1, 0]
    again = load_graphs(tmp_path / "own.txt", like=graphs.encoder)
    assert torch.equal(again.x, graphs.x)
    assert again.padded == 3


def test_a_folder_of_edge_lists(tmp_path):
    """A subfolder for each class; without one a graph has no label. A lone file is one graph."""
    for name in ("ring/a.csv", "ring/b.txt", "path/c.csv", "d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x,y\ny,z\n" + ("z,x\n" if "ring" in name else ""))
    graphs = load_graphs(tmp_path)
    assert graphs.graph_names == ("d.csv", "path/c.csv", "ring/a.csv", "ring/b.txt")
    assert graphs.y.tolist() == [-1, 0, 1, 1]
    assert graphs.encoder.class_names == ("path", "ring")
    assert dense(graphs[1]).tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert (graphs.edges // 2).tolist() == [2, 2, 3, 3]
    one = load_graphs(tmp_path / "d.csv", like=graphs.encoder)
    assert (len(one), one.y.tolist(), one.x.tolist()) == (1, [-1], [[1.0]] * 3)
    assert graphs.subset(torch.tensor([2, 0])).graph_names == ("ring/a.csv", "d.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no graphs: it must be a folder in TU's format"):
        load_graphs(tmp_path / "empty")


def test_tu_folder_without_edges_or_labels(tmp_path):
    graphs = tu(tmp_path, A="", graph_labels=None)
    assert graphs.edges.tolist() == [0, 0]
    assert graphs.y.tolist() == [-1, -1]


def test_tu_folder_without_features(tmp_path):
    assert tu(tmp_path, node_labels=None, node_attributes=None).x.tolist() == [[1.0]] * 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"A": "1, 9\n"}, "edges must lie in .0, 4."),
        ({"A": "1, 0\n"}, "edges must lie in .0, 4., num_nodes being 5, got -1"),
        ({"A": "3, 4\n"}, "edges must join nodes of one graph"),
        ({"graph_indicator": "1\n2\n1\n2\n2\n"}, "must list the nodes graph by graph"),
        ({"graph_indicator": "1\n1\n1\n2\n3\n"}, "graph_indicator, less 1, must lie in .0, 1."),
        ({"node_attributes": "0.5\n0\n0\n0\nnan\n"}, "line 5: 'attribute 1' must be a finite number"),
        ({"node_attributes": "0.5\n0\n"}, "node features must have 5 rows|Sizes of tensors"),
        ({"graph_labels": "-1\n1\n1\n"}, "every graph must have at least one node"),
        ({"graph_labels": "a\nb\n"}, "graph_labels.txt holds something else than numbers"),
        ({"graph_indicator": ""}, "graph_indicator.txt is empty: it must hold the graph of each node"),
        ({"A": "1, 2, 3\n"}, "A.txt must have 2 numbers in each line"),
        ({"node_attributes": "0.5, 1\n0\n0\n0\n0\n"}, "must hold equally many numbers in each line"),
    ],
)
def test_wrong_tu_folder(changes, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        tu(tmp_path, **({"node_labels": None} | changes))


def test_published_sets_are_what_everyone_reports(real):
    names = {"MUTAG": (188, 17.93, 19.79, 7), "PTC": (344, 25.56, 25.96, 19)}
    real(*(f"gin/{name}/{name}.txt" for name in names))
    for name, (count, nodes, edges, features) in names.items():
        graphs = gin_graphs(name)
        assert (len(graphs), graphs.x.size(1)) == (count, features)
        assert len(graphs.x) / count == pytest.approx(nodes, abs=0.005)
        assert len(graphs.row) / count / 2 == pytest.approx(edges, abs=0.005)


def test_enzymes(real):
    real(*(f"tu/ENZYMES/ENZYMES_{p}.txt" for p in TU))
    graphs = tu_graphs("ENZYMES")
    assert (len(graphs), len(graphs.x), len(graphs.row), graphs.x.size(1)) == (600, 19_580, 74_564, 21)
    assert graphs.y.bincount().tolist() == [100] * 6


# ---- samples ------------------------------------------------------------------------------------------------------


def test_draws_are_uniform_and_without_replacement():
    """Every pair of five neighbours comes up a tenth of the time; a node with no more than k keeps all."""
    start = torch.tensor([0, 5, 7, 7])
    generator = torch.Generator().manual_seed(0)
    pairs = torch.zeros(5, 5)
    place, count = draw_neighbours(start, torch.zeros(20_000, dtype=torch.int64), 2, generator)
    assert set(count.tolist()) == {2}
    for a, b in place.view(-1, 2).tolist():
        pairs[a, b] += 1
    both = (pairs + pairs.T) / 20_000
    assert pairs.diagonal().sum() == 0
    assert (both[~torch.eye(5, dtype=torch.bool)] - 0.1).abs().max() < 0.008  # 4 standard deviations
    place, count = draw_neighbours(start, torch.tensor([1, 2, 0]), 3, generator)
    assert count.tolist() == [2, 0, 3]
    assert place[:2].tolist() == [5, 6]
    assert len(set(place[2:].tolist())) == 3


@pytest.mark.parametrize("asked", [[0, 0], [0, 0, 1], [4, 4, 4], [0, 1, 0], [6, 6], [3, 0, 3, 2, 2]])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_node_may_be_asked_for_twice(asked, layers):
    """Batches of nodes, positives and negatives repeat nodes: each comes out as in the whole graph."""
    edges = torch.tensor([[0, 1], [0, 2], [1, 3], [2, 4], [3, 4], [5, 4]])
    graph = Graph.from_edges(edges, num_nodes=7, x=torch.randn(7, 2))
    model = GraphSAGE(2, 8, 3, num_layers=layers).eval()
    sample = NeighbourSampler(graph, [10] * layers)(torch.tensor(asked))
    assert sample.nodes[: len(asked)].tolist() == asked
    torch.testing.assert_close(model(sample.x, sample.adjs), model(graph.x, graph.adj)[asked])


def test_a_sample_is_part_of_the_graph():
    graph = power_law_graph(300, 3000, seed=1)
    nodes = torch.tensor([5, 250, 17])
    sample = NeighbourSampler(graph, (4, 3))(nodes, torch.Generator().manual_seed(0))
    assert sample.nodes[:3].tolist() == nodes.tolist()
    assert len(set(sample.nodes.tolist())) == len(sample.nodes)
    assert torch.equal(sample.x, graph.x[sample.nodes])
    outer, inner = sample.adjs
    assert outer.shape == (inner.size(1), len(sample.nodes))
    assert inner.size(0) == 3
    whole = dense(graph)
    for adj, k in ((inner, 4), (outer, 3)):
        row, col = adj.indices()
        assert (whole[sample.nodes[row], sample.nodes[col]] == adj.values()).all()
        degree = whole[sample.nodes[: adj.size(0)]].count_nonzero(1)
        assert torch.equal(row.bincount(minlength=adj.size(0)), degree.clamp(max=k))


def test_all_neighbours_give_the_whole_graph_s_answer():
    """With a fan-out beyond every degree, sampled and full-batch GraphSAGE are one."""
    from groundup.models.graph_networks import GraphSAGE

    graph = power_law_graph(200, 1500, seed=2)
    model = GraphSAGE(16, 8, 8, num_classes=10)
    nodes = torch.tensor([3, 199, 40])
    sample = NeighbourSampler(graph, (1000, 1000))(nodes)
    torch.testing.assert_close(model(sample.x, sample.adjs), model(graph.x, graph.adj)[nodes], rtol=1e-4, atol=1e-5)


def test_samples_are_the_seed_s_and_of_every_epoch_their_own():
    graph = power_law_graph(300, 3000, seed=1)
    nodes = torch.arange(40)

    def epochs(seed):
        loader = Loader(
            NodeSet(nodes, graph.y[nodes]), 16, shuffle=True, seed=seed, transform=NeighbourSampler(graph, (3, 2))
        )
        return [[sample.nodes.tolist() for sample, _ in loader] for _ in range(2)]

    state = torch.get_rng_state()
    first = epochs(0)
    assert first == epochs(0)
    assert first[0] != first[1]
    assert first != epochs(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_walks_follow_edges_and_stay_where_there_are_none():
    graph = Graph.from_edges(torch.tensor([[1, 0], [2, 1]]), 4, directed=True)  # 0 gathers from 1, 1 from 2
    walks = random_walks(graph, torch.tensor([0, 3, 1]), 3, torch.Generator().manual_seed(0))
    assert walks.tolist() == [[0, 1, 2, 2], [3, 3, 3, 3], [1, 2, 2, 2]]
    ends = random_walks(ring(5), torch.zeros(400, dtype=torch.int64), 1, torch.Generator().manual_seed(0))[:, 1]
    assert ends.bincount(minlength=5).tolist()[2:4] == [0, 0]
    assert 160 < (ends == 1).sum() < 240


def test_a_power_law_graph():
    graph = power_law_graph(2000, 40_000, num_classes=5, homophily=0.8, seed=3)
    degree = dense(graph).sum(1)
    assert torch.equal(dense(graph), dense(graph).T)
    assert dense(graph).diagonal().sum() == 0
    assert 34_000 < graph.edges.size(1) <= 40_000
    row, col = graph.edges
    assert 0.8 < (graph.y[row] == graph.y[col]).float().mean() < 0.9  # 0.8, and a fifth of the rest
    assert degree.max() > 10 * degree.median()
    assert sum(mask.long() for mask in graph.masks.values()).eq(1).all()
    assert [round(float(mask.float().mean()), 1) for mask in graph.masks.values()] == [0.5, 0.1, 0.4]
    assert torch.equal(power_law_graph(2000, 40_000, 5, homophily=0.8, seed=3).edges, graph.edges)
