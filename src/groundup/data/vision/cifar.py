"""CIFAR-10: 32x32 colour images in ten classes, 50,000 to train and 10,000 to test.

Source: Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images",
https://www.cs.toronto.edu/~kriz/cifar.html; its Python archive holds pickles of byte arrays.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import torch

from groundup.data.download import fetch, find_cached, register_files
from groundup.data.pickles import DataUnpickler
from groundup.data.registry import IMAGES
from groundup.data.vision.image_data import ImageData
from groundup.data.vision.image_files import open_file_tree
from groundup.data.vision.image_folder import read_class_folders

_ARCHIVE = {
    "cifar-10-python.tar.gz": (170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),
}
_JPEG = {  # the same images as class folders of JPEG files
    "train.zip": (51_241_273, "8724a1fba54c41956b17ed0b3e39517016a2375c332b312dd5959618261d6ae2"),
    "test.zip": (10_249_684, "f6b62287187b5537a55b38aa0a2d889ec2ce9b466d58dceefa720a91f9f7b05f"),
}
register_files(
    "cifar10",
    _ARCHIVE,
    "https://www.cs.toronto.edu/~kriz/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
register_files("cifar10", _JPEG)

_FOLDER = "cifar-10-batches-py"
_TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
_LOSSY = "JPEG files (quality 75), a lossy re-encoding: only roughly comparable with the original pixels"


@IMAGES.register("cifar10")
def cifar10(seed: int = 0) -> tuple[ImageData, ImageData]:
    """Return CIFAR-10 as (train, test): images (N, 3, 32, 32) uint8, 50,000 and 10,000 of them.

    Args:
        seed: has no effect, because the split is published.

    They are read from the published Python archive, or, if only those are in the cache, from the JPEG zips
    `cifar10/train.zip` and `cifar10/test.zip`; `note` then says so. Otherwise the archive is downloaded (170 MB).
    """
    archive = find_cached("cifar10/cifar-10-python.tar.gz")
    if archive is None:
        zips = [find_cached("cifar10/train.zip"), find_cached("cifar10/test.zip")]
        trees = [open_file_tree(path) for path in zips if path is not None]
        if len(trees) == 2:
            train, test = (replace(data, name="cifar10", note=_LOSSY) for data in read_class_folders(trees))
            return train, test
        archive = fetch("cifar10/cifar-10-python.tar.gz")
    return read_cifar_archive(archive)


def read_cifar_archive(path: str | PathLike[str]) -> tuple[ImageData, ImageData]:
    """Return (train, test) of the published `.tar.gz`, read in memory; its pickles may only build arrays."""
    with tarfile.open(path, "r:gz") as archive:
        contents = {name: _unpickle(archive, name, path) for name in (*_TRAIN, "test_batch", "batches.meta")}
    class_names = tuple(name.decode() for name in contents["batches.meta"][b"label_names"])

    def part(*names: str) -> ImageData:
        rows = np.concatenate([contents[name][b"data"] for name in names])  # N, 3072: the red plane, green, blue
        return ImageData(
            images=torch.from_numpy(rows.reshape(-1, 3, 32, 32)),
            labels=torch.tensor([label for name in names for label in contents[name][b"labels"]]),
            class_names=class_names,
            name="cifar10",
        )

    return part(*_TRAIN), part("test_batch")


def _unpickle(archive: tarfile.TarFile, name: str, path: str | PathLike[str]) -> dict[bytes, Any]:
    try:
        member = archive.extractfile(f"{_FOLDER}/{name}")
    except KeyError:
        member = None
    if member is None:
        raise ValueError(f"{path} must hold the file {_FOLDER}/{name}; is it the Python version of CIFAR-10?")
    return DataUnpickler(io.BytesIO(member.read()), encoding="bytes").load()  # strings of Python 2 are bytes
