"""All published weights: the rows `PUBLISHED` of every file in this folder, found by themselves."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

import groundup.weights as room
from groundup.weights.published import Published


@cache
def published_weights() -> tuple[Published, ...]:
    """Every row, in the order of the files' names and of the rows in them; those without an address are names alone."""
    modules = [importlib.import_module(f"{room.__name__}.{file.name}") for file in pkgutil.iter_modules(room.__path__)]
    rows = tuple(row for module in modules for row in getattr(module, "PUBLISHED", ()))
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), f"published twice: {sorted(n for n in set(names) if names.count(n) > 1)}"
    return rows


def find(name: str) -> Published | None:
    """The row called `name`, or whose file lies at that address or in that repository of the hub; None without one."""
    for row in published_weights():
        if row.address and (name in (row.name, row.address) or row.address.startswith(f"hf://{name}/")):
            return row
    return None


def find_names(name: str, preset: str = "") -> Published | None:
    """As `find`, or a row of names alone; of those that begin with `name`, the one that is for `preset`."""
    named = [row for row in published_weights() if row.name == name or row.name.startswith(f"{name}.")]
    exact = find(name) or next((row for row in named if row.name == name), None)
    if exact is None or preset in ("", exact.preset):
        return exact
    return next((row for row in named if not row.address and row.preset == preset), exact)


def near(name: str) -> str:
    """The published names that look like `name`, if any, for the end of an error message."""
    names = [row.name for row in published_weights() if row.address]
    close = difflib.get_close_matches(name, names, n=4, cutoff=0.5)
    return f"; like it are {', '.join(close)}" if close else ""
