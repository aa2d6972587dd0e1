"""One name, or one path, to (train, test): what a `--data` flag hands over."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from groundup import checks
from groundup.data.vision.cifar import cifar10
from groundup.data.vision.digits import digits
from groundup.data.vision.image_data import ImageData
from groundup.data.vision.image_folder import image_folder
from groundup.data.vision.mnist import fashion_mnist, mnist

#: The data sets that `load` knows by name; each is called with a seed, for a split of its own if it needs one.
NAMES = {
    "digits": digits,
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": lambda seed: cifar10(),  # its split is published
}


def load(name_or_path: str | PathLike[str], *, seed: int = 0, **folder_options: Any) -> tuple[ImageData, ImageData]:
    """(train, test) of "digits", "mnist", "fashion_mnist", "cifar10", or of your own folder or zip.

    `folder_options` are those of `image_folder` (size, channels, test_fraction, on_unreadable). A folder of yours
    that is called like a data set is reached as "./mnist".

    Raises `ValueError` for what is neither a name nor there, and for folder options beside a name.
    """
    checks.integer("seed", seed, minimum=0)
    if name_or_path in NAMES:
        if folder_options:
            raise ValueError(f"{', '.join(folder_options)} apply to a folder of images, not to {name_or_path!r}")
        return NAMES[str(name_or_path)](seed=seed)
    if not Path(name_or_path).expanduser().exists():
        raise ValueError(
            f"name_or_path must be one of {', '.join(map(repr, NAMES))}, or the path of a folder or zip with one "
            f"subfolder of images for each class; {str(name_or_path)!r} is neither"
        )
    return image_folder(name_or_path, seed=seed, **folder_options)
