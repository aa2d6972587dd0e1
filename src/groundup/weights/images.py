"""The preprocessing and class names of a saved model: checked before they are written, read back strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from groundup import checks
from groundup.data import ImagePreprocessing
from groundup.data.vision.transforms import Transform
from groundup.weights.published import Preprocessing

#: A published model's crop, resize, mean and std; or the transforms of a training's evaluation.
SavedPreprocessing = Preprocessing | ImagePreprocessing


def fitting_preprocessing(given: SavedPreprocessing | Transform, model: Any) -> SavedPreprocessing:
    """`given`, a transform as an `ImagePreprocessing`. Raises `ValueError` where its channels are not the model's."""
    if not isinstance(given, SavedPreprocessing):
        if not callable(given):
            raise TypeError(f"preprocessing must be a transform or an ImagePreprocessing, got {given!r}")
        given = ImagePreprocessing(given)
    channels = getattr(model, "in_channels", None)
    checks.require(
        given.channels is None or channels is None or given.channels == channels,
        f"preprocessing decodes images with {given.channels} channels, {type(model).__name__} takes {channels}: "
        f"give channels={channels}",
    )
    return given


def fitting_names(given: Sequence[str], model: Any) -> tuple[str, ...]:
    """`given` as a tuple of one name for each class. Raises `TypeError` or `ValueError` where it is not."""
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"class_names must be a sequence of str, got {given!r}")
    classes = getattr(model, "num_classes", len(given))
    checks.require(
        len(given) == classes,
        f"class_names must have a name for each of the {classes} classes of {type(model).__name__}, got {len(given)}",
    )
    return tuple(given)


def preprocessing_to_dict(seen: SavedPreprocessing) -> dict[str, Any]:
    """Names and numbers, for config.json."""
    return seen.to_dict() if isinstance(seen, ImagePreprocessing) else asdict(seen)


def preprocessing_from_dict(content: Mapping[str, Any]) -> SavedPreprocessing:
    """Read what `preprocessing_to_dict` wrote. Raises an error that names what is wrong, before the first image."""
    if "transforms" in content:
        return ImagePreprocessing.from_dict(content)
    seen = Preprocessing(**content)
    seen.transform()
    return seen
