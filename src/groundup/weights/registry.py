"""Registry of the published weights: one row per set of weights, and the names of their classes.

Every module of this folder that defines `PUBLISHED`, a tuple of rows, is found by itself.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

from groundup.data import CenterCrop, Compose, Normalize, ResizeShortest, ToFloat
from groundup.weights.weight_map import Table

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing that published weights were trained with.

    The shorter side of an image is resized to `resize` pixels, the central square of `crop` pixels is cut out, values
    are scaled to 0..1, and each channel is normalised: (x - mean) / std. Other values than those of the training
    change the distribution of the inputs, and cost accuracy without any error.

    Args:
        crop: side of the square that the model sees, in pixels.
        resize: length of the shorter side before the crop, in pixels.
        mean, std: one number per channel; by default those of ImageNet.
        interpolation: "bilinear" or "bicubic".

    Example:
        >>> import torch
        >>> Preprocessing().transform()(torch.zeros(1, 3, 300, 400, dtype=torch.uint8)).shape
        torch.Size([1, 3, 224, 224])
    """

    crop: int = 224
    resize: int = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"

    size: ClassVar[None] = None  # an image file is decoded in its own size,
    channels: ClassVar[None] = None  # and in the channels that the model takes: see `ImagePreprocessing`

    def frame(self) -> Compose:
        """Return the transform from images (N, C, H, W) to the part that the model sees, 0..1, for display."""
        return Compose(ResizeShortest(self.resize, interpolation=self.interpolation), CenterCrop(self.crop), ToFloat())

    def transform(self) -> Compose:
        """Return the transform from images (N, C, H, W) to the input of the model."""
        return Compose(*self.frame().transforms, Normalize(self.mean, self.std))


@dataclass(frozen=True)
class Published:
    """One published set of weights; `Model.from_pretrained("torchvision/resnet50")` looks up its `name`.

    Args:
        name: publisher and name, as "torchvision/resnet50".
        model: name of the class that the weights fit.
        preset: key of the class's `presets` with the arguments that the weights fit.
        table: weight map between the publisher's tensor names and ours.
        address: https address of the file, or "hf://owner/repository/file" on the Hugging Face hub; "" for a row that
            only names tensors, as the publisher's library does in a model that has no published weights.
        sha256: SHA-256 of the file, or its first digits, as many as the publisher states; "" if it states none.
        preprocessing: preprocessing that the weights were trained with.
        classes: name of the list of class names, see `class_names`.
        alone: True if the preset changes something that no tensor shows, and only this file was trained with it.
            Another file with the same shapes is then not read with this preset unless the caller names the preset.

    Example:
        >>> row = Published("zoo/small", "ResNet", "resnet18", (), "https://zoo.example/small.pth")
        >>> row.preprocessing.crop, row.classes
        (224, 'imagenet1k')
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


def torchvision_row(name: str, model: str, preset: str, table: Table, file: str, **rest: Any) -> Published:
    """Return the row of weights that torchvision publishes.

    Args:
        name: name after "torchvision/".
        model, preset, table, rest: as for `Published`.
        file: name of the file, without its ending; it ends in the first digits of its SHA-256.
    """
    address = f"https://download.pytorch.org/models/{file}.pth"
    return Published(f"torchvision/{name}", model, preset, table, address, file.rpartition("-")[2], **rest)


def timm_row(name: str, model: str, preset: str, table: Table, preprocessing: Preprocessing) -> Published:
    """Return the row of weights that timm publishes on the hub as "timm/`name`"."""
    address = f"hf://timm/{name}/model.safetensors"
    return Published(f"timm/{name}", model, preset, table, address, preprocessing=preprocessing)


@cache
def class_names(name: str) -> tuple[str, ...]:
    """Return the class names of a data set, in the order of a model's scores.

    Args:
        name: "imagenet1k", the 1,000 classes of ILSVRC 2012 (Russakovsky et al. 2015, ImageNet Large Scale Visual
            Recognition Challenge, arXiv:1409.0575), in the order of the WordNet numbers, with torchvision's short
            names.

    Raises `ValueError` for any other name.

    Example:
        >>> class_names("imagenet1k")[207]
        'golden retriever'
    """
    folder = files("groundup.weights")
    known = sorted(file.name.removesuffix(".txt") for file in folder.iterdir() if file.name.endswith(".txt"))
    if name not in known:
        raise ValueError(f"there are no class names {name!r}; there are those of {', '.join(map(repr, known))}")
    return tuple((folder / f"{name}.txt").read_text(encoding="utf-8").splitlines())


@cache
def published_weights() -> tuple[Published, ...]:
    """Return the rows of all modules, sorted by module name; rows without an address only name tensors.

    Example:
        >>> "torchvision/resnet50" in {row.name for row in published_weights()}
        True
    """
    package = sys.modules["groundup.weights"]  # not imported, which would close a circle
    modules = [
        importlib.import_module(f"groundup.weights.{file.name}") for file in pkgutil.iter_modules(package.__path__)
    ]
    rows = tuple(row for module in modules for row in getattr(module, "PUBLISHED", ()))
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), f"published twice: {sorted(n for n in set(names) if names.count(n) > 1)}"
    return rows


def find(name: str) -> Published | None:
    """Return the row with this name, this address, or this hub repository; None if there is none."""
    for row in published_weights():
        if row.address and (name in (row.name, row.address) or row.address.startswith(f"hf://{name}/")):
            return row
    return None


def find_names(name: str, preset: str = "") -> Published | None:
    """Return the row that gives the tensor names called `name`, with or without an address; None if there is none.

    If `preset` differs from the row's own, a row "`name`.…" without an address that is for `preset` is preferred.
    """
    named = [row for row in published_weights() if row.name == name or row.name.startswith(f"{name}.")]
    exact = find(name) or next((row for row in named if row.name == name), None)
    if exact is None or preset in ("", exact.preset):
        return exact
    return next((row for row in named if not row.address and row.preset == preset), exact)


def suggest_names(name: str) -> str:
    """Return the end of an error message that lists published names similar to `name`; "" if there are none."""
    names = [row.name for row in published_weights() if row.address]
    close = difflib.get_close_matches(name, names, n=4, cutoff=0.5)
    return f"; like it are {', '.join(close)}" if close else ""
