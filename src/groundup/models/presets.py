"""Named presets: a variant of a model is a row of arguments, not a copied class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

M = TypeVar("M", bound="Presets")


class Presets:
    """Gives a model `Model.preset("name", **changes)`, from the table `Model.presets`."""

    #: Name → constructor arguments. The first is what `Model()` builds.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: Name → the shape of one sample, for presets that take another than the model's usual one.
    input_sizes: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    @classmethod
    def preset(cls: type[M], name: str, **changes: Any) -> M:
        """Build the variant `name`; `changes` override its arguments. Raises `ValueError` for an unknown name."""
        if name not in cls.presets:
            raise ValueError(f"{cls.__name__} has no preset {name!r}; it has {', '.join(map(repr, cls.presets))}")
        return cls(**{**cls.presets[name], **changes})
