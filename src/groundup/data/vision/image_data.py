"""Images with labels in memory: every image data set here returns them, and a `Loader` reads them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks


@dataclass(frozen=True, eq=False, repr=False)
class ImageData(Dataset[tuple[Tensor, Tensor]]):
    """N images of one size, each with a class: a map-style dataset of (image, label).

    Args:
        images: (N, C, H, W) uint8 0..255, or floating point.
        labels: (N,) int64, indices into class_names.
        class_names: one name per class; a class may have no image.
        name: name of the data set.
        note: what was left out or substituted, if anything.

    Raises `ValueError` and `TypeError` if these do not fit together, and for an empty dataset.

    Example:
        >>> data = ImageData(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 0]), ("cat", "dog"), "pets")
        >>> data
        ImageData(pets: 3 images 1x8x8 float32, 2 classes)
        >>> data.subset([1]).labels
        tensor([1])
    """

    images: Shaped[Tensor, "count channels height width"]
    labels: Int64[Tensor, " count"]
    class_names: tuple[str, ...]
    name: str
    note: str = ""

    def __post_init__(self) -> None:
        checks.rank("images", checks.tensor("images", self.images), 4, layout="(N, C, H, W)")
        checks.rank("labels", checks.tensor("labels", self.labels), 1, layout="(N,)")
        if self.images.dtype != torch.uint8 and not self.images.is_floating_point():
            raise TypeError(f"images must be uint8 or floating point, got {self.images.dtype}")
        if self.labels.dtype != torch.int64:
            raise TypeError(f"labels must be int64, got {self.labels.dtype}; convert with labels.long()")
        checks.size("labels", self.labels, 0, len(self.images), "entries, one for each image")
        if self.images.numel() == 0:
            raise ValueError(
                f"{self.name} is empty: images have shape {tuple(self.images.shape)}; give at least one image"
            )
        if isinstance(self.class_names, str) or not all(isinstance(name, str) for name in self.class_names):
            raise TypeError(f"class_names must be a tuple of str, got {self.class_names!r}")
        object.__setattr__(self, "class_names", tuple(self.class_names))
        low, high, classes = int(self.labels.min()), int(self.labels.max()), len(self.class_names)
        if low < 0 or high >= classes:
            raise ValueError(
                f"labels must be in 0..{classes - 1}, an index into the {classes} class_names; "
                f"got {low if low < 0 else high}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Shaped[Tensor, "channels height width"], Int64[Tensor, ""]]:
        return self.images[index], self.labels[index]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Return several samples by one indexing operation, for `torch.utils.data.DataLoader`, which stacks them."""
        images, labels = self.batch(torch.as_tensor(indices))
        return list(zip(images.unbind(), labels.unbind()))

    def batch(
        self, indices: Int64[Tensor, " batch"]
    ) -> tuple[Shaped[Tensor, "batch channels height width"], Int64[Tensor, " batch"]]:
        """Return the images and labels at `indices`, as two tensors."""
        return self.images[indices], self.labels[indices]

    def subset(self, indices: Sequence[int] | Int64[Tensor, " chosen"]) -> ImageData:
        """Return the images at `indices`, in that order, with the same classes.

        Raises `ValueError` for no index and for one out of range, `TypeError` for a mask.
        """
        chosen = torch.as_tensor(indices)
        checks.rank("indices", chosen, 1, layout="(chosen,)")
        if len(chosen) == 0:
            raise ValueError("indices must name at least one image, got none")
        if chosen.dtype != torch.int64:
            raise TypeError(f"indices must be integers, got {chosen.dtype}; from a mask, take mask.nonzero()[:, 0]")
        if not 0 <= int(chosen.min()) <= int(chosen.max()) < len(self):
            raise ValueError(f"indices must be in 0..{len(self) - 1}, got {int(chosen.min())}..{int(chosen.max())}")
        images, labels = self.batch(chosen)
        return replace(self, images=images, labels=labels)

    def split(self, fraction: float, seed: int = 0) -> tuple[ImageData, ImageData]:
        """Split the images at random into (rest, part), with every class in proportion in both.

        Args:
            fraction: share of the second part, which has round(fraction · N) images: of each class the number below
                or above its share, and at least one in either part.
            seed: determines the split.

        Both parts keep the order of the original. Without the proportion, a rare class may be missing from one part.
        Raises `ValueError` for a class with a single image, which cannot be in both parts.
        """
        part = sample_by_class(self.labels, self.class_names, fraction, seed, self.name)
        return self.subset((~part).nonzero()[:, 0]), self.subset(part.nonzero()[:, 0])

    def __repr__(self) -> str:
        count, channels, height, width = self.images.shape
        kind = str(self.images.dtype).removeprefix("torch.")
        note = f"; {self.note}" if self.note else ""
        return (
            f"ImageData({self.name}: {count:,} images {channels}x{height}x{width} {kind}, "
            f"{len(self.class_names)} classes{note})"
        )

    def _repr_html_(self) -> str:
        """Return the text for a notebook, and a few images of every class if matplotlib is installed."""
        from groundup.plots import image_grid  # not at the top: only a notebook draws

        text = f"<pre>{escape(repr(self))}</pre>"
        by_class = self.labels.argsort(stable=True)
        chosen = by_class[torch.linspace(0, len(self) - 1, min(24, len(self))).round().long()]
        try:
            figure = image_grid(self.images[chosen], captions=[self.class_names[i] for i in self.labels[chosen]])
        except (ImportError, ValueError):  # without matplotlib, or with channels that are no colours
            return text
        return f'{text}<img src="data:image/png;base64,{b64encode(figure._repr_png_()).decode()}">'


def sample_by_class(
    labels: Int64[Tensor, " count"], class_names: Sequence[str], fraction: float, seed: int, name: str
) -> Bool[Tensor, " count"]:
    """Return the mask of a random `fraction` of the samples, with every class in proportion; see `ImageData.split`."""
    fraction = checks.real("fraction", fraction)
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be strictly between 0 and 1, got {fraction}")
    checks.integer("seed", seed, minimum=0)
    counts = labels.bincount(minlength=len(class_names))
    if (counts == 1).any():
        single = class_names[int((counts == 1).nonzero()[0])]
        raise ValueError(f"class {single!r} of {name} has one sample; a split into two needs two of each")
    generator = torch.Generator().manual_seed(seed)
    part = torch.zeros_like(labels, dtype=torch.bool)
    for label, take in enumerate(_divide_by_class(counts, fraction)):
        members = (labels == label).nonzero()[:, 0]
        part[members[torch.randperm(len(members), generator=generator)[:take]]] = True
    return part


def _divide_by_class(counts: Int64[Tensor, " classes"], fraction: float) -> list[int]:
    """Return the number to take of each class by largest remainder; they add up to round(fraction · all)."""
    exact = counts.double() * fraction
    shares = exact.floor().long().clamp(min=1).minimum((counts - 1).clamp(min=0))  # an empty class gives none
    missing = round(fraction * int(counts.sum())) - int(shares.sum())
    for label in (exact - shares).argsort(descending=True, stable=True).tolist():
        if missing > 0 and shares[label] < counts[label] - 1:
            shares[label] += 1
            missing -= 1
    return shares.tolist()
