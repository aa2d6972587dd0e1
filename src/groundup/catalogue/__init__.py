"""The catalogue: one frozen table of every component. The pages, the command line and the sweep tests read it.

A file of this folder holds the rows of a family, `ROWS`; a new file is found by itself.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from groundup.catalogue.component import FAMILIES, Component

__all__ = ["COMPONENTS", "FAMILIES", "Component", "by_family", "find"]

_tables = [importlib.import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]
COMPONENTS: tuple[Component, ...] = tuple(
    sorted((row for table in _tables for row in getattr(table, "ROWS", ())), key=lambda row: row.number)
)


def by_family(only: str = "") -> dict[str, list[Component]]:
    """Title → rows of every family that has any, or of the one called `only`."""
    groups = {title: [c for c in COMPONENTS if c.family == key] for key, title in FAMILIES.items() if only in ("", key)}
    return {title: rows for title, rows in groups.items() if rows}


def find(name: str) -> Component:
    """The component called `name`, in any case. Raises `ValueError` that lists near names."""
    by_lower = {component.name.lower(): component for component in COMPONENTS}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.4)
    hint = f"; did you mean {', '.join(by_lower[n].name for n in near)}?" if near else ""
    raise ValueError(f"there is no component {name!r}{hint}; `groundup list` shows them all".replace("?;", "?"))
