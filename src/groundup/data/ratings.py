"""Ratings of items by users, from a file of your own, as MovieLens publishes them (https://grouplens.org/datasets).

196<tab>242<tab>3<tab>881250949         user, item, rating, and what else there is: u.data of MovieLens 100K
userId,movieId,rating,timestamp         ratings.csv of the newer ones; a first line of names is passed over
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from os import PathLike
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_SEPARATOR = re.compile(r"\t|,|::")


@dataclass(frozen=True, eq=False)
class Ratings:
    """N ratings: users[n] gave items[n] ratings[n]; both are indices, into the names that the file has for them."""

    users: Int64[Tensor, " N"]
    items: Int64[Tensor, " N"]
    ratings: Float[Tensor, " N"]
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]


def read_ratings(path: str | PathLike[str]) -> Ratings:
    """Lines of user, item, rating and anything more, separated by tabs, commas or double colons.

    Users and items are any strings; they are numbered as they come. Raises `ValueError`, with the line, for fewer than
    three fields, a rating that is no finite number, and a pair that comes twice; and for a file without ratings.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"path must be a file of ratings, lines of user, item, rating; {str(path)!r} is no file")
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    seen: dict[tuple[int, int], int] = {}
    ratings: list[float] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            fields = [part.strip() for part in _SEPARATOR.split(line.strip())]
            if fields == [""]:
                continue
            where = f"{path}, line {number}"
            if len(fields) < 3:
                raise ValueError(
                    f"{where}: needs user, item and rating, separated by tabs, commas or '::'; got {line.strip()!r}"
                )
            rating = _number(fields[2])
            if rating is None and number == 1:
                continue  # the columns' names
            if rating is None:
                raise ValueError(f"{where}: the rating must be a finite number, got {fields[2]!r}")
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


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
