"""Random transforms of image batches, for training: `transform(x, generator)` on (N, C, H, W).

The result is a function of the input and of the generator's state: the same seed repeats it. A model that sees each
image with small changes that do not change its class cannot memorise the images, and generalises better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from groundup import checks
from groundup.data.vision.transforms import (
    FloatImages,
    Images,
    Transform,
    check_float_images,
    check_images,
    pad_images,
)
from groundup.functional import affine_grid, grid_sample


@dataclass(frozen=True)
class RandomCrop:
    """Cut a window out of each image at a uniformly random position.

    Args:
        size: length of both sides of the window, or (height, width).
        padding: rows and columns of zeros that are added to the image before.

    Example:
        >>> RandomCrop(4, padding=1)(torch.ones(1, 3, 8, 8), torch.Generator()).shape
        torch.Size([1, 3, 4, 4])
    """

    size: int | tuple[int, int]
    padding: int | tuple[int, int] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checks.pair("size", self.size))
        object.__setattr__(self, "padding", checks.pair("padding", self.padding, minimum=0))

    def __call__(self, x: Images, generator: torch.Generator) -> Images:
        return _random_window(pad_images(check_images(x), self.padding, 0.0), self.size, generator)


@dataclass(frozen=True)
class RandomShift:
    """Shift each image by up to `pixels` along both axes and fill with zeros.

    Args:
        pixels: largest shift, or (vertical, horizontal).

    Example:
        >>> RandomShift(2)(torch.ones(1, 3, 8, 8), torch.Generator()).shape
        torch.Size([1, 3, 8, 8])
    """

    pixels: int | tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", checks.pair("pixels", self.pixels, minimum=0))

    def __call__(self, x: Images, generator: torch.Generator) -> Images:
        return _random_window(pad_images(check_images(x), self.pixels, 0.0), tuple(x.shape[-2:]), generator)


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Mirror each image left to right with probability `p`.

    Example:
        >>> RandomHorizontalFlip(1.0)(torch.tensor([[[[1, 2]]]], dtype=torch.uint8), torch.Generator())
        tensor([[[[2, 1]]]], dtype=torch.uint8)
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        checks.probability("p", self.p)

    def __call__(self, x: Images, generator: torch.Generator) -> Images:
        source = _check_generator(generator)
        flipped = torch.rand(len(check_images(x)), generator=source, device=source.device) < self.p
        return torch.where(flipped.to(x.device).view(-1, 1, 1, 1), x.flip(-1), x)


@dataclass(frozen=True)
class RandomAffine:
    """Rotate, scale and shift each image about its centre, with bilinear interpolation and zeros around it.

    Args:
        degrees: largest rotation in either direction.
        scale: (least, most) factor of the size; its logarithm is uniform.
        shift: largest shift along each axis, in pixels.

    Example:
        >>> RandomAffine(10.0, (0.9, 1.1), 2.0)(torch.ones(1, 1, 8, 8), torch.Generator()).shape
        torch.Size([1, 1, 8, 8])
    """

    degrees: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0

    def __post_init__(self) -> None:
        checks.real("degrees", self.degrees, 0.0)
        checks.real("shift", self.shift, 0.0)
        least, most = (checks.real("scale", value, 0.0) for value in self.scale)
        checks.require(0 < least <= most, f"scale must be (least, most), 0 < least <= most, got {self.scale}")

    def __call__(self, x: FloatImages, generator: torch.Generator) -> FloatImages:
        source, (height, width) = _check_generator(generator), check_float_images(x).shape[2:]
        drawn = torch.rand(4, len(x), generator=source, device=source.device, dtype=torch.float64).to(x.device)
        angle = math.radians(self.degrees) * (2 * drawn[0] - 1)
        least, most = map(math.log, self.scale)
        size = torch.exp(least + (most - least) * drawn[1])
        # The source of each pixel: the inverse of rotation, scaling and shift, in halves of the image's sides.
        cos, sin, aspect = angle.cos() / size, angle.sin() / size, width / height
        back = torch.stack([cos, sin / aspect, -sin * aspect, cos], 1).view(-1, 2, 2)
        moved = (2 * drawn[2:].mT - 1) * self.shift * 2 / drawn.new_tensor([width, height])  # N, 2
        theta = torch.cat([back, -back @ moved[:, :, None]], 2).to(x.dtype)
        return grid_sample(x, affine_grid(theta, (height, width), align_corners=False), align_corners=False)


def augmentation(kind: str, size: int | tuple[int, int]) -> tuple[Transform, ...]:
    """Return random transforms for training images.

    Args:
        kind: "photo" mirrors images and shifts them by up to an eighth; "writing" only shifts them, because a mirrored
            letter is another letter; "none" changes nothing.
        size: length of both sides of the images, or (height, width).

    Raises `ValueError` for another kind.
    """
    checks.choice("augment", kind, ("photo", "writing", "none"))
    height, width = checks.pair("size", size)
    moved = RandomCrop((height, width), padding=(max(height // 8, 1), max(width // 8, 1)))
    return {"photo": (moved, RandomHorizontalFlip()), "writing": (moved,), "none": ()}[kind]


def _random_window(x: Tensor, size: Any, generator: torch.Generator) -> Tensor:
    """Cut a window of `size` (height, width) out of each image at a random position."""
    source = _check_generator(generator)
    (height, width), (rows, columns) = size, x.shape[-2:]
    if height > rows or width > columns:
        raise ValueError(f"size must fit the padded image, {rows}x{columns}, got {height}x{width}; pad or resize")
    top, left = (
        torch.randint(room + 1, (len(x),), generator=source, device=source.device).to(x.device)
        for room in (rows - height, columns - width)
    )
    windows = x.unfold(2, height, 1).unfold(3, width, 1)  # every window, as a view: N, C, places, places, H, W
    return windows[torch.arange(len(x), device=x.device), :, top, left]  # -> N, C, H, W


def _check_generator(generator: torch.Generator | None) -> torch.Generator:
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator for a random transform, got {generator!r}")
    return generator
