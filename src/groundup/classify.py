"""What is on a photo: published or one's own weights, the likeliest classes, and where in the picture they are seen."""

from __future__ import annotations

import difflib
import importlib
import logging
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

import groundup.models
from groundup import checks
from groundup.backend import backend
from groundup.data import DownloadError, read_photo
from groundup.functional import softmax
from groundup.models.classifier import ImageClassifier
from groundup.models.folding import imagined
from groundup.pretrained import Preprocessing, Published, class_names, published_weights
from groundup.saliency import grad_cam, gradient, guided_gradient

logger = logging.getLogger("groundup")

Photo = UInt8[Tensor, "1 channels height width"]

#: Of images that no one has said how to prepare: as nearly all of ImageNet's networks want them.
USUAL = Preprocessing()


def image_classifiers() -> dict[str, type[ImageClassifier]]:
    """Every class of image classifier in groundup.models, by name."""
    for module in pkgutil.walk_packages(groundup.models.__path__, f"{groundup.models.__name__}."):
        importlib.import_module(module.name)

    def derived(cls: type[Any]) -> Iterator[type[Any]]:
        for child in cls.__subclasses__():
            yield child
            yield from derived(child)

    return {cls.__name__: cls for cls in derived(ImageClassifier) if cls.__module__.startswith("groundup.")}


def find(name: str) -> tuple[type[ImageClassifier], Published | None]:
    """The class, and the published weights, that `name` means: "torchvision/resnet50", "resnet50", "ResNet50".

    A name that several have published means the first; a class, the weights of what it builds by default, or else its
    first. Raises `ValueError` that names what is near, or all there is.
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
    there = [*dict.fromkeys(row.name.split("/")[1] for row in rows), *classes]
    near = difflib.get_close_matches(name, there, n=4, cutoff=0.5)
    every = f"there are {', '.join(classes)}, and the names that weights of them are published by, as {there[0]}"
    instead = f"did you mean {', '.join(near)}?" if near else every
    raise ValueError(f"model: there is no image classifier {name!r}; {instead}")


def _names(row: Published) -> tuple[str, str, str]:
    """torchvision/resnet50.v2, resnet50.v2 and resnet50."""
    short = row.name.split("/")[1]
    return row.name, short, short.split(".")[0]


def load(name: str, weights: str = "", num_classes: int | None = None) -> ImageClassifier:
    """The classifier `name` with its published weights, or those at `weights`: a path, an address, a hub repository."""
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
        raise DownloadError(f"{failure}\n  A file that lies elsewhere is named with --weights PATH.") from failure


def available(name: str) -> ImageClassifier | None:
    """`load`, or None where the weights cannot be had; the log says why."""
    try:
        return load(name)
    except (OSError, ValueError, ImportError) as failure:
        logger.warning("no weights for %s: %s", name, failure)
        return None


def likeliest(model: ImageClassifier, image: Photo, top: int = 5) -> list[tuple[int, str, float]]:
    """The `top` likeliest classes of an image: index, name, probability; a softmax over the scores."""
    names = named(model)
    with torch.no_grad():
        scores = model(prepared(model).transform()(image))
    checks.require(
        scores.dim() == 2,
        f"model: {type(model).__name__} scores every place of an image, {tuple(scores.shape[2:])} here, and not "
        "the image: name a classifier of whole images",
    )
    checks.require(
        bool(scores.isfinite().all()), f"model: {type(model).__name__} gives no finite scores: are its weights damaged?"
    )
    probabilities = softmax(scores, -1)[0]
    best = probabilities.topk(min(checks.integer("top", top), len(probabilities)))
    return [(int(i), names[int(i)], float(p)) for p, i in zip(*best)]


def prepared(model: ImageClassifier) -> Preprocessing:
    """How its images are to be prepared: as it says, or else as `USUAL`, in its channels and a size that it takes."""
    if model.preprocessing is not None:
        return model.preprocessing
    mean, std = ((sum(values) / 3,) if model.in_channels == 1 else values for values in (USUAL.mean, USUAL.std))
    sizes = [USUAL.crop, *(shape[-1] for shape in model.input_sizes.values()), model.min_size]
    size = next((size for size in sizes if _takes(model, size)), USUAL.crop)
    return replace(USUAL, crop=size, resize=size * USUAL.resize // USUAL.crop, mean=mean, std=std)


def _takes(model: ImageClassifier, size: int) -> bool:
    """Whether it can see images of so many pixels, tried where nothing is computed."""
    x = torch.empty(1, model.in_channels, size, size, device="meta", dtype=next(model.parameters()).dtype)
    try:
        with backend("auto"), torch.no_grad():
            imagined(model)(x)
    except ValueError:
        return False
    return True


def named(model: ImageClassifier) -> tuple[str, ...]:
    """The names of its classes; of a thousand that have none, ImageNet's; else their numbers."""
    imagenet = class_names("imagenet1k")
    numbers = tuple(f"class {i}" for i in range(model.num_classes))
    return model.class_names or (imagenet if model.num_classes == len(imagenet) else numbers)


def draw(model: ImageClassifier, image: Photo, found: list[tuple[int, str, float]], path: Path) -> None:
    """The picture of what made the model see each class of `found` in the image."""
    from groundup.plots import saliency_page

    x, classes = prepared(model).transform()(image), torch.tensor([index for index, *_ in found])
    x = x.expand(len(found), -1, -1, -1)
    saliency_page(
        prepared(model).frame()(image).expand(len(found), -1, -1, -1),
        gradient(model, x, classes),
        guided_gradient(model, x, classes),
        grad_cam(model, x, classes),
        path,
        [f"{name}\n{100 * p:.1f} %" for _, name, p in found],
    )


def report(photo: str, name: str, weights: str, top: int, saliency: str, num_classes: int | None) -> Iterator[str]:
    """The lines of `groundup classify`."""
    checks.integer("top", top)
    _, row = find(name)
    if saliency:
        from groundup.plots import drawable

        drawable(saliency)
    read_photo(photo)  # before any weights are looked for: what is no photo is said at once
    model = load(name, weights, num_classes)
    image = read_photo(photo, channels=model.in_channels)
    found = likeliest(model, image, top)
    source = weights or (row.name if row else "")
    yield f"{Path(photo).name}, as {type(model).__name__} sees it with the weights {source}"
    if model.preprocessing is None:
        yield "(nobody says how its images are to be prepared: done as for most of ImageNet's networks)"
    yield ""
    yield from (f"{100 * p:6.1f} %  {class_name}" for _, class_name, p in found)
    if saliency:
        draw(model, image, found[:3], Path(saliency))
        yield f"\nwhat speaks for the best: {saliency}"
