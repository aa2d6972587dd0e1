"""Tables: what scikit-learn ships, split and standardised; and two moons."""

import sys

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine

from groundup.data import (
    Loader,
    Table,
    breast_cancer,
    load_table,
    read_sheet,
    read_table,
    two_moons,
    wine,
    write_table,
)


@pytest.mark.parametrize(
    ("make", "source", "sizes", "classes"),
    [(breast_cancer, load_breast_cancer, (455, 114), 2), (wine, load_wine, (142, 36), 3)],
)
def test_tables_are_scikit_learns(make, source, sizes, classes):
    train, test = make(seed=3, standardize=False)
    source = source()
    assert (len(train), len(test)) == sizes
    assert len(train.class_names) == classes
    assert train.features.dtype == torch.float32
    rows = {(*x.tolist(), int(y)) for part in (train, test) for x, y in part}
    assert rows == {(*x.tolist(), int(y)) for x, y in zip(torch.tensor(source.data).float(), source.target)}
    shares = test.labels.bincount() / (train.labels.bincount() + test.labels.bincount())
    assert (shares - 0.2).abs().max() < 0.02


def test_standardised_by_the_training_part():
    train, test = breast_cancer()
    raw_train, raw_test = breast_cancer(standardize=False)
    torch.testing.assert_close(train.features.mean(0), torch.zeros(30), rtol=0, atol=1e-5)
    torch.testing.assert_close(train.features.std(0, correction=0), torch.ones(30), rtol=0, atol=1e-4)
    mean, std = raw_train.features.mean(0), raw_train.features.std(0, correction=0)
    torch.testing.assert_close(test.features, (raw_test.features - mean) / std, rtol=1e-3, atol=1e-3)
    constant = Table(torch.ones(3, 1), torch.tensor([0, 1, 0]), ("a",), ("b", "c"), "flat")
    assert constant.standardize().features.tolist() == [[0.0]] * 3


def test_a_split_is_the_seeds():
    one, same, other = (breast_cancer(seed)[1].features for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_two_moons_are_half_circles():
    moons = two_moons(300, noise=0.0)
    upper, lower = moons.features[moons.labels == 1], moons.features[moons.labels == 0]
    torch.testing.assert_close(upper.norm(dim=1), torch.ones(150))
    torch.testing.assert_close((lower - torch.tensor([1.0, 0.5])).norm(dim=1), torch.ones(150))
    assert upper[:, 1].min() >= 0
    assert lower[:, 1].max() <= 0.5
    blurred = two_moons(300, noise=0.1)
    assert 0.08 < (blurred.features - moons.features).std() < 0.12
    assert torch.equal(blurred.signs, 2 * moons.labels - 1)


def test_a_loader_takes_a_table():
    train, _ = wine()
    x, y = next(iter(Loader(train, 10)))
    assert torch.equal(x, train.features[:10])
    assert torch.equal(y, train.labels[:10])
    assert repr(train) == "Table(wine: 142 samples, 13 features, 3 classes)"


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: wine()[0].signs, "wine has 3 classes; -1 and"),
        (lambda: wine(test_fraction=1.0), "fraction must be strictly between 0 and 1"),
        (lambda: two_moons(1), "count must be at least 2"),
        (lambda: two_moons(noise=-1.0), "noise must be a finite number"),
        (
            lambda: Table(torch.ones(2, 2), torch.tensor([0, 1]), ("a",), ("b", "c"), "t"),
            "features must have 1 columns",
        ),
        (lambda: Table(torch.ones(2, 1), torch.tensor([0, 2]), ("a",), ("b", "c"), "t"), "labels holds the label 2"),
        (lambda: Table(torch.ones(2, 1), torch.tensor([0]), ("a",), ("b", "c"), "t"), "labels must have 2 entries"),
    ],
)
def test_what_does_not_fit_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_without_scikit_learn_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'groundup\[data\]'"):
        wine()


# ---- a table of one's own ----------------------------------------------------------------------------------------

PETS = "weight,fur,kind,tame\n4.1,grey,cat,1\n30,brown,dog,1\n3.5,grey,cat,0\n22,grey,dog,1\n"


def own(tmp_path, text, name="pets.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize("separator", [",", "\t", ";", "::"])
def test_a_table_of_ones_own(separator, tmp_path, caplog):
    table = read_table(own(tmp_path, PETS.replace(",", separator)), target="kind")
    assert table.feature_names == ("weight", "fur brown", "fur grey", "tame")
    assert table.class_names == ("cat", "dog")
    assert table.features.tolist() == [[4.1, 0, 1, 1], [30, 1, 0, 1], [3.5, 0, 1, 0], [22, 0, 1, 1]]
    assert table.labels.tolist() == [0, 1, 0, 1]
    assert "the first line is taken for the names of the columns: weight, fur, kind, tame" in caplog.text


def test_a_table_without_names_and_the_last_column(tmp_path):
    table = read_table(own(tmp_path, "1 2 a\n3 4 b\n5 6 a\n"))
    assert table.feature_names == ("column 1", "column 2")
    assert (table.class_names, table.labels.tolist()) == (("a", "b"), [0, 1, 0])


def test_parts_of_a_table_and_the_encoder_that_made_them(tmp_path):
    """What the encoder of the training part makes of the whole file is, to the bit, what it was split into."""
    lines = [f"{(i * 37 % 100) / 7},{'red' if i % 3 else 'blue'},{'ab'[i % 2]}\n" for i in range(40)]
    path = own(tmp_path, "size,colour,kind\n" + "".join(lines))
    train, test = load_table(path, seed=1)
    assert (len(train), len(test)) == (32, 8)
    whole = {tuple(row) for row in train.encoder.encode(read_sheet(path)).tolist()}
    assert {tuple(row) for part in (train, test) for row in part.features.tolist()} <= whole
    assert test.encoder == train.encoder


def test_a_column_of_names_is_left_out(tmp_path, caplog):
    table = read_table(own(tmp_path, "name,size,kind\nTom,1,cat\nRex,2,dog\nKim,3,cat\n"))
    assert table.feature_names == ("size",)
    assert "'name' holds 3 different texts and is left out" in caplog.text


def test_a_table_is_written_and_read(tmp_path):
    train, _ = wine(standardize=False)
    read = read_table(write_table(train, tmp_path / "wine.csv"), "class")
    assert torch.equal(read.features.float(), train.features)
    assert torch.equal(read.labels, train.labels)


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        (PETS, "size", "target: .* has no column 'size'; its columns are weight, fur, kind, tame"),
        (PETS.replace("3.5", ""), "kind", "line 4: 'weight' is missing, got ''"),
        (PETS.replace("3.5", "N/A"), "kind", "line 4: 'weight' is missing, got 'N/A'"),
        (PETS.replace("3.5", "light"), "kind", "line 4: 'weight' holds numbers, got 'light'"),
        (PETS.replace("cat,0", "?,0"), "kind", "line 4: the class 'kind' is missing"),
        (PETS.replace("22,grey,dog", "22,grey"), "kind", "line 5: has 3 fields, but the first line has 4"),
        (PETS.replace("tame", "fur"), "kind", "two columns are called 'fur'"),
        (PETS.replace("dog", "cat"), "kind", "the column 'kind' has one value, 'cat'"),
        ("a;b;c\n1,5;2;x\n2,5;3;y\n", "c", "line 2: write 'a' with a decimal point, got '1,5'"),
        ("a,b\n" + "".join(f"{i},{i}\n" for i in range(120)), "b", "has 120 values in 120 lines"),
        ("", "", "is empty: it must hold a table"),
        ("a,b\n", "", "names of columns and no row below them"),
        ('a,b\n"1,2\n', "", "has 1 fields, but the first line has 2"),
    ],
)
def test_mistakes_of_a_table_are_named(text, target, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        read_table(own(tmp_path, text), target)


def test_a_table_that_is_not_there():
    with pytest.raises(ValueError, match="must be one of 'breast cancer', 'wine', or a file, CSV or TSV"):
        load_table("nowhere.csv")
    with pytest.raises(ValueError, match="target is for a table of your own"):
        load_table("wine", "class")
