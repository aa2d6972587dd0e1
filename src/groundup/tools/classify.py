"""Classify photos with published weights or your own model, and show which pixels decide."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from groundup import checks
from groundup.backend import backend
from groundup.data import DownloadError, read_photo
from groundup.functional import softmax
from groundup.models.classifier import ImageClassifier, copy_to_meta
from groundup.models.saved import load_model, model_classes
from groundup.tools.saliency import grad_cam, gradient, guided_gradient
from groundup.weights import Preprocessing, Published, class_names, published_weights
from groundup.weights.config import SavedPreprocessing

logger = logging.getLogger("groundup")

Photo = UInt8[Tensor, "1 channels height width"]

#: For a model without preprocessing: that of nearly all networks for ImageNet.
DEFAULT_PREPROCESSING = Preprocessing()
GUESS_WARNING = (
    "The model was saved without the preprocessing of its images. That of ImageNet is used, and the\n"
    "answer may be wrong. Save the model with its preprocessing:\n"
    "model.save_pretrained(folder, preprocessing=...)"
)


def image_classifiers() -> dict[str, type[ImageClassifier]]:
    """Return the image classifiers of groundup.models by class name."""
    every = model_classes()
    return {
        name: cls
        for name, cls in every.items()
        if issubclass(cls, ImageClassifier) and cls is not ImageClassifier and cls.__module__.startswith("groundup.")
    }


def find(name: str) -> tuple[type[ImageClassifier], Published | None]:
    """Return the class and the published weights that a name means.

    Args:
        name: "torchvision/resnet50"; "resnet50", the first one published under that name; or "ResNet50", the weights
            for the default arguments of the class, or else its first ones.

    Raises `ValueError` for an unknown name; the message suggests similar names.
    """
    classes = image_classifiers()
    rows = [row for row in published_weights() if row.address and row.model in classes]
    for i, wanted in enumerate((name, name.lower(), name.lower()) if name not in classes else ()):
        if (row := next((row for row in rows if _names(row)[i] == wanted), None)) is not None:
            return classes[row.model], row
    for known, cls in classes.items():
        if known.lower() == name.lower():
            default = next(iter(cls.presets), "")
            usual = (row for row in rows if row.preset == default and issubclass(classes[row.model], cls))
            return cls, next(usual, next((row for row in rows if row.model == known), None))
    if name[:1] in (".", "~") or (
        os.sep in name and name.split("/")[0] not in {row.name.split("/")[0] for row in rows}
    ):
        raise FileNotFoundError(f"model: there is no folder {_shorten(name)}; a training writes it when it ends")
    there = [*dict.fromkeys(row.name.split("/")[1] for row in rows), *classes]
    near = difflib.get_close_matches(name, there, n=4, cutoff=0.5)
    every = f"there are {', '.join(classes)}, and the names that weights of them are published by, as {there[0]}"
    instead = f"did you mean {', '.join(near)}?" if near else every
    raise ValueError(f"model: there is no image classifier {_shorten(name)!r}; {instead}")


def _names(row: Published) -> tuple[str, str, str]:
    """Return the names of published weights, such as torchvision/resnet50.v2, resnet50.v2 and resnet50."""
    short = row.name.split("/")[1]
    return row.name, short, short.split(".")[0]


def load(name: str, weights: str = "", num_classes: int | None = None) -> Any:
    """Load an image classifier.

    Args:
        name: a folder that holds a model; or a name that `find` takes.
        weights: a path, an address or a hub repository, instead of the published weights.
        num_classes: number of classes of the weights, if it is not that of the published ones.

    Raises `ValueError` for an unknown name and `DownloadError` if the weights cannot be downloaded.
    """
    if not weights and _exists(name):
        checks.require(num_classes is None, f"num_classes: {name} says itself how many classes it has; leave it out")
        return load_model(name)
    cls, row = find(name)
    if not weights and row is None:
        raise ValueError(f"weights: none are published for {cls.__name__}; name a file or folder of your own")
    changes: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    try:
        if weights:
            named = row is not None and name not in image_classifiers() and name.lower() in _names(row)
            preset = row.preset if named and row is not None and not row.alone else ""  # else the file tells
            return cls.from_pretrained(weights, preset=preset, **changes)
        assert row is not None
        return cls.from_pretrained(row.name, **changes)
    except DownloadError as failure:
        raise DownloadError(f"{failure}\n  Give a file that you have with --weights PATH.") from failure


def available(name: str) -> ImageClassifier | None:
    """Return `load(name)`; None, with a line in the log, if the weights cannot be loaded."""
    try:
        model: ImageClassifier = load(name)
        return model
    except (OSError, ValueError, ImportError) as failure:
        logger.warning("no weights for %s: %s", name, failure)
        return None


def likeliest(model: nn.Module, image: Photo, top: int = 5) -> list[tuple[int, str, float]]:
    """Return (index, name, probability) of the `top` likeliest classes of an image, likeliest first.

    Args:
        model: an image classifier.
        image: the pixels, as `read` returns them.
        top: number of classes.
    """
    with torch.no_grad():
        scores = model(preprocessing_of(model).transform()(image))
    checks.require(
        scores.dim() == 2,
        f"model: {type(model).__name__} scores every place of an image, {tuple(scores.shape[2:])} here, and not "
        "the image: name a classifier of whole images",
    )
    checks.require(
        bool(scores.isfinite().all()), f"model: {type(model).__name__} gives no finite scores: are its weights damaged?"
    )
    probabilities, names = softmax(scores, -1)[0], class_names_of(model, scores.size(1))
    best = probabilities.topk(min(checks.integer("top", top), len(probabilities)))
    return [(int(i), names[int(i)], float(p)) for p, i in zip(*best)]


def read(model: nn.Module, photo: str | Path) -> Photo:
    """Return the pixels of an image file, decoded as in the training of the model."""
    seen = preprocessing_of(model)
    channels: Any = seen.channels or getattr(model, "in_channels", 3)
    return read_photo(photo, channels, seen.size)


def preprocessing_of(model: Any) -> SavedPreprocessing:
    """Return the preprocessing of a model's images; if it has none, the default, in its channels and size."""
    if getattr(model, "preprocessing", None) is not None:
        saved: SavedPreprocessing = model.preprocessing
        return saved
    if not isinstance(model, ImageClassifier):
        raise ValueError(
            f"model: this {type(model).__name__} was saved without its preprocessing; save it again with "
            "preprocessing=, or name an image classifier"
        )
    usual = DEFAULT_PREPROCESSING
    mean, std = ((sum(values) / 3,) if model.in_channels == 1 else values for values in (usual.mean, usual.std))
    sizes = [usual.crop, *(shape[-1] for shape in model.input_sizes.values()), model.min_size]
    size = next((size for size in sizes if _takes_size(model, size)), usual.crop)
    return replace(usual, crop=size, resize=size * usual.resize // usual.crop, mean=mean, std=std)


def _takes_size(model: ImageClassifier, size: int) -> bool:
    """Return whether the model takes images of that size; tried on the meta device."""
    x = torch.empty(1, model.in_channels, size, size, device="meta", dtype=next(model.parameters()).dtype)
    try:
        with backend("auto"), torch.no_grad():
            copy_to_meta(model)(x)
    except ValueError:
        return False
    return True


def class_names_of(model: Any, count: int) -> tuple[str, ...]:
    """Return the names of the `count` classes of a model: its own, else those of ImageNet for 1,000, else numbers."""
    imagenet, own = class_names("imagenet1k"), getattr(model, "class_names", None)
    if own and len(own) == count:
        return tuple(own)
    return imagenet if count == len(imagenet) else tuple(f"class {i}" for i in range(count))


def draw(model: Any, image: Photo, found: list[tuple[int, str, float]], path: Path) -> None:
    """Draw which pixels of the image decide for each class in `found`, as `likeliest` returns them."""
    from groundup.plots import saliency_page

    x, classes = preprocessing_of(model).transform()(image), torch.tensor([index for index, *_ in found])
    x = x.expand(len(found), -1, -1, -1)
    saliency_page(
        preprocessing_of(model).frame()(image).expand(len(found), -1, -1, -1),
        gradient(model, x, classes),
        guided_gradient(model, x, classes),
        grad_cam(model, x, classes),
        path,
        [f"{name}\n{100 * p:.1f} %" for _, name, p in found],
    )


def report(
    photos: Sequence[str],
    name: str,
    weights: str = "",
    top: int = 5,
    saliency: str = "",
    num_classes: int | None = None,
) -> Iterator[str]:
    """Iterate over the lines of `groundup classify`.

    Args:
        photos: image files.
        name, weights, num_classes: see `load`.
        top: number of classes per photo.
        saliency: file of the picture to draw, for one photo; "" draws none.
    """
    checks.integer("top", top)
    own = not weights and _exists(name)
    row = None if own else find(name)[1]
    if saliency:
        from groundup.plots import check_picture_path

        checks.require(len(photos) == 1, f"saliency draws one photo, got {len(photos)}: name one")
        check_picture_path(saliency)
    for photo in photos:
        read_photo(photo)  # before the weights are loaded: a file that is no photo is an error at once
    model = load(name, weights, num_classes)
    if saliency and not isinstance(model, ImageClassifier):
        kind = type(model).__name__
        raise ValueError(f"saliency needs the stages of an image classifier, and a {kind} has none; leave it out")
    source = name if own else weights or (row.name if row else "")
    header = [f"{type(model).__name__} with the weights {source}"]
    if getattr(model, "preprocessing", None) is None:
        header.append(GUESS_WARNING)
    for photo in photos:
        image = read(model, photo)
        found = likeliest(model, image, top)
        yield from header
        header = []
        yield f"\n{Path(photo).name}"
        yield from (f"{100 * p:6.1f} %  {class_name}" for _, class_name, p in found)
        if saliency:
            draw(model, image, found[:3], Path(saliency))
            yield f"\npixels that decide for the likeliest classes: {saliency}"


def _exists(name: str) -> bool:
    """Return whether there is a file or folder of that name."""
    try:
        return Path(name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, with a null byte, or of a user that does not exist
        return False


def _shorten(name: str) -> str:
    """Return a name, shortened for a message."""
    return name if len(name) <= 80 else f"{name[:40]}…{name[-39:]}"
