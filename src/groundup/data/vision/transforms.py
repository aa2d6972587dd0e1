"""Deterministic transforms of image batches: `transform(x, generator)` on (N, C, H, W), the whole batch at once.

`Compose` applies several in order. These ignore the generator; `random_transforms` has those that draw from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from groundup import checks
from groundup.data.vision.sample_transforms import for_batches

# A leading underscore leaves a size free: input and output may differ in it.
Images = Shaped[Tensor, "batch channels _height _width"]
FloatImages = Float[Tensor, "batch channels _height _width"]
Transform = Callable[..., Tensor]  # (images, generator) -> images


@dataclass(frozen=True, repr=False)
class Compose:
    """Apply transforms in order; all random ones draw from the same generator.

    Args:
        transforms: functions (images, generator) → images, or of one sample, as torchvision's.

    Example:
        >>> Compose(ToFloat(), Normalize(0.5, 0.5))(torch.zeros(1, 1, 2, 2, dtype=torch.uint8)).unique()
        tensor([-1.])
    """

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        for position, transform in enumerate(transforms):
            if not callable(transform):
                raise TypeError(f"transforms[{position}] must be callable as (x, generator), got {transform!r}")
        object.__setattr__(self, "transforms", tuple(map(for_batches, transforms)))

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> Images:
        for transform in self.transforms:
            x = transform(x, generator)
        return x

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


@dataclass(frozen=True)
class ToFloat:
    """Convert uint8 0..255 to 0..1 in the default floating-point type; floating-point images are unchanged.

    Example:
        >>> ToFloat()(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item()
        1.0
    """

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> FloatImages:
        check_images(x)
        return x / 255 if x.dtype == torch.uint8 else x


@dataclass(frozen=True)
class Normalize:
    """y = (x - mean) / std per channel.

    Inputs with mean 0 and deviation 1 keep the first layer's outputs, and thus its gradients, in the range that the
    initialisation assumes.

    Args:
        mean, std: one number per channel, or one number for all channels.

    Raises `ValueError` for a std that is not positive, and for numbers of channels that differ.

    Example:
        >>> Normalize(0.5, 0.25)(torch.ones(1, 1, 1, 1)).item()
        2.0
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __post_init__(self) -> None:
        mean, std = _numbers("mean", self.mean), _numbers("std", self.std)
        if min(std) <= 0:
            raise ValueError(f"std must be positive for every channel, got {std}")
        if len(mean) != len(std) and 1 not in (len(mean), len(std)):
            raise ValueError(f"mean and std must have as many entries, got {mean} and {std}")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)

    def __call__(self, x: FloatImages, generator: torch.Generator | None = None) -> FloatImages:
        check_float_images(x)
        mean, std = (x.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        channels = max(mean.numel(), std.numel())
        if channels not in (1, x.shape[1]):
            raise ValueError(f"x must have {channels} channels, as mean and std do, got shape {tuple(x.shape)}")
        return (x - mean) / std


@dataclass(frozen=True)
class Rescale:
    """Map 0..1 linearly to low..high.

    `Rescale(-0.1, 1.175)` is the input of LeNet-5 (LeCun et al. 1998, section II.B) for ink 1 on background 0: over the
    digits its mean is about 0 and its variance about 1.

    Args:
        low, high: values of 0 and of 1; they must differ.

    Example:
        >>> Rescale(-1.0, 3.0)(torch.full((1, 1, 1, 1), 0.5)).item()
        1.0
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if checks.real("low", self.low) == checks.real("high", self.high):
            raise ValueError(f"low and high must differ, got {self.low} twice")

    def __call__(self, x: FloatImages, generator: torch.Generator | None = None) -> FloatImages:
        check_float_images(x)
        return self.low + x * (self.high - self.low)


@dataclass(frozen=True)
class Pad:
    """Add rows and columns of one value on all four sides.

    Args:
        padding: number of rows and columns, or (vertical, horizontal).
        fill: their value.

    Example:
        >>> Pad(2)(torch.ones(1, 1, 28, 28)).shape
        torch.Size([1, 1, 32, 32])
    """

    padding: int | tuple[int, int]
    fill: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", checks.pair("padding", self.padding, minimum=0))
        checks.real("fill", self.fill)

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> Images:
        return pad_images(check_images(x), self.padding, self.fill)


@dataclass(frozen=True)
class Resize:
    """Resize images by interpolation between pixel centres; the proportions may change.

    Args:
        size: length of both sides, or (height, width).
        antialias: average over all pixels that fall on one when shrinking, as Pillow does. Without it only the two (or
            four) nearest pixels per axis are used, and fine patterns turn into wrong coarse ones.
        interpolation: "bilinear", or "bicubic" (Keys 1981), which is sharper and overshoots at edges.

    uint8 images are rounded and clamped to 0..255; floating-point images may leave 0..1 with "bicubic".

    Example:
        >>> Resize((4, 6))(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 4, 6])
    """

    size: int | tuple[int, int]
    antialias: bool = True
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checks.pair("size", self.size))
        checks.choice("interpolation", self.interpolation, ("bilinear", "bicubic"))
        if not isinstance(self.antialias, bool):
            raise TypeError(f"antialias must be True or False, got {self.antialias!r}")

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> Images:
        height, width = checks.pair("size", self.size)
        how: Any = {"mode": self.interpolation, "align_corners": False, "antialias": self.antialias}
        if check_images(x).shape[-2:] == (height, width):
            return x
        if x.is_floating_point():
            return F.interpolate(x, (height, width), **how)
        # Rows first, clamped to 0..1 before the columns, as Pillow does.
        rows = F.interpolate(ToFloat()(x), (x.size(2), width), **how).clamp(0, 1)
        return (F.interpolate(rows, (height, width), **how).clamp(0, 1) * 255).round().to(x.dtype)


@dataclass(frozen=True)
class ResizeShortest:
    """Resize the shorter side to `size` pixels, and the longer one in proportion, rounded down.

    Args:
        size: length of the shorter side.
        antialias, interpolation: as for `Resize`.

    Example:
        >>> ResizeShortest(4)(torch.ones(1, 3, 8, 12)).shape
        torch.Size([1, 3, 4, 6])
    """

    size: int
    antialias: bool = True
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        checks.integer("size", self.size)
        Resize(1, self.antialias, self.interpolation)  # checks the other two arguments

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> Images:
        height, width = check_images(x).shape[-2:]
        short = min(height, width)
        checks.require(short > 0, f"x must hold pixels, got shape {tuple(x.shape)}")
        to = (self.size * height // short, self.size * width // short)
        return x if to == (height, width) else Resize(to, self.antialias, self.interpolation)(x)


@dataclass(frozen=True)
class CenterCrop:
    """Cut out the centre of each image.

    Args:
        size: length of both sides, or (height, width). Half of an odd margin is rounded to even, as by torchvision.

    Raises `ValueError` for an image that is smaller.

    Example:
        >>> CenterCrop(4)(torch.ones(1, 3, 8, 12)).shape
        torch.Size([1, 3, 4, 4])
    """

    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checks.pair("size", self.size))

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> Images:
        (height, width), (rows, columns) = checks.pair("size", self.size), check_images(x).shape[-2:]
        if height > rows or width > columns:
            raise ValueError(f"size must fit the image, {rows}x{columns}, got {height}x{width}; pad or resize")
        top, left = round((rows - height) / 2), round((columns - width) / 2)
        return x[..., top : top + height, left : left + width]


def pad_images(x: Tensor, padding: Any, fill: float) -> Tensor:
    if x.dtype == torch.uint8 and fill not in range(256):
        raise ValueError(f"fill must be a whole number in 0..255 for uint8 images, got {fill}")
    vertical, horizontal = padding
    return F.pad(x, (horizontal, horizontal, vertical, vertical), value=fill)


def check_images(x: Tensor) -> Tensor:
    checks.rank("x", checks.tensor("x", x), 4, layout="(N, C, H, W)")
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise TypeError(f"x must be uint8 or floating point, got {x.dtype}")
    return x


def check_float_images(x: Tensor) -> Tensor:
    if check_images(x).dtype == torch.uint8:
        raise TypeError("x must be floating point, got torch.uint8; put ToFloat() before this transform")
    return x


def _numbers(name: str, given: float | Sequence[float]) -> tuple[float, ...]:
    values = tuple(given) if isinstance(given, Sequence) else (given,)
    checks.require(len(values) > 0, f"{name} must have an entry for every channel, got none")
    return tuple(checks.real(f"{name}[{i}]", value) for i, value in enumerate(values))
