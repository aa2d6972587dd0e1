"""Training on images: common flags, loaders that fit the data, and the saved model at the end."""

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
from groundup.data.vision.image_files import write_photo
from groundup.data.vision.transforms import Transform
from groundup.models.saved import save_model
from groundup.training import distributed
from groundup.training.command_line import RunOptions
from groundup.training.logs import say
from groundup.weights import Preprocessing

#: Minimum length of a training on your own images: few images have few steps in the usual number of epochs.
OWN_IMAGES_MIN_STEPS = 300


@dataclass(kw_only=True)
class ImageOptions(RunOptions):
    """Base of the Config of a program that trains an image classifier, on a data set or on your own images."""

    data: str = "digits"  # digits, mnist, fashion_mnist, cifar10, or the path of your own folder or zip of images
    on_unreadable: str = "raise"  # skip: leave out files of your folder that cannot be read
    epochs: int = 0  # 0: as many as the data needs
    batch_size: int = 32  # smaller if there are fewer images than two batches

    @property
    def own(self) -> bool:
        """True if `data` is your own folder or zip."""
        return self.data not in NAMES

    def load(self, size: int | tuple[int, int], channels: int | None = None) -> tuple[ImageData, ImageData]:
        """Return and print (train, test). Your own images are resized to `size`, and to `channels` if given."""
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
        """Return (batches of `train`, shuffled and transformed; batches of `test`).

        If `train` is smaller than two batches, `batch_size` is halved until it is not, and a line says so.
        """
        size = self._fit_batch_size(train)
        if size < self.batch_size:
            say(f"{len(train)} training images: batches of {size}, not of {self.batch_size}")
        drop_last = drop_last and len(train) >= size
        batches = Loader(train, size, shuffle=True, seed=self.seed, transform=transform, drop_last=drop_last)
        return batches, Loader(test, 500, seed=self.seed, transform=evaluation)

    def epochs_for(self, train: ImageData, default: int) -> int:
        """Return `epochs` if given; else `default`, or as many as make `OWN_IMAGES_MIN_STEPS` on your own images."""
        steps = max(len(train) // self._fit_batch_size(train), 1)
        least = ceil(OWN_IMAGES_MIN_STEPS / steps) if self.own else 0
        return checks.integer("epochs", self.epochs, 0) or max(default, least)

    def _fit_batch_size(self, train: ImageData) -> int:
        """Return a batch size of which `train` has at least two, and above 1, for batch normalisation."""
        size = checks.integer("batch_size", self.batch_size)
        while size > 2 and 2 * size > len(train):
            size //= 2
        return size


@dataclass(kw_only=True)
class PhotoOptions(ImageOptions):
    """Base of the Config of a program whose model takes images of any size, such as photos."""

    size: int = 32  # of the images, in pixels; a larger one keeps more details and takes longer
    augment: str = ""  # photo (flipped and shifted), writing (shifted) or none; empty: as the data needs


def save_classifier(model: nn.Module, run_dir: str | Path, data: ImageData, *transforms: Transform) -> str:
    """Save a trained model as `run_dir/model` and the first image of `data` as `run_dir/sample.png`.

    Under torchrun the main process saves.

    Args:
        model: the trained model.
        run_dir: the folder of the run.
        data: images of the kind that the model was trained on.
        transforms: the transforms of the evaluation. They are saved with the model, so that `groundup classify` decodes
            a photo in the size and channels of `data` and transforms it as in evaluation.

    Returns the command that classifies the sample with the saved model.

        print(save_classifier(model, "runs/pets", test, ToFloat(), Normalize(0.5, 0.25)))
        # groundup classify runs/pets/sample.png --model runs/pets/model
    """
    folder, picture = Path(run_dir) / "model", Path(run_dir) / "sample.png"

    def save() -> None:
        preprocessing = ImagePreprocessing.of(data, *transforms)
        save_model(model, folder, preprocessing=preprocessing, class_names=data.class_names)
        write_photo(data.images[0], picture)

    distributed.on_main(save)
    return shlex.join(["groundup", "classify", str(picture), "--model", str(folder)])


def training_preprocessing(model: Any) -> ImagePreprocessing:
    """Return the preprocessing with which to train a loaded model further: that of its training.

    The centre crop of published weights becomes a resize to the same size, because images in memory have one size.
    Raises `ValueError` for a model that was saved without its preprocessing, or without the size of its images.
    """
    saved = model.preprocessing
    if isinstance(saved, Preprocessing):
        return ImagePreprocessing(
            ToFloat(), Normalize(saved.mean, saved.std), size=saved.crop, channels=getattr(model, "in_channels", 3)
        )
    if saved is None or saved.size is None:
        raise ValueError(
            f"this {type(model).__name__} was saved without the preprocessing of its images, or without their size; "
            "save it with preprocessing=ImagePreprocessing(..., size=...)"
        )
    preprocessing: ImagePreprocessing = saved
    return preprocessing
