"""Named presets: a variant of a model is a row of constructor arguments, not a copy of the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

M = TypeVar("M", bound="Presets")


class Presets:
    """Gives a model `Model.preset("name", **changes)`, from the table `Model.presets`.

    Example:
        >>> class Line(Presets):
        ...     presets = {"short": {}, "long": {"length": 9}}
        ...
        ...     def __init__(self, length=3, width=1):
        ...         self.length, self.width = length, width
        >>> Line.preset("long", width=2).length
        9
    """

    #: Name → constructor arguments. The first preset is the model that `Model()` builds.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: Name → the shape of one sample, for presets that take another shape than the model's usual one.
    input_sizes: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    @classmethod
    def preset(cls: type[M], name: str, **changes: Any) -> M:
        """Build a variant of the model.

        Args:
            name: a key of `presets`.
            changes: constructor arguments that override those of the preset.

        Raises `ValueError` for an unknown name, and lists the known ones.
        """
        if name not in cls.presets:
            raise ValueError(f"{cls.__name__} has no preset {name!r}; it has {', '.join(map(repr, cls.presets))}")
        return cls(**{**cls.presets[name], **changes})
