"""A model is asked about data of one's own: the same answer as in training, and mistakes in one line."""

import json
import sys

import pytest
import torch

from groundup import cli
from groundup.autoencoders import MatrixFactorization
from groundup.data import Encoder, load_graph, load_graphs, load_table, power_law_graph, read_ratings, write_graph
from groundup.functional import sigmoid, softmax
from groundup.models.graph_networks import GCN, GIN, DiffPoolNet, GraphSAGE
from groundup.models.shallow_models import SVM, LogisticRegression, MultinomialLogisticRegression
from groundup.optimizers import Adam
from groundup.tools.labelling import (
    graph_scores,
    label,
    label_command,
    load_labeller,
    node_scores,
    ratings_encoder,
    save_labeller,
)


@pytest.fixture
def friends(tmp_path):
    """A ring of twenty, of which four are labelled, with a number and a colour for each."""
    folder = tmp_path / "friends"
    folder.mkdir()
    (folder / "edges.csv").write_text("".join(f"n{i},n{(i + 1) % 20}\n" for i in range(20)))
    rows = (f"n{i},{i * i % 7},{'red' if i % 2 else 'blue'},{'ab'[i // 10] if i % 5 == 0 else ''}\n" for i in range(20))
    (folder / "nodes.csv").write_text("name,size,colour,label\n" + "".join(rows))
    return folder


def moved(model):
    """One step, so that running statistics and parameters are not those of a new model."""
    with torch.no_grad():
        for value in (*model.parameters(), *model.buffers()):
            if value.is_floating_point():
                value += 0.1 * torch.rand_like(value)
    return model.eval()


def command(capsys, monkeypatch, *arguments):
    """(exit code, what was printed, what was complained about) of the command line, in this process."""
    monkeypatch.setattr(sys, "argv", ["groundup", *map(str, arguments)])
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code
    return (code, *capsys.readouterr())


@pytest.mark.parametrize(
    "make", [lambda n: GCN(n, 8, 2, bias=False), lambda n: GCN(n, 4, 2, 3, num_classes=2), lambda n: GraphSAGE(n, 4, 2)]
)
def test_nodes_without_a_label_are_labelled(make, friends, tmp_path):
    graph = load_graph(friends)
    model = moved(make(graph.x.size(1)))
    save_labeller(model, graph.encoder, tmp_path / "model")
    labels = label(friends, tmp_path / "model")
    asked = (graph.y < 0).nonzero().squeeze(1)
    assert [entry.name for entry in labels.entries] == [graph.node_names[i] for i in asked]
    assert torch.equal(labels.scores, softmax(node_scores(model, graph)[asked], -1))
    best = labels.scores.max(1)
    assert [entry.label for entry in labels.entries] == ["ab"[i] for i in best.indices]
    assert [entry.probability for entry in labels.entries] == best.values.tolist()
    assert labels.agreement() == ""


def test_a_graph_that_training_has_not_seen(tmp_path):
    """A model is asked about another graph, whose features are named likewise; its labels are compared."""
    graph = power_law_graph(200, 1000, 3, 4, signal=2.0)
    model = GCN(4, 8, 3, dropout=0.0)
    optimizer = Adam(model.parameters(), lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(graph.x, graph.adj), graph.y).backward()
        optimizer.step()
    save_labeller(model, graph.encoder, tmp_path / "model")
    part = graph.subgraph(torch.arange(0, 200, 2))
    labels = label(write_graph(part, tmp_path / "part"), tmp_path / "model")
    right = int((node_scores(model, part).argmax(1) == part.y).sum())
    assert right > 80
    assert labels.agreement() == f"agrees with {right} of the 100 labels of the data: {right:.1f} %"


@pytest.mark.parametrize("name", ["gin", "diffpool"])
def test_graphs(name, tmp_path):
    (tmp_path / "own").mkdir()
    for kind in ("ring", "path"):
        (tmp_path / "own" / kind).mkdir()
        for n in range(3, 9):
            pairs = [f"{i},{(i + 1) % n}\n" for i in range(n - (kind == "path"))]
            (tmp_path / "own" / kind / f"{n}.csv").write_text("".join(pairs))
    graphs = load_graphs(tmp_path / "own", degree_as_tag=True, padded=name == "diffpool")
    width = graphs.x.size(1)
    model = moved(GIN(width, 8, 2, readout="mean") if name == "gin" else DiffPoolNet(width, 8, 2, (2,)))
    save_labeller(model, graphs.encoder, tmp_path / "model")
    labels = label(tmp_path / "own", tmp_path / "model")
    assert torch.equal(labels.scores, softmax(graph_scores(model, graphs), -1))
    assert labels.entries[0].name == "path/3.csv"
    assert {entry.given for entry in labels.entries} == {"path", "ring"}
    alone = label(tmp_path / "own" / "ring" / "5.csv", tmp_path / "model")
    place = [entry.name for entry in labels.entries].index("ring/5.csv")
    torch.testing.assert_close(alone.scores[0], labels.scores[place])


TABLE = "size,colour,kind\n" + "".join(f"{i % 7},{'red' if i % 3 else 'blue'},{'abc'[i % 2]}\n" for i in range(40))


@pytest.mark.parametrize("kind", [LogisticRegression, MultinomialLogisticRegression])
def test_rows_of_a_table(kind, tmp_path):
    (tmp_path / "own.csv").write_text(TABLE)
    train, test = load_table(tmp_path / "own.csv", "kind")
    model = kind(3) if kind is LogisticRegression else kind(3, 2)
    moved(model)
    save_labeller(model, train.encoder, tmp_path / "model")
    new = "".join(f"{'blue' if i % 2 else 'red'},{i}\n" for i in range(5))
    (tmp_path / "new.csv").write_text("colour,size\n" + new)  # in another order, and without the class
    labels = label(tmp_path / "new.csv", tmp_path / "model")
    size = (torch.arange(5).double() - train.encoder.mean[0]) / train.encoder.scale[0]
    blue = (torch.tensor([0.0, 1, 0, 1, 0]).double() - train.encoder.mean[1]) / train.encoder.scale[1]
    red = (torch.tensor([1.0, 0, 1, 0, 1]).double() - train.encoder.mean[2]) / train.encoder.scale[2]
    z = model(torch.stack([size, blue, red], 1).float())
    assert torch.equal(labels.scores[:, 1], sigmoid(z) if z.dim() == 1 else softmax(z, -1)[:, 1])
    again = label(tmp_path / "own.csv", tmp_path / "model")
    whole = torch.cat([train.features, test.features]), torch.cat([train.labels, test.labels])
    right = (model(whole[0]) > 0) if kind is LogisticRegression else model.predict(whole[0])
    assert again.agreement().startswith(f"agrees with {int((right.long() == whole[1]).sum())} of the 40")


def test_ratings_of_pairs(tmp_path):
    (tmp_path / "own.csv").write_text("Ann,Alien,4\nAnn,Brazil,1\nBob,Alien,5\n")
    ratings = read_ratings(tmp_path / "own.csv")
    model = moved(MatrixFactorization(2, 2, 3, bias=True, mean=3.0))
    save_labeller(model, ratings_encoder(ratings), tmp_path / "model")
    (tmp_path / "new.csv").write_text("user,item\nBob,Brazil\nBob,Alien\n")
    labels = label(tmp_path / "new.csv", tmp_path / "model")
    assert torch.equal(labels.scores, model.predict(torch.tensor([1, 1]), torch.tensor([1, 0])).clamp(1, 5))
    assert [entry.name for entry in labels.entries] == ["Bob\tBrazil", "Bob\tAlien"]
    assert labels.lines(5)[0].split() == ["user", "item", "rating"]
    (tmp_path / "new.csv").write_text("Bob,Cube\n")
    with pytest.raises(ValueError, match="the item 'Cube' has no rating in the training"):
        label(tmp_path / "new.csv", tmp_path / "model")


@pytest.mark.parametrize("model", [GCN(3, 4, 2), GraphSAGE(3, 4, 4, num_classes=2), GIN(3, 4, 2), DiffPoolNet(3, 4, 2)])
def test_graph_networks_are_saved_and_loaded(model, tmp_path):
    moved(model)
    model.class_names = ("a", "b")
    loaded = type(model).from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    assert loaded.class_names == ("a", "b")
    assert not loaded.training


def test_other_classes_start_with_new_weights(tmp_path, caplog):
    GIN(3, 4, 2).save_pretrained(tmp_path / "model")
    assert GIN.from_pretrained(tmp_path / "model", num_classes=5).heads[0].out_features == 5
    assert "the weights are for 2 classes, the model for 5" in caplog.text


# ---- the command line ---------------------------------------------------------------------------------------------


def test_the_command(friends, tmp_path, capsys, monkeypatch):
    graph = load_graph(friends)
    save_labeller(moved(GCN(graph.x.size(1), 4, 2)), graph.encoder, tmp_path / "model")
    words = label_command(friends, tmp_path / "model").split()
    assert words[:2] == ["groundup", "label"]
    capsys.readouterr()
    code, out, err = command(capsys, monkeypatch, "label", *words[2:], "--rows", "3", "--output", tmp_path / "all.csv")
    assert code == 0, err
    assert "16 of friends: 20 nodes" in out
    assert "n1 " in out
    assert "... and 13 more: --output labels.csv writes all" in out
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert lines[0] == "node,label,probability,given"
    assert len(lines) == 17
    assert all(len(line) <= 80 for line in out.splitlines() if str(tmp_path) not in line)


def damaged(**changes):
    def change(folder):
        content = json.loads((folder / "data.json").read_text()) | changes
        (folder / "data.json").write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "data.json").unlink(), "there is no data.json in it"),
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json of a model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 40), "neither safetensors nor"),
        (lambda folder: (folder / "data.json").write_text("[" * 100_000), "data.json is damaged"),
        (lambda folder: (folder / "data.json").write_text("[]"), "data.json is damaged"),
        (damaged(groundup=2), "data.json is damaged: .*reads the form 1"),
        (damaged(scale=[0.0, 1.0, 1.0]), "mean and scale must hold a finite number for each feature"),
        (damaged(mean=[0.0]), "mean and scale must hold a finite number for each feature"),
        (damaged(columns=[{"name": 3}]), "data.json is damaged"),
        (damaged(columns=[{"name": "age", "values": []}]), "mean and scale must|trained with a column 'age'"),
    ],
)
def test_a_damaged_folder_is_named(change, words, friends, tmp_path):
    graph = load_graph(friends)
    save_labeller(GCN(graph.x.size(1), 4, 2), graph.encoder, tmp_path / "model")
    change(tmp_path / "model")
    with pytest.raises(ValueError, match=words):
        label(friends, tmp_path / "model")


def test_mistakes_are_one_line(friends, tmp_path, capsys, monkeypatch):
    graph = load_graph(friends)
    save_labeller(GCN(graph.x.size(1), 4, 2), graph.encoder, tmp_path / "model")
    (friends / "nodes.csv").write_text("name,label\nn1,a\nn2,b\n")
    for arguments, words in (
        (("label", friends, "--model", tmp_path / "nowhere"), "model must be a folder that an example has saved"),
        (("label", "nowhere", "--model", tmp_path / "model"), "'nowhere' is neither"),
        (("label", friends, "--model", tmp_path / "model"), "the model was trained with a column 'size' of features"),
        (("label", friends, "--model", tmp_path / "model", "--rows", "-1"), "rows must be at least 0, got -1"),
    ):
        capsys.readouterr()
        code, _, err = command(capsys, monkeypatch, *arguments)
        assert code == 2
        assert words in err
        assert "Traceback" not in err


def test_what_cannot_be_saved_is_said(friends, tmp_path):
    graph = load_graph(friends)
    with pytest.raises(TypeError, match=r"model must be one of GCN, .*, got SVM"):
        save_labeller(SVM(3), graph.encoder, tmp_path)
    with pytest.raises(ValueError, match="encoder makes 3 features, but model was built for 5"):
        save_labeller(GCN(5, 4, 2), graph.encoder, tmp_path)
    other = Encoder(graph.encoder.columns, ("a", "b", "c"))
    with pytest.raises(ValueError, match="encoder names 3 classes, but model scores 2"):
        save_labeller(GCN(3, 4, 2), other, tmp_path)
    model, _ = load_labeller(save_labeller(GCN(3, 4, 2), graph.encoder, tmp_path / "model"))
    assert not model.training
