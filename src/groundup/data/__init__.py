"""Data: embedded, downloaded and your own, as tensors in memory; batch transforms; a loader that can be resumed.

train, test = load("digits")                        # or "mnist", "cifar10", "path/to/your/folder"
batches = Loader(train, 64, shuffle=True, transform=Compose(ToFloat(), RandomShift(1)))
"""

from groundup.data.cifar import cifar10
from groundup.data.digits import digits
from groundup.data.download import DamagedFileError, DownloadError, cache_folder, fetch
from groundup.data.image_data import ImageData
from groundup.data.image_folder import image_folder
from groundup.data.load import NAMES, load
from groundup.data.loader import Loader
from groundup.data.mnist import fashion_mnist, mnist
from groundup.data.photo import read_photo
from groundup.data.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    Rescale,
    Resize,
    ResizeShortest,
    ToFloat,
)

__all__ = [
    "load",
    "NAMES",
    "digits",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "image_folder",
    "read_photo",
    "ImageData",
    "Loader",
    "Compose",
    "ToFloat",
    "Normalize",
    "Rescale",
    "Pad",
    "Resize",
    "ResizeShortest",
    "CenterCrop",
    "RandomCrop",
    "RandomShift",
    "RandomHorizontalFlip",
    "fetch",
    "cache_folder",
    "DownloadError",
    "DamagedFileError",
]
