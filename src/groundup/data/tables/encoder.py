"""Encoders of tables: the features that a network sees, and the names of its classes, saved with a model.

encoder = Encoder.of(sheet, ["age", "colour"])      a number is one feature, a text one feature for each of its values
x = encoder.encode(sheet)                           (N, D)
encoder.save(folder);  Encoder.load(folder)         data.json, in the folder of the model's weights

Legend: N rows, D features.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.data.tables.delimited import Sheet, is_missing, is_number, parse_number, warn_once

logger = logging.getLogger("groundup")

FILE = "data.json"
_FORM = 1
#: Columns that a graph itself gives: the name of a node, its number of neighbours, and a constant 1.
NODE, DEGREE, ONE = "node", "degree", "one"
_MAX_TEXTS = 50  # different texts that a column may have, even if there are few rows


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: name of the column.
        values: different texts of the column, with one feature each; () for a column of numbers.

    Example:
        >>> Column("fur", ("grey", "red"))
        Column(name='fur', values=('grey', 'red'))
    """

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoder:
    """x = (columns - mean) / scale, and the names of the classes.

    Args:
        columns: columns in the order of the features.
        class_names: names of the classes in the order of the scores.
        target: column that holds the class; "" if there is none.
        mean, scale: per feature; () for 0 and 1.
        shares: divide each row by its sum, for counts such as those of words.
        padded: number of nodes that graphs are padded to; 0 for none.
        limits: lowest and highest rating.

    Example:
        >>> sheet = Sheet(Path("pets.csv"), ("weight", "fur"), [["4", "grey"], ["6", "red"]], [2, 3])
        >>> encoder = Encoder.of(sheet, ["weight", "fur"])
        >>> encoder.feature_names
        ('weight', 'fur grey', 'fur red')
        >>> encoder.encode(sheet)
        tensor([[4., 1., 0.],
                [6., 0., 1.]])
    """

    columns: tuple[Column, ...] = ()
    class_names: tuple[str, ...] = ()
    target: str = ""
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    shares: bool = False
    padded: int = 0
    limits: tuple[float, ...] = ()

    @classmethod
    def of(cls, sheet: Sheet, names: Sequence[str], **rest: Any) -> Encoder:
        """Return the encoder of columns of a sheet.

        Args:
            sheet: rows to take the values from.
            names: columns; numbers if every field is one, else texts. A column whose texts are nearly all different,
                such as an address, says nothing about other rows: it is left out, with a warning in the log.
            rest: other arguments of `Encoder`.

        Raises `ValueError`, naming line and column, for a missing field, and for a field that is no number in a column
        where most fields are.
        """
        columns = []
        for name in names:
            fields = sheet.column(name)
            for row, field in enumerate(fields):
                if is_missing(field):
                    raise ValueError(
                        f"{sheet.where(row)}: {name!r} is missing, got {field!r}; fill it in, or take the line or the "
                        "column out"
                    )
            other = [row for row, field in enumerate(fields) if not is_number(field)]
            if not other:
                columns.append(Column(name))
                continue
            if all(re.fullmatch(r"[+-]?\d+,\d+", fields[row]) for row in other):
                raise ValueError(
                    f"{sheet.where(other[0])}: write {name!r} with a decimal point, got {fields[other[0]]!r}"
                )
            if len(other) < len(fields) / 2:
                raise ValueError(
                    f"{sheet.where(other[0])}: {name!r} holds numbers, got {fields[other[0]]!r}; correct it, or take "
                    "the line or the column out"
                )
            values = sort_values(fields)
            if len(values) > max(_MAX_TEXTS, len(fields) / 2) or (len(values) == len(fields) > 2):
                warn_once(f"{sheet.path}: {name!r} holds {len(values)} different texts and is left out")
                continue
            columns.append(Column(name, values))
        return cls(tuple(columns), **rest)

    @property
    def num_features(self) -> int:
        """The number of features."""
        return sum(len(column.values) or 1 for column in self.columns)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature: a column, or a column and a text."""
        return tuple(f"{column.name} {value}".rstrip() for column in self.columns for value in (column.values or ("",)))

    def encode(self, sheet: Sheet) -> Float[Tensor, "N D"]:
        """Return the features of a sheet's rows, float32.

        A text that was not in the training data gives zeros, a new degree is replaced by the nearest known one; a
        warning in the log says how many there are. Raises `ValueError` for a missing column, a field that is no number,
        and a new node if nodes are known by their names only.
        """
        return self.scale_values(self.values(sheet))

    def values(self, sheet: Sheet) -> Float[Tensor, "N D"]:
        """Return the features before `mean`, `scale` and `shares`, float64."""
        checks.require(len(self.columns) > 0, f"{sheet.path}: there is no column of features")
        parts = []
        for column in self.columns:
            fields = sheet.column(column.name)
            parts.append(_one_hot(column, fields, sheet) if column.values else _parse_numbers(column, fields, sheet))
        return torch.cat(parts, 1)

    def scale_values(self, values: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Return the features of `values`, with `mean`, `scale` and `shares` applied, float32."""
        if self.mean:
            values = values - torch.tensor(self.mean, dtype=torch.float64)
        if self.scale:
            values = values / torch.tensor(self.scale, dtype=torch.float64)
        x = values.float()
        return x / x.sum(1, keepdim=True).clamp(min=1) if self.shares else x

    def fit_scale(self, values: Float[Tensor, "N D"]) -> Encoder:
        """Return the encoder whose features have mean 0 and deviation 1 on `values`, except those of only 0 and 1."""
        plain = ((values == 0) | (values == 1)).all(0)
        scale = values.std(0, correction=0)
        mean, scale = torch.where(plain, 0, values.mean(0)), torch.where(plain | (scale == 0), 1, scale)
        return replace(self, mean=tuple(mean.tolist()), scale=tuple(scale.tolist()))

    def classes(self, labels: Iterable[str]) -> Int[Tensor, " N"]:
        """Return the index of each label in `class_names`; -1 for one that is missing or unknown."""
        number = {name: i for i, name in enumerate(self.class_names)}
        return torch.tensor([number.get(label, -1) for label in labels], dtype=torch.int64)

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write data.json into an existing folder; return its path."""
        path = Path(folder) / FILE
        temporary = path.with_name(f".tmp-{FILE}")
        content = {"groundup": _FORM, **asdict(self)}
        temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
        return path

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Encoder:
        """Read data.json. Raises `ValueError`, naming the file, if it is missing, damaged or of a later form."""
        path = Path(folder) / FILE
        if not path.is_file():
            raise ValueError(
                f"{folder} does not say how its data was prepared: there is no {FILE} in it; name the folder that an "
                "example has saved, such as runs/cora/model"
            )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("groundup") != _FORM:
                raise ValueError(f"this groundup reads the form {_FORM}")
            columns = tuple(Column(str(c["name"]), tuple(map(str, c["values"]))) for c in content.pop("columns"))
            lists: dict[str, Any] = {
                name: tuple(content.pop(name)) for name in ("class_names", "mean", "scale", "limits")
            }
            made = cls(columns, **lists, **content)
            numbers = torch.tensor([*made.mean, *made.scale], dtype=torch.float64)
            sizes = {len(made.mean), len(made.scale)} - {0}
            if not numbers.isfinite().all() or 0 in made.scale or not sizes <= {made.num_features}:
                raise ValueError("mean and scale must hold a finite number for each feature")
            return made
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as failure:
            raise ValueError(f"{path} is damaged: {failure!r}") from failure


def make_columns(count: int) -> tuple[Column, ...]:
    """Return columns "feature 0", "feature 1", ... for numbers without names."""
    return tuple(Column(f"feature {i}") for i in range(count))


def sort_values(values: Iterable[str]) -> tuple[str, ...]:
    """Return the different values: numbers by size, then texts in alphabetical order."""
    return tuple(sorted(set(values), key=lambda v: (not is_number(v), parse_number(v) or 0.0, v)))


def _parse_numbers(column: Column, fields: Sequence[str], sheet: Sheet) -> Float[Tensor, "N 1"]:
    numbers = [parse_number(field) for field in fields]
    if None in numbers:
        row = numbers.index(None)
        raise ValueError(f"{sheet.where(row)}: {column.name!r} must be a finite number, got {fields[row]!r}")
    return torch.from_numpy(np.array(numbers, dtype=np.float64))[:, None]


def _one_hot(column: Column, fields: Sequence[str], sheet: Sheet) -> Float[Tensor, "N V"]:
    number = {value: i for i, value in enumerate(column.values)}
    places = [number.get(field, -1) for field in fields]
    if new := [row for row, place in enumerate(places) if place < 0]:
        field = fields[new[0]]
        if column.name == NODE:
            raise ValueError(
                f"{sheet.path}: the node {field!r} was not in the graph of the training, and the network knows nodes "
                "by their names alone; train with this graph, with --features degree, or with features of your own"
            )
        if column.name == DEGREE:
            known = np.array([int(value) for value in column.values])
            places = [int(abs(known - int(f)).argmin()) if p < 0 else p for f, p in zip(fields, places)]
            logger.warning(
                "%d degrees are new, such as %s: they count as the nearest that training has seen", len(new), field
            )
        else:
            logger.warning(
                "%s: %d values of %r are new, such as %r: they count as none", sheet.path, len(new), column.name, field
            )
    hot = torch.zeros(len(fields), len(column.values), dtype=torch.float64)
    place = torch.tensor(places, dtype=torch.int64)
    known_rows = (place >= 0).nonzero().squeeze(1)
    hot[known_rows, place[known_rows]] = 1
    return hot
