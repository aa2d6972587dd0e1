"""Ratings of items by users, from your own file or as MovieLens publishes them (https://grouplens.org/datasets).

196<tab>242<tab>3<tab>881250949         user, item, rating, and further fields: u.data of MovieLens 100K
userId,movieId,rating,timestamp         ratings.csv of the newer ones
Ann;Alien;4.5                           semicolons and double colons (ratings.dat) are separators, too
"""

from __future__ import annotations

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
from groundup.data.tables.delimited import has_column_names, is_missing, parse_number, rows_of, write_rows


@dataclass(frozen=True, eq=False, repr=False)
class Ratings(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """N ratings: users[n] rated items[n] with ratings[n]; a map-style dataset of (user, item, rating).

    Args:
        users, items: (N,) int64, indices into user_names and item_names.
        ratings: (N,) floating point.
        user_names, item_names: names in the source.

    Example:
        >>> Ratings.of_table(torch.tensor([[5.0, 1.0], [4.0, 2.0]]))
        Ratings(4 by 2 users of 2 items: 100.0% of the table)
    """

    users: Int64[Tensor, " N"]
    items: Int64[Tensor, " N"]
    ratings: Float[Tensor, " N"]
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]

    @classmethod
    def of_table(cls, table: Float[Tensor, "U I"]) -> Ratings:
        """Return every entry of a full table (users, items) as a rating."""
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
        """Return (users, items, ratings) at `indices`."""
        return self.users[indices], self.items[indices], self.ratings[indices]

    def split(self, fraction: float, seed: int = 0) -> tuple[Ratings, Ratings]:
        """Split the ratings at random into (rest, a `fraction`), determined by `seed`; users and items are the same."""
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
        """Return the mean rating of each item, or of all for an item without one."""
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
    """Read lines of user, item, rating and optional further fields.

    Args:
        path: file with tabs, commas, semicolons or double colons between the fields. Users and items are any strings,
            numbered in the order of the file. A first line without a number holds names of columns.
        known: users and items of a trained model, for a file of pairs to predict: then a line may lack the rating,
            which is NaN, and a first line with one of these names is a pair.

    Raises `ValueError`, with the line, for fewer than three fields, a rating that is no finite number, and a pair that
    comes twice; and for a file without ratings.

    Example:
        >>> path = getfixture("tmp_path") / "ratings.csv"
        >>> _ = path.write_text("Ann,Alien,4.5\\nBob,Alien,3\\n")
        >>> read_ratings(path).item_means()
        tensor([3.7500])
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
        if place == 0 and not named and has_column_names(path, fields):
            continue
        field = fields[2] if len(fields) > 2 else ""
        rating = nan if known and is_missing(field) else parse_number(field)
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
    """Write user, item and rating as CSV for `read_ratings`, with a first line of names; return the path."""
    triples = zip(ratings.users.tolist(), ratings.items.tolist(), ratings.ratings.numpy())
    rows = ([ratings.user_names[user], ratings.item_names[item], str(rating)] for user, item, rating in triples)
    return write_rows(Path(path), ["user", "item", "rating"], rows)
