"""All published weights: the rows `PUBLISHED` of every file in this folder, found by themselves."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

import groundup.pretrained as room
from groundup.pretrained.published import Published


@cache
def published_weights() -> tuple[Published, ...]:
    """Every row, in the order of the files' names and of the rows in them."""
    modules = [importlib.import_module(f"{room.__name__}.{file.name}") for file in pkgutil.iter_modules(room.__path__)]
    rows = tuple(row for module in modules for row in getattr(module, "PUBLISHED", ()))
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), f"published twice: {sorted(n for n in set(names) if names.count(n) > 1)}"
    return rows


def find(name: str) -> Published | None:
    """The row called `name`, or whose file lies at that address or in that repository of the hub; None without one."""
    for row in published_weights():
        if name in (row.name, row.address) or row.address.startswith(f"hf://{name}/"):
            return row
    return None


def near(name: str) -> str:
    """The published names that look like `name`, for an error message."""
    names = [row.name for row in published_weights()]
    close = difflib.get_close_matches(name, names, n=4, cutoff=0.5)
    return ", ".join(close or ("none",))
