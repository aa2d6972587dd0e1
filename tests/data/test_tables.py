"""Tables: what scikit-learn ships, split and standardised; and two moons."""

import sys

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine

from groundup.data import Loader, Table, breast_cancer, two_moons, wine


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
    assert constant.standardized().features.tolist() == [[0.0]] * 3


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
