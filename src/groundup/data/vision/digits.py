"""Handwritten digits, a part of scikit-learn: real data without a network.

1,797 digits by 13 writers, 8x8, each pixel the number of inked dots in a 4x4 block of the scan (0..16).
Source: Alpaydin and Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49; scikit-learn ships its test part.
"""

from __future__ import annotations

import torch

from groundup.data.registry import IMAGES
from groundup.data.vision.image_data import ImageData


@IMAGES.register("digits")
def digits(seed: int = 0, test_fraction: float = 0.2) -> tuple[ImageData, ImageData]:
    """Return the digits as (train, test): images (N, 1, 8, 8) uint8, by default 1,438 and 359 of them.

    Args:
        seed: determines the split, as the source has none of its own.
        test_fraction: share of the test part; every class is in proportion.

    The counts 0..16 of the source are scaled to 0..255.

    Example:
        >>> train, test = digits()
        >>> train
        ImageData(digits: 1,438 images 1x8x8 uint8, 10 classes)
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as missing:
        raise ImportError("the digits come with scikit-learn: pip install 'groundup[data]'") from missing
    source = load_digits()
    counts = torch.as_tensor(source.images, dtype=torch.float64).unsqueeze(1)  # N, 1, 8, 8
    return ImageData(
        images=(counts * (255 / 16)).round().to(torch.uint8),
        labels=torch.as_tensor(source.target, dtype=torch.int64),
        class_names=tuple("0123456789"),
        name="digits",
    ).split(test_fraction, seed)
