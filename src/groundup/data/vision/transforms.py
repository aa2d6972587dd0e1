"""Transforms of image batches: `transform(x, generator)` on (N, C, H, W), the whole batch at once.

    deterministic   ToFloat  Normalize  Rescale  Pad  Resize  ResizeShortest  CenterCrop    ignore the generator
    random          RandomCrop  RandomShift  RandomHorizontalFlip  RandomAffine    draw from it, for every image anew
    Compose         one after another;  `augmentation` makes some of the random ones, for photos or for writing

What a random transform does is a function of its input and of the generator's state: seeded alike, it repeats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from groundup import checks
from groundup.data.vision.per_sample import for_batches
from groundup.functional import affine_grid, grid_sample

# A leading underscore leaves a size free: what goes in and what comes out may differ in it.
Images = Shaped[Tensor, "batch channels _height _width"]
FloatImages = Float[Tensor, "batch channels _height _width"]
Transform = Callable[..., Tensor]  # (images, generator) -> images


@dataclass(frozen=True, repr=False)
class Compose:
    """The transforms in order, all drawing from the one generator: `Compose(ToFloat(), Normalize(0.5, 0.5))`."""

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
    """uint8 0..255 to 0..1 in the default float type; floating point stays as it is."""

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> FloatImages:
        _images(x)
        return x / 255 if x.dtype == torch.uint8 else x


@dataclass(frozen=True)
class Normalize:
    """y = (x - mean) / std, with a mean and a std for every channel, or one number for all."""

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
        _floating_images(x)
        mean, std = (x.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        channels = max(mean.numel(), std.numel())
        if channels not in (1, x.shape[1]):
            raise ValueError(f"x must have {channels} channels, as mean and std do, got shape {tuple(x.shape)}")
        return (x - mean) / std


@dataclass(frozen=True)
class Rescale:
    """0..1 to low..high, linearly.

    `Rescale(-0.1, 1.175)` is the input of LeNet-5 (LeCun et al. 1998, section II.B) for ink 1 on ground 0: over
    the digits its mean is about 0 and its variance about 1.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if checks.real("low", self.low) == checks.real("high", self.high):
            raise ValueError(f"low and high must differ, got {self.low} twice")

    def __call__(self, x: FloatImages, generator: torch.Generator | None = None) -> FloatImages:
        _floating_images(x)
        return self.low + x * (self.high - self.low)


@dataclass(frozen=True)
class Pad:
    """`padding` rows and columns of the value `fill` on all four sides; (vertical, horizontal) for two amounts."""

    padding: int | tuple[int, int]
    fill: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", checks.pair("padding", self.padding, minimum=0))
        checks.real("fill", self.fill)

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> Images:
        return _pad(_images(x), self.padding, self.fill)


@dataclass(frozen=True)
class Resize:
    """To `size` (both sides, or (height, width)) between pixel centres; the proportions may change.

    interpolation   "bilinear", or "bicubic" (Keys 1981), which is sharper and overshoots at edges
    antialias       shrinking averages over all the pixels that fall on one, as Pillow does; without it, only the two
                    (or four) nearest a side count. Enlarging bilinearly is the same either way.

    uint8 is rounded, and held to 0..255. Floating point is left as it comes: bicubic may leave 0..1.
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
        if _images(x).shape[-2:] == (height, width):
            return x
        if x.is_floating_point():
            return F.interpolate(x, (height, width), **how)
        # Rows first, held to 0..1 before the columns: so does Pillow, and where edges overshoot twice it shows.
        rows = F.interpolate(ToFloat()(x), (x.size(2), width), **how).clamp(0, 1)
        return (F.interpolate(rows, (height, width), **how).clamp(0, 1) * 255).round().to(x.dtype)


@dataclass(frozen=True)
class ResizeShortest:
    """The shorter side to `size` pixels, the longer in proportion, rounded down; otherwise as `Resize`."""

    size: int
    antialias: bool = True
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        checks.integer("size", self.size)
        Resize(1, self.antialias, self.interpolation)  # raises for what it does not know

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> Images:
        height, width = _images(x).shape[-2:]
        short = min(height, width)
        checks.require(short > 0, f"x must hold pixels, got shape {tuple(x.shape)}")
        to = (self.size * height // short, self.size * width // short)
        return x if to == (height, width) else Resize(to, self.antialias, self.interpolation)(x)


@dataclass(frozen=True)
class CenterCrop:
    """The middle `size` (both sides, or (height, width)) of each image. Of an odd margin, the half that is left and
    above is rounded to even, as torchvision does."""

    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checks.pair("size", self.size))

    def __call__(self, x: Images, generator: torch.Generator | None = None) -> Images:
        (height, width), (rows, columns) = checks.pair("size", self.size), _images(x).shape[-2:]
        if height > rows or width > columns:
            raise ValueError(f"size must fit the image, {rows}x{columns}, got {height}x{width}; pad or resize")
        top, left = round((rows - height) / 2), round((columns - width) / 2)
        return x[..., top : top + height, left : left + width]


@dataclass(frozen=True)
class RandomCrop:
    """A window of `size` at a random place of each image, after padding it with zeros: every place as likely."""

    size: int | tuple[int, int]
    padding: int | tuple[int, int] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checks.pair("size", self.size))
        object.__setattr__(self, "padding", checks.pair("padding", self.padding, minimum=0))

    def __call__(self, x: Images, generator: torch.Generator) -> Images:
        return _random_window(_pad(_images(x), self.padding, 0.0), self.size, generator)


@dataclass(frozen=True)
class RandomShift:
    """Each image moved by up to `pixels` along both axes, zeros moving in: a crop of its own size."""

    pixels: int | tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", checks.pair("pixels", self.pixels, minimum=0))

    def __call__(self, x: Images, generator: torch.Generator) -> Images:
        return _random_window(_pad(_images(x), self.pixels, 0.0), tuple(x.shape[-2:]), generator)


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Each image mirrored left to right with probability `p`."""

    p: float = 0.5

    def __post_init__(self) -> None:
        checks.probability("p", self.p)

    def __call__(self, x: Images, generator: torch.Generator) -> Images:
        source = _source(generator)
        flipped = torch.rand(len(_images(x)), generator=source, device=source.device) < self.p
        return torch.where(flipped.to(x.device).view(-1, 1, 1, 1), x.flip(-1), x)


@dataclass(frozen=True)
class RandomAffine:
    """Each image turned by up to `degrees` either way, made `scale` times as large, moved by up to `shift` pixels.

    scale: (least, most), the logarithm uniform between; all about the middle, bilinear, with zeros around the image.
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
        source, (height, width) = _source(generator), _floating_images(x).shape[2:]
        drawn = torch.rand(4, len(x), generator=source, device=source.device, dtype=torch.float64).to(x.device)
        angle = math.radians(self.degrees) * (2 * drawn[0] - 1)
        least, most = map(math.log, self.scale)
        size = torch.exp(least + (most - least) * drawn[1])
        # Where each pixel comes from: the inverse of turning, scaling and moving, in halves of the image's sides.
        cos, sin, aspect = angle.cos() / size, angle.sin() / size, width / height
        back = torch.stack([cos, sin / aspect, -sin * aspect, cos], 1).view(-1, 2, 2)
        moved = (2 * drawn[2:].mT - 1) * self.shift * 2 / drawn.new_tensor([width, height])  # N, 2
        theta = torch.cat([back, -back @ moved[:, :, None]], 2).to(x.dtype)
        return grid_sample(x, affine_grid(theta, (height, width), align_corners=False), align_corners=False)


def augmentation(kind: str, size: int | tuple[int, int]) -> tuple[Transform, ...]:
    """Random changes of training images of `size` pixels.

    "photo" mirrors them and moves them by up to an eighth; "writing" moves them only, as a mirrored letter is another
    letter; "none" changes nothing. Raises `ValueError` for another kind.
    """
    checks.choice("augment", kind, ("photo", "writing", "none"))
    height, width = checks.pair("size", size)
    moved = RandomCrop((height, width), padding=(max(height // 8, 1), max(width // 8, 1)))
    return {"photo": (moved, RandomHorizontalFlip()), "writing": (moved,), "none": ()}[kind]


def _random_window(x: Tensor, size: Any, generator: torch.Generator) -> Tensor:
    """A window of `size` (height, width) of each image, at a place drawn for it."""
    source = _source(generator)
    (height, width), (rows, columns) = size, x.shape[-2:]
    if height > rows or width > columns:
        raise ValueError(f"size must fit the padded image, {rows}x{columns}, got {height}x{width}; pad or resize")
    top, left = (
        torch.randint(room + 1, (len(x),), generator=source, device=source.device).to(x.device)
        for room in (rows - height, columns - width)
    )
    windows = x.unfold(2, height, 1).unfold(3, width, 1)  # every window, as a view: N, C, places, places, H, W
    return windows[torch.arange(len(x), device=x.device), :, top, left]  # -> N, C, H, W


def _pad(x: Tensor, padding: Any, fill: float) -> Tensor:
    if x.dtype == torch.uint8 and fill not in range(256):
        raise ValueError(f"fill must be a whole number in 0..255 for uint8 images, got {fill}")
    vertical, horizontal = padding
    return F.pad(x, (horizontal, horizontal, vertical, vertical), value=fill)


def _images(x: Tensor) -> Tensor:
    checks.rank("x", checks.tensor("x", x), 4, layout="(N, C, H, W)")
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise TypeError(f"x must be uint8 or floating point, got {x.dtype}")
    return x


def _floating_images(x: Tensor) -> Tensor:
    if _images(x).dtype == torch.uint8:
        raise TypeError("x must be floating point, got torch.uint8; put ToFloat() before this transform")
    return x


def _numbers(name: str, given: float | Sequence[float]) -> tuple[float, ...]:
    values = tuple(given) if isinstance(given, Sequence) else (given,)
    checks.require(len(values) > 0, f"{name} must have an entry for every channel, got none")
    return tuple(checks.real(f"{name}[{i}]", value) for i, value in enumerate(values))


def _source(generator: torch.Generator | None) -> torch.Generator:
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator for a random transform, got {generator!r}")
    return generator
