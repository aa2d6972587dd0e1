"""Tables: samples with a few measured features and a class. Two real ones, embedded in scikit-learn; two moons; yours.

    train, test = load_table("flowers.csv", target="species")       # or "breast cancer", "wine"

Breast cancer: 569 tumours, 30 measurements of cell nuclei in a microscope image. Wolberg et al. (1993), "Breast Cancer
Wisconsin (Diagnostic)", UCI Machine Learning Repository, https://doi.org/10.24432/C5DW2B.
Wine: 178 Italian wines of three growers, 13 chemical analyses. Aeberhard and Forina (1992), "Wine", same repository,
https://doi.org/10.24432/C5PC7J.
"""

from __future__ import annotations

import csv
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
from groundup.data.tables.delimited import is_missing, read_sheet
from groundup.data.tables.encoder import Column, Encoder, in_order
from groundup.data.vision.image_data import stratified

#: The tables that `load_table` knows by name, and the functions of scikit-learn that hold them.
_NAMED = {"breast cancer": "load_breast_cancer", "wine": "load_wine"}


@dataclass(frozen=True, eq=False, repr=False)
class Table(Dataset[tuple[Tensor, Tensor]]):
    """N samples of D features, each with a class: a map-style dataset of (features, label).

        features        (N, D)   float32
        labels          (N,)     int64, an index into class_names
        feature_names   one for each feature
        encoder         how the features were made of a file's columns, where they come from one

    Raises `ValueError` when these do not fit together.
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
        """The labels of two classes as -1 and +1."""
        checks.require(
            len(self.class_names) == 2,
            f"{self.name} has {len(self.class_names)} classes; -1 and +1 are for two: take a model of several, "
            "as examples/shallow/multiclass_classification.py does",
        )
        return 2 * self.labels - 1

    def split(self, fraction: float, seed: int = 0) -> tuple[Table, Table]:
        """(the rest, a random `fraction`), every class in proportion, a pure function of `seed`."""
        part = stratified(self.labels, self.class_names, fraction, seed, self.name)
        return self._where(~part), self._where(part)

    def standardized(self, like: Table | None = None) -> Table:
        """Each feature with mean 0 and deviation 1, measured on `like` (the training part), by default on itself."""
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
    """(train, test), standardised by the training part: "breast cancer", "wine", or a table of your own.

    target as in `read_table`; test_fraction is chosen at random by `seed`, every class in proportion.
    """
    if name_or_path in _NAMED:
        checks.require(not target, f"target is for a table of your own; {name_or_path!r} has its own, got {target!r}")
        return _from_scikit_learn(_NAMED[str(name_or_path)], str(name_or_path), seed, test_fraction, True)
    if not Path(name_or_path).expanduser().is_file():
        names = ", ".join(map(repr, _NAMED))
        raise ValueError(
            f"name_or_path must be one of {names}, or a file, CSV or TSV, a line for each sample; "
            f"{str(name_or_path)!r} is neither"
        )
    return _divided(read_table(name_or_path, target), seed, test_fraction, True)


def read_table(path: str | PathLike[str], target: str = "") -> Table:
    """A table of your own, CSV or TSV: a line for each sample, a column for each measurement, one for the class.

        target      the column that holds the class; by default the last one

    A first line without a number is taken for the names of the columns, else they are "column 1", "column 2", ...
    A column of numbers is a feature as it is; one of texts a feature for each text. float64, not standardised.
    Raises `ValueError`, with line and column, for a value that is missing or damaged; for a target that is none of the
    columns, has one class, or different values nearly everywhere.

    Example:
        >>> path = getfixture("tmp_path") / "pets.csv"
        >>> _ = path.write_text("weight,fur,kind\n4.1,grey,cat\n30,brown,dog\n3.5,grey,cat\n22,grey,dog\n")
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
    classes = in_order(labels)
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
    """Write features and class of a table whose columns are all numbers, as CSV with a first line of names."""
    path = Path(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([*table.feature_names, table.encoder.target if table.encoder else "class"])
        for row, label in zip(table.features.numpy(), table.labels.tolist()):
            lines.writerow([*map(str, row), table.class_names[label]])
    return path


def breast_cancer(seed: int = 0, test_fraction: float = 0.2, standardize: bool = True) -> tuple[Table, Table]:
    """(train, test): 455 and 114 tumours, malignant (0) or benign (1), 30 features.

    The features reach from 0.001 to 4,000; `standardize` gives them the training part's mean 0 and deviation 1.
    """
    return _from_scikit_learn("load_breast_cancer", "breast cancer", seed, test_fraction, standardize)


def wine(seed: int = 0, test_fraction: float = 0.2, standardize: bool = True) -> tuple[Table, Table]:
    """(train, test): 142 and 36 wines of three growers, 13 features; `standardize` as in `breast_cancer`."""
    return _from_scikit_learn("load_wine", "wine", seed, test_fraction, standardize)


def two_moons(count: int = 400, noise: float = 0.15, seed: int = 0) -> Table:
    """Two half circles of radius 1 that reach into each other, blurred by a normal `noise`.

    Class 1 is (cos t, sin t), class 0 is (1 - cos t, 1/2 - sin t), t even in [0, π].
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
    return _divided(Table(features, labels, names, classes, name, encoder), seed, test_fraction, standardize)


def _divided(whole: Table, seed: int, test_fraction: float, standardize: bool) -> tuple[Table, Table]:
    """(train, test) in float32."""
    train, test = whole.split(test_fraction, seed)
    if standardize:
        train, test = train.standardized(), test.standardized(like=train)
    return replace(train, features=train.features.float()), replace(test, features=test.features.float())
