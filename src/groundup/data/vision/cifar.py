"""CIFAR-10: 32x32 colour images in ten classes, 50,000 to train and 10,000 to test.

Source: Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images",
https://www.cs.toronto.edu/~kriz/cifar.html, whose Python archive holds pickles of byte arrays.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import torch

from groundup.data.download import cached, fetch
from groundup.data.vision.image_data import ImageData
from groundup.data.vision.image_files import file_tree
from groundup.data.vision.image_folder import read_class_folders

_FOLDER = "cifar-10-batches-py"
_TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
_LOSSY = "JPEG files (quality 75), a lossy re-encoding: only roughly comparable with the original pixels"


def cifar10() -> tuple[ImageData, ImageData]:
    """(train, test): images (N, 3, 32, 32) uint8.

    From the published Python archive or, when only these are in the cache, from the JPEG zips `cifar10/train.zip`
    and `cifar10/test.zip`, which `note` then says. With neither, the archive is downloaded (170 MB).
    """
    archive = cached("cifar10/cifar-10-python.tar.gz")
    if archive is None:
        zips = [cached("cifar10/train.zip"), cached("cifar10/test.zip")]
        trees = [file_tree(path) for path in zips if path is not None]
        if len(trees) == 2:
            train, test = (replace(data, name="cifar10", note=_LOSSY) for data in read_class_folders(trees))
            return train, test
        archive = fetch("cifar10/cifar-10-python.tar.gz")
    return read_cifar_archive(archive)


def read_cifar_archive(path: str | PathLike[str]) -> tuple[ImageData, ImageData]:
    """(train, test) from the published `.tar.gz`, read in memory; its pickles may build arrays and nothing else."""
    with tarfile.open(path, "r:gz") as archive:
        contents = {name: _unpickled(archive, name, path) for name in (*_TRAIN, "test_batch", "batches.meta")}
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


_reconstruct = np.empty(0).__reduce__()[0]
_ADMITTED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,  # its name before NumPy 2
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles numbers, strings, containers and NumPy arrays; any other global is refused by its name.

    A pickle is a program. What this one may call builds an array and reaches no further.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}, which is no part of an array; it is not loaded"
            )
        return _ADMITTED[module, name]


def _unpickled(archive: tarfile.TarFile, name: str, path: str | PathLike[str]) -> dict[bytes, Any]:
    try:
        member = archive.extractfile(f"{_FOLDER}/{name}")
    except KeyError:
        member = None
    if member is None:
        raise ValueError(f"{path} must hold the file {_FOLDER}/{name}; is it the Python version of CIFAR-10?")
    # Written by Python 2, whose strings are bytes.
    return ArrayUnpickler(io.BytesIO(member.read()), encoding="bytes").load()
