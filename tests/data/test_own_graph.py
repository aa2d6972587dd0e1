"""Graphs of one's own from files: every layout gives the same graph, and what is wrong is named with file and line."""

import pytest
import torch

from groundup.data import Graph, karate_club, load_graph, power_law_graph, read_edges, read_graph, write_graph

EDGES = [("Ann", "Bob"), ("Bob", "Eve"), ("Eve", "Ann"), ("Eve", "Kim"), ("Kim", "Tom")]
NODES = [("Ann", "1.5", "red", "x"), ("Bob", "2", "blue", "y"), ("Eve", "-1", "red", ""), ("Kim", "0", "red", "y")]


def write(folder, name, rows, separator=",", header=()):
    folder.mkdir(exist_ok=True)
    lines = [header, *rows] if header else rows
    (folder / name).write_text("".join(separator.join(row) + "\n" for row in lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("separator", "ending"), [(",", "csv"), ("\t", "tsv"), (" ", "txt"), (";", "csv")])
@pytest.mark.parametrize("header", [False, True])
def test_separators_and_headers(separator, ending, header, tmp_path):
    write(tmp_path, f"edges.{ending}", EDGES[:4], separator, ("source", "target") if header else ())
    labels = [(name, label or "?") for name, *_, label in NODES]
    write(tmp_path, f"labels.{ending}", labels, separator, ("name", "label") if header else ())
    graph = read_graph(tmp_path)
    assert graph.node_names == ("Ann", "Bob", "Eve", "Kim")
    assert graph.y.tolist() == [0, 1, -1, 1]
    assert graph.encoder.class_names == ("x", "y")
    assert graph.adj.to_dense().tolist() == [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]]
    assert torch.equal(graph.x, torch.eye(4))
    assert graph.masks["train"].tolist() == [True, True, False, True]  # too few of a class to hold any out


def test_both_files_may_call_the_name_alike(tmp_path):
    """person,friend over edges, person,club over labels: neither is a node."""
    write(tmp_path, "edges.csv", EDGES, header=("person", "friend"))
    write(tmp_path, "labels.csv", [("Ann", "chess"), ("Tom", "rowing")], header=("person", "club"))
    graph = read_graph(tmp_path)
    assert graph.node_names == ("Ann", "Tom", "Bob", "Eve", "Kim")
    assert graph.encoder.class_names == ("chess", "rowing")


def test_features_are_numbers_and_texts(tmp_path):
    """A number is standardised unless it is 0 or 1 throughout; a text is one feature for each of its values."""
    rows = [(name, size, str(i % 2), colour, label) for i, (name, size, colour, label) in enumerate(NODES)]
    write(tmp_path, "nodes.csv", rows, header=("who", "size", "member", "colour", "label"))
    write(tmp_path, "edges.csv", EDGES[:4])
    graph = read_graph(tmp_path)
    size = torch.tensor([1.5, 2, -1, 0])
    assert graph.encoder.feature_names == ("size", "member", "colour blue", "colour red")
    torch.testing.assert_close(graph.x[:, 0], (size - size.mean()) / size.std(correction=0))
    assert graph.x[:, 1:].tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 1]]


def test_nodes_without_features_are_left_out_and_said(tmp_path, caplog):
    write(tmp_path, "edges.csv", EDGES)
    write(tmp_path, "nodes.csv", NODES, header=("name", "size", "colour", "label"))
    graph = read_graph(tmp_path)
    assert graph.node_names == ("Ann", "Bob", "Eve", "Kim")
    assert graph.edges.size(1) == 8
    assert (
        "1 nodes, such as 'Tom', have no row of features in nodes.csv: they and their 1 edges are left out"
        in caplog.text
    )


def test_labels_and_features_in_files_of_their_own(tmp_path):
    write(tmp_path, "edges.csv", EDGES[:4])
    write(tmp_path, "features.csv", [(name, size) for name, size, *_ in NODES])
    write(tmp_path, "labels.csv", [("Ann", "x"), ("Kim", "y")])
    graph = read_graph(tmp_path)
    names = dict(zip(graph.node_names, graph.y.tolist()))
    assert names == {"Ann": 0, "Kim": 1, "Bob": -1, "Eve": -1}
    assert graph.encoder.feature_names == ("column 2",)


def test_the_form_in_which_cora_was_published(tmp_path):
    write(tmp_path, "cora.cites", [("35", "1033"), ("35", "77"), ("9", "77")], "\t")
    words = [("35", "0", "1", "Theory"), ("1033", "1", "0", "Neural_Networks"), ("77", "1", "1", "Theory")]
    write(tmp_path, "cora.content", words, "\t")
    graph = read_graph(tmp_path)
    assert graph.encoder.class_names == ("Neural_Networks", "Theory")
    assert graph.y.tolist() == [1, 0, 1]
    assert graph.x.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert graph.edges.size(1) == 4  # 9 has no row


def test_a_split_of_ones_own(tmp_path):
    write(tmp_path, "edges.csv", EDGES[:4])
    rows = [("Ann", "x", "train"), ("Bob", "y", "train"), ("Eve", "x", "Test"), ("Kim", "y", "")]
    write(tmp_path, "labels.csv", rows, header=("name", "label", "split"))
    masks = read_graph(tmp_path).masks
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "train": [True, True, False, False],
        "validation": [False] * 4,
        "test": [False, False, True, False],
    }


def test_a_fifth_of_each_larger_class_is_held_out(tmp_path):
    ring = [(str(i), str((i + 1) % 21)) for i in range(21)]
    write(tmp_path, "edges.txt", ring, " ")
    write(tmp_path, "labels.txt", [(str(i), "ab"[i < 11]) for i in range(20)] + [("20", "c")], " ")
    graph = read_graph(tmp_path, seed=1)
    counts = {name: graph.y[mask].bincount(minlength=3).tolist() for name, mask in graph.masks.items()}
    assert counts == {"train": [7, 7, 1], "validation": [1, 2, 0], "test": [1, 2, 0]}
    assert not torch.equal(graph.masks["test"], read_graph(tmp_path, seed=2).masks["test"])


def test_degrees_as_features(tmp_path, caplog):
    write(tmp_path, "edges.csv", EDGES)
    write(tmp_path, "labels.csv", [("Ann", "x"), ("Kim", "y")])
    graph = read_graph(tmp_path, features="degree")
    assert dict(zip(graph.node_names, graph.x.argmax(1).tolist())) == {"Ann": 1, "Kim": 1, "Bob": 1, "Eve": 2, "Tom": 0}
    assert "the nodes have no features: their degree is used" in caplog.text
    write(tmp_path, "edges.csv", [*EDGES, *[("Eve", f"new {i}") for i in range(4)]])
    again = read_graph(tmp_path, like=graph.encoder)
    assert again.x[again.node_names.index("Eve")].tolist() == [0, 0, 1]  # 7 neighbours: the nearest that is known, 3
    assert "degrees are new, such as 7" in caplog.text


@pytest.mark.parametrize("graph", [karate_club("community"), power_law_graph(60, 200, 3, 4)], ids=["club", "planted"])
def test_what_is_written_is_read(graph, tmp_path):
    read = read_graph(write_graph(graph, tmp_path / "own"), like=graph.encoder)
    assert torch.equal(read.x, graph.x)
    assert torch.equal(read.y, graph.y)
    assert torch.equal(read.adj.to_dense(), graph.adj.to_dense())


def test_weights_comments_and_lone_nodes(tmp_path, caplog):
    path = tmp_path / "edges.tsv"
    path.write_text("# who knows whom\nAnn\tBob\t0.5\n% and\nBob\tEve\t2\nKim\n")
    edges = read_edges(path)
    assert edges.names == ("Ann", "Bob", "Eve", "Kim")
    assert edges.pairs.tolist() == [[0, 1], [1, 2]]
    assert edges.weight.tolist() == [0.5, 2.0]
    assert "the third field is the weight" in caplog.text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from,to\nAnn,Bob\n", ("Ann", "Bob")),  # what such columns are called
        ("person,friend\n1,2\n2,3\n", ("1", "2", "3")),  # texts over numbers
        ("person,friend\nAnn,Bob\nBob,Eve\nEve,Ann\n", ("Ann", "Bob", "Eve")),  # names that do not come again
        ("Ann,Bob\nBob,Eve\nEve,Ann\n", ("Ann", "Bob", "Eve")),
        ("Ann,Bob\nEve,Kim\n", ("Ann", "Bob", "Eve", "Kim")),
        ("\ufeffAnn,Bob\r\nBob,Eve\r\n", ("Ann", "Bob", "Eve")),  # as Windows writes it
        ('"Ann, the first",Bob\nBob,Eve\n', ("Ann, the first", "Bob", "Eve")),
    ],
)
def test_whether_the_first_line_holds_names_of_columns(text, names, tmp_path):
    (tmp_path / "edges.csv").write_text(text, encoding="utf-8", newline="")
    assert read_edges(tmp_path / "edges.csv").names == names


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no file of edges: a graph of your own is a folder with edges.csv"),
        ({"edges.csv": "a,b\n"}, "labels must be of two classes or more, got none: a graph of your own is"),
        ({"edges.csv": "a,b\n", "labels.csv": "a,x\nb,x\n"}, "two classes or more, got one, 'x'"),
        ({"edges.csv": "a,b\na,\n"}, r"edges.csv, line 2: needs the names of two nodes"),
        ({"edges.csv": "a,b,1\na,c,-2\n"}, r"edges.csv, line 2: the weight must be a number of 0 or more, got '-2'"),
        ({"edges.csv": ""}, "edges.csv holds no edge"),
        ({"edges.csv": "a,b\n", "labels.csv": "a,x\na,y\n"}, "labels.csv, line 2: the node 'a' comes twice, before in"),
        ({"edges.csv": "a,b\n", "labels.csv": "name,label\na,x,3\n"}, "labels.csv, line 2: has 3 fields"),
        ({"edges.csv": "a,b\n", "labels.csv": "a\nb\n"}, "must have a name and at least one more column"),
        (
            {"edges.csv": "a,b\n", "nodes.csv": "name,age,label\na,3,x\nb,,y\n"},
            "nodes.csv, line 3: 'age' is missing, got ''",
        ),
        (
            {"edges.csv": "a,b\nb,c\n", "nodes.csv": "name,age,label\na,3,x\nb,4,y\nc,old,y\n"},
            "nodes.csv, line 4: 'age' holds numbers, got 'old'",
        ),
        (
            {"edges.csv": "a,b\n", "labels.csv": "name,label,split\na,x,train\nb,y,later\n"},
            "split must be train, validation, test or empty, got 'later'",
        ),
        ({"edges.csv": b"a,b\n\xff,c\n"}, "edges.csv, line 2: is not UTF-8"),
        ({"one.cites": "a b\n", "two.cites": "a b\n"}, "holds one.cites and two.cites: name the one that is meant"),
    ],
)
def test_mistakes_are_named(files, words, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=words):
        read_graph(tmp_path)


def test_a_name_that_is_neither():
    with pytest.raises(ValueError, match="'nowhere' is neither: a graph of your own is a folder"):
        load_graph("nowhere")


def test_new_nodes_without_features_are_refused(tmp_path):
    write(tmp_path, "edges.csv", EDGES[:4])
    write(tmp_path, "labels.csv", [("Ann", "x"), ("Kim", "y")])
    graph = read_graph(tmp_path)
    write(tmp_path, "edges.csv", EDGES)
    with pytest.raises(ValueError, match="the node 'Tom' was not in the graph of the training"):
        read_graph(tmp_path, like=graph.encoder)


def test_a_graph_with_directions_is_not_written(tmp_path):
    graph = Graph.from_edges(torch.tensor([[0, 1]]), directed=True)
    with pytest.raises(ValueError, match="graph must be undirected"):
        write_graph(graph, tmp_path)
