"""Tables: samples with a few measured features and a class. Two real ones, embedded in scikit-learn, and two moons.

Breast cancer: 569 tumours, 30 measurements of cell nuclei in a microscope image. Wolberg et al. (1993), "Breast Cancer
Wisconsin (Diagnostic)", UCI Machine Learning Repository, https://doi.org/10.24432/C5DW2B.
Wine: 178 Italian wines of three growers, 13 chemical analyses. Aeberhard and Forina (1992), "Wine", same repository,
https://doi.org/10.24432/C5PC7J.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.image_data import stratified


@dataclass(frozen=True, eq=False, repr=False)
class Table(Dataset[tuple[Tensor, Tensor]]):
    """N samples of D features, each with a class: a map-style dataset of (features, label).

        features        (N, D)   float32
        labels          (N,)     int64, an index into class_names
        feature_names   one for each feature

    Raises `ValueError` when these do not fit together.
    """

    features: Float[Tensor, "count features"]
    labels: Int64[Tensor, " count"]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    name: str

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
            len(self.class_names) == 2, f"{self.name} has {len(self.class_names)} classes; -1 and +1 are for two"
        )
        return 2 * self.labels - 1

    def split(self, fraction: float, seed: int = 0) -> tuple[Table, Table]:
        """(the rest, a random `fraction`), every class in proportion, a pure function of `seed`."""
        part = stratified(self.labels, self.class_names, fraction, seed, self.name)
        return self._where(~part), self._where(part)

    def standardized(self, like: Table | None = None) -> Table:
        """Each feature with mean 0 and deviation 1, measured on `like` (the training part), by default on itself."""
        measured = (self if like is None else like).features
        scale = measured.std(0, correction=0)
        features = (self.features - measured.mean(0)) / torch.where(scale == 0, 1, scale)
        return replace(self, features=features)

    def _where(self, chosen: Bool[Tensor, " count"]) -> Table:
        return replace(self, features=self.features[chosen], labels=self.labels[chosen])

    def __repr__(self) -> str:
        count, features = self.features.shape
        return f"Table({self.name}: {count:,} samples, {features} features, {len(self.class_names)} classes)"


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
    whole = Table(features, labels, tuple(map(str, source.feature_names)), tuple(map(str, source.target_names)), name)
    train, test = whole.split(test_fraction, seed)
    if standardize:
        train, test = train.standardized(), test.standardized(like=train)
    return replace(train, features=train.features.float()), replace(test, features=test.features.float())
