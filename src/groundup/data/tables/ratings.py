"""Ratings of items by users, from a file of your own, as MovieLens publishes them (https://grouplens.org/datasets).

196<tab>242<tab>3<tab>881250949         user, item, rating, and what else there is: u.data of MovieLens 100K
userId,movieId,rating,timestamp         ratings.csv of the newer ones
Ann;Alien;4.5                           semicolons and double colons (ratings.dat) separate, too
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass, replace
from math import nan
from os import PathLike
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.tables.delimited import holds_names, is_missing, number_in, rows_of


@dataclass(frozen=True, eq=False, repr=False)
class Ratings(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """N ratings: users[n] gave items[n] ratings[n]; a map-style dataset of (user, item, rating).

    Users and items are indices into the names that the source has for them.
    """

    users: Int64[Tensor, " N"]
    items: Int64[Tensor, " N"]
    ratings: Float[Tensor, " N"]
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]

    @classmethod
    def of_table(cls, table: Float[Tensor, "U I"]) -> Ratings:
        """Every entry of a whole table: row u, column i."""
        checks.rank("table", checks.floating("table", table), 2, layout="(U, I)")
        users, items = torch.ones_like(table).nonzero(as_tuple=True)
        names = (tuple(map(str, range(size))) for size in table.shape)
        return cls(users, items, table.flatten(), *names)

    def __len__(self) -> int:
        return len(self.ratings)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        return self.users[index], self.items[index], self.ratings[index]

    def batch(
        self, indices: Int64[Tensor, " B"]
    ) -> tuple[Int64[Tensor, " B"], Int64[Tensor, " B"], Float[Tensor, " B"]]:
        """(users, items, ratings) at `indices`."""
        return self.users[indices], self.items[indices], self.ratings[indices]

    def split(self, fraction: float, seed: int = 0) -> tuple[Ratings, Ratings]:
        """(the rest, a random `fraction` of the ratings), with the same users and items; a pure function of `seed`."""
        checks.require(
            0 < checks.real("fraction", fraction) < 1, f"fraction must be strictly between 0 and 1, got {fraction}"
        )
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(checks.integer("seed", seed, 0)))
        taken = round(fraction * len(self))
        checks.require(0 < taken < len(self), f"{fraction} of {len(self)} ratings leaves one of the parts empty")
        part = torch.zeros(len(self), dtype=torch.bool)
        part[order[:taken]] = True
        return self._where(~part), self._where(part)

    def item_means(self) -> Float[Tensor, " I"]:
        """Each item's mean rating; the mean of all where an item has none: what one predicts knowing no user."""
        none = self.ratings.new_zeros(len(self.item_names))
        total, count = none.index_add(0, self.items, self.ratings), self.items.bincount(minlength=len(none))
        return torch.where(count > 0, total / count, self.ratings.mean())

    def _where(self, chosen: Bool[Tensor, " N"]) -> Ratings:
        return replace(self, users=self.users[chosen], items=self.items[chosen], ratings=self.ratings[chosen])

    def __repr__(self) -> str:
        full = len(self) / (len(self.user_names) * len(self.item_names))
        return (
            f"Ratings({len(self):,} by {len(self.user_names):,} users of {len(self.item_names):,} items: "
            f"{full:.1%} of the table)"
        )


def read_ratings(path: str | PathLike[str], known: tuple[Collection[str], Collection[str]] | None = None) -> Ratings:
    """Lines of user, item, rating and anything more, CSV or TSV, or separated by semicolons or double colons.

        known   the users and the items of a training, when the file holds pairs whose rating is asked for: lines of
                user and item alone, whose rating is NaN, are then taken too, and the first line has no names if it has
                one of these

    Users and items are any strings; they are numbered as they come. A first line that holds no number has the names of
    the columns, and a line in the log says so.
    Raises `ValueError`, with the line, for fewer than three fields, a rating that is no finite number, and a pair that
    comes twice; and for a file without ratings.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"path must be a file of ratings, lines of user, item, rating; {str(path)!r} is no file")
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    seen: dict[tuple[int, int], int] = {}
    ratings: list[float] = []
    for place, (number, fields) in enumerate(rows_of(path, spaces=False)):
        where = f"{path}, line {number}"
        if len(fields) < (3 if known is None else 2):
            raise ValueError(
                f"{where}: needs user, item and rating, separated by tabs, commas or '::'; got "
                f"{', '.join(map(repr, fields))}"
            )
        named = known is not None and (fields[0] in known[0] or fields[1] in known[1])
        if place == 0 and not named and holds_names(path, fields):
            continue
        field = fields[2] if len(fields) > 2 else ""
        rating = nan if known and is_missing(field) else number_in(field)
        if rating is None:
            raise ValueError(f"{where}: the rating must be a finite number, got {field!r}")
        pair = users.setdefault(fields[0], len(users)), items.setdefault(fields[1], len(items))
        if pair in seen:
            raise ValueError(
                f"{where}: user {fields[0]!r} has rated item {fields[1]!r} before, in line {seen[pair]}; "
                "keep one of the two"
            )
        seen[pair] = number
        ratings.append(rating)
    if not ratings:
        raise ValueError(f"{path} holds no rating")
    pairs = torch.tensor(list(seen))
    return Ratings(pairs[:, 0], pairs[:, 1], torch.tensor(ratings), tuple(users), tuple(items))


def write_ratings(ratings: Ratings, path: str | PathLike[str]) -> Path:
    """Write user, item and rating as CSV, with a first line of names, for `read_ratings`."""
    path = Path(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["user", "item", "rating"])
        for user, item, rating in zip(ratings.users.tolist(), ratings.items.tolist(), ratings.ratings.numpy()):
            lines.writerow([ratings.user_names[user], ratings.item_names[item], str(rating)])
    return path
