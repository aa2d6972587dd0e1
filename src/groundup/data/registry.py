"""Registries of the data sets that a name loads, one per kind of data.

A data set registers itself in its own file, and `groundup.data` imports every file of its rooms:

    @IMAGES.register("digits")
    def digits(seed: int = 0) -> tuple[ImageData, ImageData]: ...

so that `load("digits")`, its error messages and the `--data` flag of the examples know it, and no list is kept by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class DataSets(dict[str, Callable[..., Any]]):
    """Functions that return a data set, by its name, in the order of their registration.

    Example:
        >>> numbers = DataSets()
        >>> @numbers.register("small")
        ... def small():
        ...     return [1, 2, 3]
        >>> numbers["small"]()
        [1, 2, 3]
    """

    def register(self, name: str) -> Callable[[Function], Function]:
        """Return a decorator that registers a function as the data set `name`."""

        def add(function: Function) -> Function:
            self[name] = function
            return function

        return add


IMAGES = DataSets()  # (seed) -> (train, test), each an ImageData
TABLES = DataSets()  # (seed, test_fraction) -> (train, test), each a Table
TEXTS = DataSets()  # () -> str
PAIRS = DataSets()  # (source, target, seed, lower) -> (train, valid, test); "" for the default language
GRAPHS = DataSets()  # () -> Graph
GRAPH_SETS = DataSets()  # (degree_as_tag, like) -> GraphSet


def import_data_sets(path: list[str], package: str) -> None:
    """Import every module below a package, so that each registers its data sets."""
    for module in walk_packages(path, f"{package}."):
        import_module(module.name)
