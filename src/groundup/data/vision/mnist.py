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

from groundup.data.download import DownloadError, cache_folder, fetch, register_files
from groundup.data.registry import IMAGES
from groundup.data.vision.image_data import ImageData

logger = logging.getLogger("groundup")

_MNIST = {
    "train-images-idx3-ubyte.gz": (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    "train-labels-idx1-ubyte.gz": (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "t10k-images-idx3-ubyte.gz": (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "t10k-labels-idx1-ubyte.gz": (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
}
_FASHION_MNIST = {
    "train-images-idx3-ubyte.gz": (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    "train-labels-idx1-ubyte.gz": (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    "t10k-images-idx3-ubyte.gz": (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    "t10k-labels-idx1-ubyte.gz": (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
}
_GOOGLE = "https://storage.googleapis.com/"
register_files("mnist", _MNIST, "https://ossci-datasets.s3.amazonaws.com/mnist/", f"{_GOOGLE}cvdf-datasets/mnist/")
register_files(
    "fashion_mnist",
    _FASHION_MNIST,
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    f"{_GOOGLE}tensorflow/tf-keras-datasets/",
)

_DIGITS = tuple("0123456789")
_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@IMAGES.register("mnist")
def mnist(seed: int = 0) -> tuple[ImageData, ImageData]:
    """Return MNIST as (train, test): images (N, 1, 28, 28) uint8, ink 255 on background 0; 60,000 and 10,000 of them.

    Args:
        seed: has no effect, unless the training files are neither in the cache nor can be downloaded. Then the 10,000
            test images are split at random, every class in proportion, into 8,000 and 2,000; a warning in the log and
            `note` say so.
    """
    return _load_or_split_test("mnist", _DIGITS, seed)


@IMAGES.register("fashion_mnist")
def fashion_mnist(seed: int = 0) -> tuple[ImageData, ImageData]:
    """Return Fashion-MNIST, pictures of clothes, as (train, test); images and `seed` are as for `mnist`."""
    return _load_or_split_test("fashion_mnist", _CLOTHES, seed)


def read_idx(path: str | PathLike[str]) -> UInt8[Tensor, "..."]:
    """Return the array of a gzipped IDX file of unsigned bytes, the format of MNIST.

    The format is big-endian: two zero bytes, the type (8 is unsigned byte), the number of axes, the length of each axis
    as uint32, the values. Raises `ValueError`, naming the file, if it is truncated, is not IDX, or has another length
    than its header states.
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


def _load_or_split_test(name: str, class_names: tuple[str, ...], seed: int) -> tuple[ImageData, ImageData]:
    try:
        train = _fetch_part(name, "train", class_names)
    except DownloadError:
        test = _fetch_part(name, "t10k", class_names)
        rest, part = test.split(0.2, seed)
        note = f"the training files are not available: {len(test):,} test images split {len(rest):,} / {len(part):,}"
        logger.warning("%s: %s; for the standard split put %s/train-* into %s", name, note, name, cache_folder())
        return replace(rest, note=note), replace(part, note=note)
    return train, _fetch_part(name, "t10k", class_names)


def _fetch_part(name: str, part: str, class_names: tuple[str, ...]) -> ImageData:
    images, labels = (fetch(f"{name}/{part}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return _read_part(images, labels, class_names, name)


def _read_part(images: Path, labels: Path, class_names: tuple[str, ...], name: str) -> ImageData:
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.dim() != 3:
        raise ValueError(f"{images} must hold images of shape (N, H, W), got {tuple(pixels.shape)}")
    if classes.shape != pixels.shape[:1]:
        raise ValueError(
            f"{labels} must hold one label for each of the {len(pixels):,} images of {images.name}, "
            f"got {tuple(classes.shape)}"
        )
    return ImageData(pixels.unsqueeze(1), classes.long(), class_names, name)  # N, 1, H, W
