"""How a table becomes what a network sees, and what its scores are called: kept with a model, to ask it again.

encoder = Encoder.of(sheet, ["age", "colour"])      a number is one feature, a text one feature for each of its values
x = encoder.encode(sheet)                           (N, D)
encoder.save(folder);  Encoder.load(folder)         data.json, beside the model's weights

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
from groundup.data.tables.delimited import Sheet, is_missing, is_number, number_in, say_once

logger = logging.getLogger("groundup")

FILE = "data.json"
_FORM = 1
#: Columns that stand for what a graph itself says of a node: its name, how many neighbours it has, and that it is one.
NODE, DEGREE, ONE = "node", "degree", "one"
_FEW = 50  # values that a column of text may have, even if there are few rows


@dataclass(frozen=True)
class Column:
    """A column of numbers; or of text, when `values` has a feature for each text."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoder:
    """x = (columns - mean) / scale, and the names of classes.

    columns       in the order of the features
    class_names   in the order of the scores
    target        the column that holds the class, if any
    mean, scale   of each feature; () for 0 and 1
    shares        each row is divided by its sum, as a text's counts of words are
    padded        the number of nodes that graphs side by side are padded to
    limits        the lowest and the highest rating
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
        """The columns `names` of a sheet: numbers where every field is one, else text.

        A column whose texts are nearly all different, such as an address, tells nothing about other rows: it is left
        out, and a line in the log says so. Raises `ValueError`, naming line and column, for a field that is missing,
        and for one that is no number in a column where most are.
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
            values = in_order(fields)
            if len(values) > max(_FEW, len(fields) / 2) or (len(values) == len(fields) > 2):
                say_once(f"{sheet.path}: {name!r} holds {len(values)} different texts and is left out")
                continue
            columns.append(Column(name, values))
        return cls(tuple(columns), **rest)

    @property
    def num_features(self) -> int:
        return sum(len(column.values) or 1 for column in self.columns)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(f"{column.name} {value}".rstrip() for column in self.columns for value in (column.values or ("",)))

    def encode(self, sheet: Sheet) -> Float[Tensor, "N D"]:
        """The features of a sheet's rows, float32.

        A text that training has not seen gives zeros, a degree that it has not seen the nearest one that it has; a
        line in the log says how many there are. Raises `ValueError` for a column that is not there, a field that is
        no number, and a node that is known by its name alone and is a new one.
        """
        return self.scaled(self.values(sheet))

    def values(self, sheet: Sheet) -> Float[Tensor, "N D"]:
        """The features before `mean`, `scale` and `shares`, float64."""
        checks.require(len(self.columns) > 0, f"{sheet.path}: there is no column of features")
        parts = []
        for column in self.columns:
            fields = sheet.column(column.name)
            parts.append(_one_hot(column, fields, sheet) if column.values else _numbers(column, fields, sheet))
        return torch.cat(parts, 1)

    def scaled(self, values: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        if self.mean:
            values = values - torch.tensor(self.mean, dtype=torch.float64)
        if self.scale:
            values = values / torch.tensor(self.scale, dtype=torch.float64)
        x = values.float()
        return x / x.sum(1, keepdim=True).clamp(min=1) if self.shares else x

    def standardized(self, values: Float[Tensor, "N D"]) -> Encoder:
        """The same with mean 0 and deviation 1 on `values`; features that hold only 0 and 1 stay as they are."""
        plain = ((values == 0) | (values == 1)).all(0)
        scale = values.std(0, correction=0)
        mean, scale = torch.where(plain, 0, values.mean(0)), torch.where(plain | (scale == 0), 1, scale)
        return replace(self, mean=tuple(mean.tolist()), scale=tuple(scale.tolist()))

    def classes(self, labels: Iterable[str]) -> Int[Tensor, " N"]:
        """The number of each label in `class_names`; -1 for one that is missing or is none of them."""
        number = {name: i for i, name in enumerate(self.class_names)}
        return torch.tensor([number.get(label, -1) for label in labels], dtype=torch.int64)

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write data.json into a folder that is there."""
        path = Path(folder) / FILE
        temporary = path.with_name(f".tmp-{FILE}")
        content = {"groundup": _FORM, **asdict(self)}
        temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
        return path

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Encoder:
        """Read data.json. Raises `ValueError`, naming the file, where it is missing, damaged or of a later form."""
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


def numbered_columns(count: int) -> tuple[Column, ...]:
    """feature 0, feature 1, ...: columns of numbers that have no names."""
    return tuple(Column(f"feature {i}") for i in range(count))


def in_order(values: Iterable[str]) -> tuple[str, ...]:
    """The different values, numbers by their size, then texts by the alphabet."""
    return tuple(sorted(set(values), key=lambda v: (not is_number(v), number_in(v) or 0.0, v)))


def _numbers(column: Column, fields: Sequence[str], sheet: Sheet) -> Float[Tensor, "N 1"]:
    numbers = [number_in(field) for field in fields]
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
