"""MNIST and Fashion-MNIST: 28x28 grey images in ten classes, 60,000 to train and 10,000 to test, as IDX files.

Sources: LeCun, Bottou, Bengio, Haffner (1998), "Gradient-Based Learning Applied to Document Recognition";
Xiao, Rasul, Vollgraf (2017), "Fashion-MNIST", https://arxiv.org/abs/1708.07747.
"""

from __future__ import annotations

import gzip
import logging
import math
import struct
import zlib
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from groundup.data.download import DownloadError, cache_folder, fetch
from groundup.data.vision.image_data import ImageData

logger = logging.getLogger("groundup")

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def mnist(seed: int = 0) -> tuple[ImageData, ImageData]:
    """(train, test) of handwritten digits: images (N, 1, 28, 28) uint8, ink 255 on ground 0.

    When the training files are neither in the cache nor to be had, the 10,000 test images are split, stratified
    by `seed`, into 8,000 and 2,000; a warning in the log and both `note`s say so. Otherwise `seed` changes nothing.
    """
    return _standard_or_substitute("mnist", _DIGITS, seed)


def fashion_mnist(seed: int = 0) -> tuple[ImageData, ImageData]:
    """(train, test) of Zalando's articles; images and the substitute split as in `mnist`."""
    return _standard_or_substitute("fashion_mnist", _CLOTHES, seed)


def read_idx(path: str | PathLike[str]) -> UInt8[Tensor, "..."]:
    """The array of a gzipped IDX file of unsigned bytes, as MNIST is published in.

    Big-endian: two zero bytes, the type (8 is unsigned byte), the number of axes, each axis as uint32, the values.
    Raises `ValueError`, naming the file, when it is cut off, is not IDX, or its length is not what its header says.
    """
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as failure:
        raise ValueError(f"{path} is not a whole gzip file: {failure}") from failure
    if len(content) < 4 or content[:3] != b"\0\0\x08" or content[3] == 0:
        raise ValueError(f"{path} is not an IDX file of unsigned bytes: it begins with {content[:4].hex(' ')}")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"{path} ends inside its header, after {len(content)} bytes")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"{path} must hold {math.prod(shape):,} values for the shape {shape} of its header, "
            f"got {len(content) - start:,}"
        )
    values = np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    return torch.from_numpy(values.copy())  # bytes are read-only, a tensor's memory is not


def _standard_or_substitute(name: str, class_names: tuple[str, ...], seed: int) -> tuple[ImageData, ImageData]:
    try:
        train = _part(name, "train", class_names)
    except DownloadError:
        test = _part(name, "t10k", class_names)
        rest, part = test.split(0.2, seed)
        note = f"the training files are not available: {len(test):,} test images split {len(rest):,} / {len(part):,}"
        logger.warning("%s: %s; for the standard split put %s/train-* into %s", name, note, name, cache_folder())
        return replace(rest, note=note), replace(part, note=note)
    return train, _part(name, "t10k", class_names)


def _part(name: str, part: str, class_names: tuple[str, ...]) -> ImageData:
    images, labels = (fetch(f"{name}/{part}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return _from_idx(images, labels, class_names, name)


def _from_idx(images: Path, labels: Path, class_names: tuple[str, ...], name: str) -> ImageData:
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.dim() != 3:
        raise ValueError(f"{images} must hold images of shape (N, H, W), got {tuple(pixels.shape)}")
    if classes.shape != pixels.shape[:1]:
        raise ValueError(
            f"{labels} must hold one label for each of the {len(pixels):,} images of {images.name}, "
            f"got {tuple(classes.shape)}"
        )
    return ImageData(pixels.unsqueeze(1), classes.long(), class_names, name)  # N, 1, H, W
