"""What the scores of published weights stand for."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def class_names(name: str) -> tuple[str, ...]:
    """The names of the classes, in the order of the scores, of "imagenet1k": ILSVRC 2012's thousand.

    Russakovsky et al. 2015, ImageNet Large Scale Visual Recognition Challenge, arXiv:1409.0575. The order is that of
    the WordNet numbers, the short names are torchvision's.
    """
    folder = files("groundup.weights")
    known = sorted(file.name.removesuffix(".txt") for file in folder.iterdir() if file.name.endswith(".txt"))
    if name not in known:
        raise ValueError(f"there are no class names {name!r}; there are those of {', '.join(map(repr, known))}")
    return tuple((folder / f"{name}.txt").read_text(encoding="utf-8").splitlines())
