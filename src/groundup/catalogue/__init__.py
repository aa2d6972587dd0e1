"""The catalogue: one frozen table of every component. The pages, the command line and the sweep tests read it.

A file of this folder holds the rows of a family, `ROWS`; a new file is found by itself.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable

from groundup.catalogue.component import FAMILIES, Component

__all__ = ["COMPONENTS", "FAMILIES", "Component", "by_family", "find"]

_tables = [importlib.import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]
COMPONENTS: tuple[Component, ...] = tuple(
    sorted((row for table in _tables for row in getattr(table, "ROWS", ())), key=lambda row: row.number)
)


def by_family(only: str = "") -> dict[str, list[Component]]:
    """Title → rows of every family that has any, or of the one called `only`.

    only: a title, a key of `FAMILIES`, or the name of a module, in any case; `ValueError` for another name.
    """
    groups = {title: [c for c in COMPONENTS if c.family == key] for key, title in FAMILIES.items()}
    groups = {title: rows for title, rows in groups.items() if rows}
    if not only:
        return groups
    titles = {title.lower(): title for title in groups}
    for title, rows in groups.items():
        titles |= {rows[0].family: title, **{c.module: title for c in rows}}
        titles |= {c.module.rpartition(".")[2]: title for c in rows}
    if only.lower() not in titles:
        near = difflib.get_close_matches(only.lower(), titles, n=3, cutoff=0.4)
        hint = f"did you mean {_listed(titles[name] for name in near)}? " if near else ""
        raise ValueError(f"there is no family {only!r}; {hint}choose one of {', '.join(groups)}")
    title = titles[only.lower()]
    return {title: groups[title]}


def find(name: str) -> Component:
    """The component called `name`, in any case. Raises `ValueError` that lists near names."""
    by_lower = {component.name.lower(): component for component in COMPONENTS}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.4)
    hint = f"did you mean {_listed(by_lower[n].name for n in near)}? " if near else ""
    raise ValueError(f"there is no component {name!r}; {hint}`groundup list` shows them all")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
