"""Images by the name of a data set, or your own: a folder, or a zip of it, with one subfolder per class.

train, test = load("digits")                        # or "mnist", "fashion_mnist", "cifar10", "path/to/your/folder"

pets/cat/1.jpg              or, with a split of your own,      pets/train/cat/1.jpg
pets/cat/2.png                                                 pets/train/dog/1.jpg
pets/dog/1.jpg                                                 pets/test/cat/2.png  ...
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from groundup import checks
from groundup.data.registry import IMAGES
from groundup.data.vision.image_data import ImageData
from groundup.data.vision.image_files import FileTree, Name, decode, open_file_tree

logger = logging.getLogger("groundup")

_TEST_FOLDERS = ("test", "val", "valid", "validation")  # next to train/; the first that exists is used
_MAX_LISTED_FILES = 10  # unreadable files that a message names
_SMALL_FILE_BYTES = 4096  # of an average file; a JPEG of about 100x100
_File = tuple[int, Name]  # number of the part that it belongs to, and its name there


def load(name_or_path: str | PathLike[str], *, seed: int = 0, **folder_options: Any) -> tuple[ImageData, ImageData]:
    """Return the images of a data set, or your own, as (train, test).

    Args:
        name_or_path: "digits", "mnist", "fashion_mnist", "cifar10", or the path of a folder or zip of class folders.
            A folder with the name of a data set is given as "./mnist".
        seed: determines the split of data without a published one.
        folder_options: size, channels, test_fraction and on_unreadable of `image_folder`.

    Raises `ValueError` for a name that is no data set and no path, and for folder options with a data set.

    Example:
        >>> train, test = load("digits")
        >>> train.images.shape, test.images.shape
        (torch.Size([1438, 1, 8, 8]), torch.Size([359, 1, 8, 8]))
    """
    checks.integer("seed", seed, minimum=0)
    if name_or_path in IMAGES:
        if folder_options:
            raise ValueError(f"{', '.join(folder_options)} apply to a folder of images, not to {name_or_path!r}")
        return IMAGES[str(name_or_path)](seed=seed)
    if not Path(name_or_path).expanduser().exists():
        raise ValueError(
            f"name_or_path must be one of {', '.join(map(repr, IMAGES))}, or the path of a folder or zip with one "
            f"subfolder of images for each class; {str(name_or_path)!r} is neither"
        )
    return image_folder(name_or_path, seed=seed, **folder_options)


def image_folder(
    path: str | PathLike[str],
    size: int | tuple[int, int] | None = None,
    test_fraction: float = 0.2,
    channels: int | None = None,
    on_unreadable: str = "raise",
    seed: int = 0,
) -> tuple[ImageData, ImageData]:
    """Read a folder or zip of class folders as (train, test): images (N, C, H, W) uint8.

    Args:
        path: folder or zip. The classes are the names of its folders in alphabetical order; files may be in folders
            below them. If there is a folder train/ with test/ (or val/), these are the split. A single folder around
            everything is skipped, and so are hidden files and `__MACOSX`.
        size: int or (height, width) that every image is stretched to; None requires images of one size.
        test_fraction: share of the test part, every class in proportion, if the folder has no split.
        channels: 1 for grey, 3 for colour; None is 1 if every image is grey, else 3.
        on_unreadable: "raise" names the files that are not images; "skip" leaves them out, and `note` lists them.
        seed: determines the split.

    Raises `FileNotFoundError` for a missing path, and `ValueError` for fewer than two classes, a class without images,
    unequal sizes, a test class that train lacks, and a zip that is damaged or points outside of itself.
    """
    wanted = None if size is None else checks.pair("size", size)
    checks.require(channels in (None, 1, 3), f"channels must be None, 1 or 3, got {channels!r}")
    checks.choice("on_unreadable", on_unreadable, ("raise", "skip"))
    tree = open_file_tree(Path(path).expanduser())
    while len(top := tree.children()) == 1 and tree.below(top[0]).children():
        tree = tree.below(top[0])
    folders = {name.lower(): name for name in tree.children()}
    test = next((folders[name] for name in _TEST_FOLDERS if name in folders), None)
    if "train" not in folders or test is None:
        (data,) = read_class_folders([tree], wanted, channels, on_unreadable)
        counts = data.labels.bincount().tolist()
        if 1 in counts:
            raise ValueError(
                f"class {data.class_names[counts.index(1)]!r} of {data.name} has one image; training and test need one "
                "each: add a second one, or remove the class, or sort the images into train/ and test/ yourself"
            )
        return data.split(test_fraction, seed)
    train = folders["train"]
    parts = read_class_folders([tree.below(train), tree.below(test)], wanted, channels, on_unreadable)
    unused = sorted(set(folders.values()) - {train, test})
    note = f"{train} and {test} used, not {', '.join(unused)}" if unused else ""
    train_data, test_data = (replace(part, note=_join(part.note, note)) for part in parts)
    return train_data, test_data


def read_class_folders(
    parts: Sequence[FileTree],
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    on_unreadable: str = "raise",
) -> list[ImageData]:
    """Read trees of class folders as one `ImageData` each, with the classes of the first, and one size."""
    class_names = parts[0].children()
    if len(class_names) < 2:
        found = f"the only one is {class_names[0]!r}" if class_names else "there is none"
        raise ValueError(
            f"{parts[0]} must hold at least two class folders, {found}; sort the images into one folder for each class"
        )
    for part in parts[1:]:
        if unknown := set(part.children()) - set(class_names):
            raise ValueError(f"{part} has classes that {parts[0]} has not: {', '.join(sorted(unknown))}")
    files = [(i, file) for i, part in enumerate(parts) for file in part.files if len(file) > len(part.root) + 1]
    arrays, left_out = _decode_files(files, parts, size, channels, on_unreadable)
    _check_sizes(arrays, parts)
    in_colour = any(array.ndim == 3 for array in arrays.values())

    loose = sum(len(part.files) for part in parts) - len(files)
    note = _join(f"{loose} files outside of the class folders not used" if loose else "", left_out)
    if note:
        logger.warning("%s: %s", parts[0].source, note)
    data = []
    for i, part in enumerate(parts):
        own = [file for j, file in arrays if j == i]
        classes = [file[len(part.root)] for file in own]
        if empty := set(part.children()) - set(classes):
            raise ValueError(f"{part} has class folders without a readable image: {', '.join(sorted(empty))}")
        data.append(
            ImageData(
                images=_stack([arrays[i, file] for file in own], in_colour),
                labels=torch.tensor([class_names.index(name) for name in classes], dtype=torch.int64),
                class_names=class_names,
                name=part.source.stem,
                note=note,
            )
        )
    return data


def _decode_files(
    files: list[_File],
    parts: Sequence[FileTree],
    size: tuple[int, int] | None,
    channels: int | None,
    on_unreadable: str,
) -> tuple[dict[_File, np.ndarray], str]:
    """Return the pixels of every readable file, in order, and a sentence about the others."""

    def attempt(file: _File) -> np.ndarray | Exception:
        part, name = file
        try:
            return decode(parts[part].read(name), size, channels)
        except ImportError:
            raise
        except Exception as failure:  # a decoder fed with garbage may raise anything; all of it is reported below
            return failure

    with ThreadPoolExecutor() as pool:
        apply = map if _are_small(files, parts) else pool.map
        results = dict(zip(files, apply(attempt, files)))
    arrays = {file: result for file, result in results.items() if isinstance(result, np.ndarray)}
    failures = {file: result for file, result in results.items() if isinstance(result, Exception)}
    if not failures:
        return arrays, ""
    names = ["/".join(name) for _, name in failures]
    if on_unreadable == "raise":
        listing = [f"{name}: {failure}" for name, failure in zip(names, failures.values())]
        raise ValueError(
            f"{len(failures)} of {len(files)} files of {parts[0].source} are not readable images:\n  "
            + "\n  ".join(_list_first(listing))
            + '\nReplace or remove them, or leave them out with on_unreadable="skip" (--on-unreadable skip).'
        )
    return arrays, f"{len(failures)} unreadable files left out: {', '.join(_list_first(names))}"


def _are_small(files: list[_File], parts: Sequence[FileTree]) -> bool:
    """Return True if threads would not help, because the decoding of small files is mostly Python."""
    sizes = [parts[part].size(name) for part, name in files]
    return sum(sizes) < _SMALL_FILE_BYTES * len(sizes)


def _check_sizes(arrays: dict[_File, np.ndarray], parts: Sequence[FileTree]) -> None:
    first: dict[tuple[int, ...], str] = {}
    for (_, name), array in arrays.items():
        first.setdefault(array.shape[:2], "/".join(name))
        if len(first) == 2:
            one, other = (f"{file} is {height}x{width}" for (height, width), file in first.items())
            raise ValueError(
                f"the images of {parts[0].source} must have one size, but {one} and {other} (height x width); "
                "give size= to bring all to one"
            )


def _stack(arrays: list[np.ndarray], in_colour: bool) -> UInt8[Tensor, "count channels height width"]:
    height, width = arrays[0].shape[:2]
    images = np.empty((len(arrays), 3 if in_colour else 1, height, width), np.uint8)
    for image, array in zip(images, arrays):
        image[...] = array if array.ndim == 2 else array.transpose(2, 0, 1)  # grey fills all three channels
    return torch.from_numpy(images)


def _join(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _list_first(names: list[str]) -> list[str]:
    return [
        *names[:_MAX_LISTED_FILES],
        *([f"and {len(names) - _MAX_LISTED_FILES} more"] if len(names) > _MAX_LISTED_FILES else []),
    ]
