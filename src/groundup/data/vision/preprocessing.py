"""The preprocessing of image files for a model, as values that are saved with the model and read back.

preprocessing = ImagePreprocessing(ToFloat(), Normalize(0.5, 0.25), size=32, channels=3)
x = preprocessing(read_photo("photo.jpg", preprocessing.channels, preprocessing.size))
preprocessing == ImagePreprocessing.from_dict(preprocessing.to_dict())
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from groundup import checks
from groundup.data.vision.image_data import ImageData
from groundup.data.vision.random_transforms import RandomAffine, RandomCrop, RandomHorizontalFlip, RandomShift
from groundup.data.vision.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    Pad,
    Rescale,
    Resize,
    ResizeShortest,
    ToFloat,
    Transform,
)

_SAVABLE = {cls.__name__: cls for cls in (ToFloat, Normalize, Rescale, Pad, Resize, ResizeShortest, CenterCrop)}
_RANDOM = (RandomAffine, RandomCrop, RandomHorizontalFlip, RandomShift)


@dataclass(frozen=True, init=False)
class ImagePreprocessing:
    """The preprocessing of the evaluation: an image file is decoded, stretched to `size`, and transformed.

    Args:
        transforms: deterministic transforms of this library, in order, or one `Compose` of them.
        size: int or (height, width) that each file is stretched to when it is decoded, as by `image_folder(size=)`;
            None keeps the size of the file.
        channels: 1 decodes in grey, 3 in colour; None means as many as the model takes.

    Raises `TypeError` for a transform that cannot be saved as a name and numbers (a function, a transform of another
    library), and `ValueError` for a random one.

    Example:
        >>> ImagePreprocessing(ToFloat(), Rescale(-1.0, 1.0), size=8, channels=1)(torch.zeros(1, 1, 8, 8)).mean()
        tensor(-1.)
    """

    transforms: tuple[Transform, ...]
    size: tuple[int, int] | None
    channels: int | None

    def __init__(
        self, *transforms: Transform, size: int | tuple[int, int] | None = None, channels: int | None = None
    ) -> None:
        flat = tuple(_flatten(transforms))
        for transform in flat:
            _check_savable(transform)
        checks.require(channels in (None, 1, 3), f"channels must be None, 1 or 3, got {channels!r}")
        object.__setattr__(self, "transforms", flat)
        object.__setattr__(self, "size", None if size is None else checks.pair("size", size))
        object.__setattr__(self, "channels", channels)
        if self.size is not None:  # invalid sizes are refused now, instead of at the first image
            self(torch.zeros(1, channels or 3, *self.size, dtype=torch.uint8))

    @classmethod
    def of(cls, data: ImageData, *transforms: Transform) -> ImagePreprocessing:
        """Return the preprocessing that reads files in the size and channels of `data`, then applies `transforms`."""
        channels, height, width = data.images.shape[1:]
        return cls(*transforms, size=(height, width), channels=channels)

    def __call__(self, x: Tensor) -> Tensor:
        """Transform images (N, C, H, W) to the input of the model."""
        return self.transform()(x)

    def transform(self) -> Compose:
        """Return the transform from images (N, C, H, W) to the input of the model."""
        return Compose(*self.transforms)

    def frame(self) -> Compose:
        """Return the transform from images (N, C, H, W) to the part that the model sees, 0..1, for display."""
        kept = (transform for transform in self.transforms if not isinstance(transform, (Normalize, Rescale)))
        return Compose(ToFloat(), *kept)

    def to_dict(self) -> dict[str, Any]:
        """Return names and numbers that JSON can hold; the inverse of `from_dict`."""
        transforms = [{"name": type(transform).__name__, **asdict(transform)} for transform in self.transforms]  # type: ignore[call-overload]
        return {"size": self.size, "channels": self.channels, "transforms": transforms}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ImagePreprocessing:
        """Return the preprocessing of `to_dict`. Raises `ValueError` or `TypeError` for any other content."""
        if content.keys() != {"size", "channels", "transforms"}:
            raise ValueError(f"preprocessing must hold size, channels and transforms, got {', '.join(content)}")
        transforms = []
        for entry in content["transforms"]:
            arguments = dict(entry)
            name = arguments.pop("name", None)
            if name not in _SAVABLE:
                raise ValueError(f"preprocessing: there is no transform {name!r}; there are {', '.join(_SAVABLE)}")
            transforms.append(_SAVABLE[name](**arguments))
        return cls(*transforms, size=content["size"], channels=content["channels"])

    def __repr__(self) -> str:
        return (
            f"ImagePreprocessing({', '.join(map(repr, self.transforms))}, size={self.size}, channels={self.channels})"
        )


def _flatten(transforms: tuple[Transform, ...]) -> Iterator[Transform]:
    for transform in transforms:
        if type(transform) is Compose:
            yield from _flatten(transform.transforms)
        else:
            yield transform


def _check_savable(transform: Transform) -> None:
    name = type(transform).__name__
    if isinstance(transform, _RANDOM):
        raise ValueError(
            f"preprocessing must do the same to an image each time, but {name} is random: give the transform of the "
            "evaluation, without the augmentation of the training"
        )
    if type(transform) is not _SAVABLE.get(name):
        raise TypeError(
            f"preprocessing must be made of {', '.join(_SAVABLE)}, which a file can hold as names and numbers; "
            f"{transform!r} is none of them: express it by these, or save the model without preprocessing"
        )
