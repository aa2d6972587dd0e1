"""Shared by trainings on images: the flags, the loaders that fit the data, and the saved model at the end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from torch import nn

from groundup import checks
from groundup.data import NAMES, ImageData, ImagePreprocessing, Loader, Normalize, ToFloat, load
from groundup.data.vision.photo import write_photo
from groundup.data.vision.transforms import Transform
from groundup.models.saved import save_model
from groundup.training import distributed
from groundup.training.command import RunOptions
from groundup.training.logs import say
from groundup.weights import Preprocessing

#: The fewest steps of a training on your own images: a few images have few steps in the usual number of epochs.
LEAST_STEPS = 300


@dataclass(kw_only=True)
class ImageOptions(RunOptions):
    """Base of the Config of an example that trains a classifier of images, the data sets' or your own."""

    data: str = "digits"  # digits, mnist, fashion_mnist, cifar10, or the path of your own folder or zip of images
    on_unreadable: str = "raise"  # skip: leave out the files of your folder that cannot be read
    epochs: int = 0  # 0: what the data wants
    batch_size: int = 32  # fewer images than two batches: smaller batches

    @property
    def own(self) -> bool:
        """Whether `data` is a folder or zip of your own."""
        return self.data not in NAMES

    def load(self, size: int | tuple[int, int], channels: int | None = None) -> tuple[ImageData, ImageData]:
        """(train, test), printed; images of your own are stretched to `size`, in `channels` if given."""
        options: dict[str, Any] = {"size": size, "channels": channels, "on_unreadable": self.on_unreadable}
        train, test = load(self.data, seed=self.seed, **(options if self.own else {}))
        say(f"{train}\n{test}")
        return train, test

    def loaders(
        self,
        train: ImageData,
        test: ImageData,
        transform: Transform | Mapping[int, Transform],
        evaluation: Transform,
        drop_last: bool = True,
    ) -> tuple[Loader, Loader]:
        """(batches of `train`, shuffled and transformed; batches of `test`).

        Where `train` is smaller than two batches, `batch_size` is halved until it is not, and a line says so.
        """
        size = self._fitting(train)
        if size < self.batch_size:
            say(f"{len(train)} training images: batches of {size}, not of {self.batch_size}")
        drop_last = drop_last and len(train) >= size
        batches = Loader(train, size, shuffle=True, seed=self.seed, transform=transform, drop_last=drop_last)
        return batches, Loader(test, 500, seed=self.seed, transform=evaluation)

    def epochs_for(self, train: ImageData, default: int) -> int:
        """`epochs` if given; else `default`, or with few images of your own as many as make `LEAST_STEPS` steps."""
        steps = max(len(train) // self._fitting(train), 1)
        least = ceil(LEAST_STEPS / steps) if self.own else 0
        return checks.integer("epochs", self.epochs, 0) or max(default, least)

    def _fitting(self, train: ImageData) -> int:
        """A batch size of which `train` has at least two; one of 1 would leave batch normalisation nothing to do."""
        size = checks.integer("batch_size", self.batch_size)
        while size > 2 and 2 * size > len(train):
            size //= 2
        return size


@dataclass(kw_only=True)
class PhotoOptions(ImageOptions):
    """Base of the Config of an example whose model takes images of any size, such as photos."""

    size: int = 32  # of the images, in pixels; a larger one keeps more of a photo, and takes longer
    augment: str = ""  # photo (mirrored and shifted), writing (shifted) or none; empty: what the data wants


def save_classifier(model: nn.Module, run_dir: str | Path, data: ImageData, *transforms: Transform) -> str:
    """Save a trained model into `run_dir/model`, and the first image of `data` as `run_dir/sample.png`.

    `transforms` are those that the images of `data` went through in evaluation. They are saved with the model, so that
    `groundup classify` decodes a photo in the size and channels of `data`, and transforms it as in evaluation.
    Returns the command that asks the saved model about the sample. Under torchrun the main process saves.

        print(save_classifier(model, "runs/pets", test, ToFloat(), Normalize(0.5, 0.25)))
        # groundup classify runs/pets/sample.png --model runs/pets/model
    """
    folder, picture = Path(run_dir) / "model", Path(run_dir) / "sample.png"

    def save() -> None:
        seen = ImagePreprocessing.of(data, *transforms)
        save_model(model, folder, preprocessing=seen, class_names=data.class_names)
        write_photo(data.images[0], picture)

    distributed.on_main(save)
    return shlex.join(["groundup", "classify", str(picture), "--model", str(folder)])


def training_preprocessing(model: Any) -> ImagePreprocessing:
    """The preprocessing to train a loaded model further: the one that it was saved with.

    The middle crop of published weights becomes a stretch to the same size, for images in memory have one size.
    Raises `ValueError` for a model that does not say how, or in what size, its images come.
    """
    seen = model.preprocessing
    if isinstance(seen, Preprocessing):
        return ImagePreprocessing(
            ToFloat(), Normalize(seen.mean, seen.std), size=seen.crop, channels=getattr(model, "in_channels", 3)
        )
    if seen is None or seen.size is None:
        raise ValueError(
            f"this {type(model).__name__} was saved without the preprocessing of its images, or without their size; "
            "save it with preprocessing=ImagePreprocessing(..., size=...)"
        )
    found: ImagePreprocessing = seen
    return found
