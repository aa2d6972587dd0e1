"""Tables of samples with features and a class: two real ones of scikit-learn, two moons, and your own.

    train, test = load_table("flowers.csv", target="species")       # or "breast cancer", "wine"

Breast cancer: 569 tumours, 30 measurements of cell nuclei in a microscope image. Wolberg et al. (1993), "Breast Cancer
Wisconsin (Diagnostic)", UCI Machine Learning Repository, https://doi.org/10.24432/C5DW2B.
Wine: 178 Italian wines of three growers, 13 chemical analyses. Aeberhard and Forina (1992), "Wine", same repository,
https://doi.org/10.24432/C5PC7J.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.registry import TABLES
from groundup.data.tables.delimited import is_missing, read_sheet, write_rows
from groundup.data.tables.encoder import Column, Encoder, sort_values
from groundup.data.vision.image_data import sample_by_class


@dataclass(frozen=True, eq=False, repr=False)
class Table(Dataset[tuple[Tensor, Tensor]]):
    """N samples of D features, each with a class: a map-style dataset of (features, label).

    Args:
        features: (N, D) float32.
        labels: (N,) int64, indices into class_names.
        feature_names: one name per feature.
        class_names: one name per class.
        name: name of the data set.
        encoder: encoder that made the features from the columns of a file; None if there is no file.

    Raises `ValueError` if these do not fit together.

    Example:
        >>> Table(torch.zeros(3, 1), torch.tensor([0, 1, 0]), ("weight",), ("cat", "dog"), "pets")
        Table(pets: 3 samples, 1 features, 2 classes)
    """

    features: Float[Tensor, "count features"]
    labels: Int64[Tensor, " count"]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    name: str
    encoder: Encoder | None = None

    def __post_init__(self) -> None:
        checks.rank("features", checks.floating("features", self.features), 2, layout="(N, D)")
        checks.rank("labels", self.labels, 1, layout="(N,)")
        checks.size("labels", self.labels, 0, len(self.features), "entries, one for each sample")
        checks.size("features", self.features, 1, len(self.feature_names), "columns, one for each of feature_names")
        checks.labels("labels", self.labels, len(self.class_names))

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.features[index], self.labels[index]

    @property
    def signs(self) -> Int64[Tensor, " count"]:
        """The labels of two classes as -1 and +1. Raises `ValueError` for another number of classes."""
        checks.require(
            len(self.class_names) == 2,
            f"{self.name} has {len(self.class_names)} classes; -1 and +1 are for two: take a model of several, "
            "as examples/shallow/multiclass_classification.py does",
        )
        return 2 * self.labels - 1

    def split(self, fraction: float, seed: int = 0) -> tuple[Table, Table]:
        """Split the samples at random into (rest, a `fraction`), every class in proportion, determined by `seed`."""
        part = sample_by_class(self.labels, self.class_names, fraction, seed, self.name)
        return self._where(~part), self._where(part)

    def standardize(self, like: Table | None = None) -> Table:
        """Return the table with mean 0 and deviation 1 in each feature.

        Gradient descent converges slowly on features of different sizes: the largest one limits the learning rate.

        Args:
            like: table to measure mean and deviation on; the training part for a test part, as a model must not see
                the test data. By default the table itself.
        """
        measured = (self if like is None else like).features
        mean, scale = measured.mean(0), measured.std(0, correction=0)
        scale = torch.where(scale == 0, 1, scale)
        encoder = self.encoder or Encoder(tuple(map(Column, self.feature_names)), self.class_names)
        encoder = replace(encoder, mean=tuple(mean.tolist()), scale=tuple(scale.tolist()))
        return replace(self, features=(self.features - mean) / scale, encoder=encoder)

    def _where(self, chosen: Bool[Tensor, " count"]) -> Table:
        return replace(self, features=self.features[chosen], labels=self.labels[chosen])

    def __repr__(self) -> str:
        count, features = self.features.shape
        return f"Table({self.name}: {count:,} samples, {features} features, {len(self.class_names)} classes)"


def load_table(
    name_or_path: str | PathLike[str], target: str = "", seed: int = 0, test_fraction: float = 0.2
) -> tuple[Table, Table]:
    """Return a table as (train, test), standardised by the training part.

    Args:
        name_or_path: "breast cancer", "wine", or a file for `read_table`.
        target: column that holds the class in your own file; by default the last one.
        seed: determines the split.
        test_fraction: share of the test part, every class in proportion.

    Raises `ValueError` for a name that is no table and no file, and for a target with a name.

    Example:
        >>> train, test = load_table("wine")
        >>> len(train), len(test)
        (142, 36)
    """
    if name_or_path in TABLES:
        checks.require(not target, f"target is for a table of your own; {name_or_path!r} has its own, got {target!r}")
        return TABLES[str(name_or_path)](seed, test_fraction)
    if not Path(name_or_path).expanduser().is_file():
        names = ", ".join(map(repr, TABLES))
        raise ValueError(
            f"name_or_path must be one of {names}, or a file, CSV or TSV, a line for each sample; "
            f"{str(name_or_path)!r} is neither"
        )
    return _split_table(read_table(name_or_path, target), seed, test_fraction, True)


def read_table(path: str | PathLike[str], target: str = "") -> Table:
    """Read your own table: one line per sample, one column per measurement, and one for the class.

    Args:
        path: CSV or TSV file. A first line without a number holds the names of the columns, which are else "column 1",
            "column 2", ... A column of numbers is one feature, a column of texts one feature per text.
        target: column that holds the class; by default the last one.

    The features are float64 and not standardised.
    Raises `ValueError`, with line and column, for a value that is missing or damaged, and for a target that is no
    column, has only one class, or different values in nearly every line.

    Example:
        >>> path = getfixture("tmp_path") / "pets.csv"
        >>> _ = path.write_text("weight,fur,kind\\n4.1,grey,cat\\n30,brown,dog\\n3.5,grey,cat\\n22,grey,dog\\n")
        >>> table = read_table(path, target="kind")
        >>> table.feature_names, table.class_names, table.labels.tolist()
        (('weight', 'fur brown', 'fur grey'), ('cat', 'dog'), [0, 1, 0, 1])
    """
    sheet = read_sheet(path, what="a table, a line for each sample")
    target = target or sheet.names[-1]
    sheet.index(target, "target")
    labels = sheet.column(target)
    for row, label in enumerate(labels):
        if is_missing(label):
            raise ValueError(f"{sheet.where(row)}: the class {target!r} is missing, got {label!r}; take the line out")
    classes = sort_values(labels)
    checks.require(
        len(classes) > 1, f"{path}: the column {target!r} has one value, {classes[0]!r}: nothing to tell apart"
    )
    if len(classes) > max(50, len(labels) // 2):
        raise ValueError(
            f"{path}: the column {target!r} has {len(classes)} values in {len(labels)} lines, and a class must have "
            f"several lines; name the column of the class as target, one of {', '.join(sheet.names)}"
        )
    encoder = Encoder.of(sheet, [name for name in sheet.names if name != target], class_names=classes, target=target)
    features = encoder.values(sheet)
    return Table(features, encoder.classes(labels), encoder.feature_names, classes, sheet.path.stem, encoder)


def write_table(table: Table, path: str | PathLike[str]) -> Path:
    """Write a table whose columns are all numbers as CSV with a first line of names; return its path."""
    target = table.encoder.target if table.encoder else "class"
    rows = zip(table.features.numpy(), table.labels.tolist())
    fields = ([*map(str, row), table.class_names[label]] for row, label in rows)
    return write_rows(Path(path), [*table.feature_names, target], fields)


@TABLES.register("breast cancer")
def breast_cancer(seed: int = 0, test_fraction: float = 0.2, standardize: bool = True) -> tuple[Table, Table]:
    """Return the tumours as (train, test), malignant (0) or benign (1), with 30 features; by default 455 and 114.

    Args:
        seed: determines the split.
        test_fraction: share of the test part, every class in proportion.
        standardize: scale each feature to mean 0 and deviation 1 on the training part; they range from 0.001 to 4,000.
    """
    return _from_scikit_learn("load_breast_cancer", "breast cancer", seed, test_fraction, standardize)


@TABLES.register("wine")
def wine(seed: int = 0, test_fraction: float = 0.2, standardize: bool = True) -> tuple[Table, Table]:
    """Return the wines of three growers as (train, test), with 13 features; by default 142 and 36.

    Args:
        seed, test_fraction, standardize: as for `breast_cancer`.
    """
    return _from_scikit_learn("load_wine", "wine", seed, test_fraction, standardize)


def two_moons(count: int = 400, noise: float = 0.15, seed: int = 0) -> Table:
    """Return two interleaved half circles of radius 1 with normal noise, which no straight line separates.

    Class 1 is (cos t, sin t), class 0 is (1 - cos t, 1/2 - sin t), with t uniform in [0, π].

    Args:
        count: number of points.
        noise: standard deviation of the noise.
        seed: determines the points.

    Example:
        >>> two_moons(100)
        Table(two moons: 100 samples, 2 features, 2 classes)
    """
    checks.integer("count", count, 2)
    checks.real("noise", noise, 0.0)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))
    labels = torch.arange(count) % 2
    t = torch.rand(count, generator=generator) * pi
    upper = torch.stack([t.cos(), t.sin()], 1)
    points = torch.where(labels[:, None] == 1, upper, torch.tensor([1.0, 0.5]) - upper)
    points = points + noise * torch.randn(count, 2, generator=generator)
    return Table(points, labels, ("x", "y"), ("lower", "upper"), "two moons")


def _from_scikit_learn(
    loader: str, name: str, seed: int, test_fraction: float, standardize: bool
) -> tuple[Table, Table]:
    try:
        from sklearn import datasets
    except ImportError as missing:
        raise ImportError(f"the {name} table comes with scikit-learn: pip install 'groundup[data]'") from missing
    load: Callable[[], Any] = getattr(datasets, loader)
    source = load()
    features = torch.as_tensor(source.data, dtype=torch.float64)
    labels = torch.as_tensor(source.target, dtype=torch.int64)
    names, classes = (tuple(map(str, values)) for values in (source.feature_names, source.target_names))
    encoder = Encoder(tuple(map(Column, names)), classes, "class")
    return _split_table(Table(features, labels, names, classes, name, encoder), seed, test_fraction, standardize)


def _split_table(whole: Table, seed: int, test_fraction: float, standardize: bool) -> tuple[Table, Table]:
    """Return (train, test) in float32."""
    train, test = whole.split(test_fraction, seed)
    if standardize:
        train, test = train.standardize(), test.standardize(like=train)
    return replace(train, features=train.features.float()), replace(test, features=test.features.float())
