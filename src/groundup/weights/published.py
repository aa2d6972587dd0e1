"""What the world has published: one row a set of weights, with all that it takes to use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from groundup.data import CenterCrop, Compose, Normalize, ResizeShortest, ToFloat
from groundup.weights.table import Table

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """What the weights were trained to see: the shorter side to `resize` pixels, the middle `crop` × `crop` of that,
    0..1, then (x - mean) / std for each channel."""

    crop: int = 224
    resize: int = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"  # or "bicubic"

    size: ClassVar[None] = None  # a photo is decoded in its own size,
    channels: ClassVar[None] = None  # and in the channels that the model takes: see `ImagePreprocessing`

    def frame(self) -> Compose:
        """Images (N, C, H, W) to the part that the model sees, 0..1: for the eye."""
        return Compose(ResizeShortest(self.resize, interpolation=self.interpolation), CenterCrop(self.crop), ToFloat())

    def transform(self) -> Compose:
        """Images (N, C, H, W) to what the model takes."""
        return Compose(*self.frame().transforms, Normalize(self.mean, self.std))


@dataclass(frozen=True)
class Published:
    """A set of weights: `Model.from_pretrained("torchvision/resnet50")` looks its `name` up.

    address    where the file is: an https address, or "hf://owner/repository/file" on the Hugging Face hub; "" of names
               alone, those that the publisher's library gives to what it builds without these weights
    sha256     of the file, or as many of its first digits as the publisher states; "" where it states none
    model      the class, and `preset` the row of its presets, that the weights fit
    classes    the names of the scores, a file of `groundup.weights`
    alone      the preset says what no tensor shows, and holds of this file alone: another one that it fits is not taken
               for it unless the preset is asked for
    """

    name: str
    model: str
    preset: str
    table: Table
    address: str
    sha256: str = ""
    preprocessing: Preprocessing = Preprocessing()
    classes: str = "imagenet1k"
    alone: bool = False
