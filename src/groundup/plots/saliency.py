"""Images beside what made a classifier decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from groundup.checks import rank, require, tensor
from groundup.plots.images import displayable
from groundup.plots.style import GREY, Picture, page

COLUMNS = ("image", "gradient", "guided backpropagation", "Grad-CAM")


def saliency_page(
    images: Tensor,
    gradients: Tensor,
    guided: Tensor,
    cams: Tensor,
    path: str | Path | None = None,
    captions: Sequence[str] | None = None,
    title: str | None = None,
) -> Picture:
    """A row for each image (N, C, H, W): itself, max |w| of its gradient, its guided gradient, its Grad-CAM over it.

    gradients, guided   (N, C, H, W); dark ink is a large gradient, of the guided one grey is nothing
    cams                (N, P, Q), stretched over the image: the hotter, the more it speaks for the class
    captions            one a row, on its left

    Each map is scaled by itself, to its 99.5th percentile, and holds no unit. Grey images are drawn as ink on paper.
    """
    for name, maps in (("gradients", gradients), ("guided", guided)):
        require(
            maps.shape == images.shape,
            f"{name} must be as large as images, {tuple(images.shape)}, got {tuple(maps.shape)}",
        )
    rank("cams", tensor("cams", cams), 3, layout="(N, P, Q)")
    captions = captions or [""] * len(images)
    require(
        len(cams) == len(captions) == len(images),
        f"one map and one caption for each of {len(images)} images, got {len(cams)} and {len(captions)}",
    )
    pictures = displayable(images)
    aspect = images.size(2) / images.size(3)
    wide, left, head, gap = 2.6, 1.5 if any(captions) else 0.1, 0.75 if title else 0.4, 0.12
    high = wide * aspect
    width, height = left + 4 * (wide + gap), head + len(images) * (high + gap)
    with page(path, width, height) as figure:
        for i, picture in enumerate(pictures):
            panels = (picture, _ink(gradients[i]), _relief(guided[i]), _heat(picture, cams[i]))
            bottom = height - head - (i + 1) * (high + gap) + gap
            for j, panel in enumerate(panels):
                box = (left + j * (wide + gap), bottom, wide, high)
                axis = figure.add_axes(tuple(v / s for v, s in zip(box, (width, height, width, height))))
                axis.imshow(panel, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.grid(False)
                for spine in axis.spines.values():
                    spine.set(visible=True, color="#DDDDDD")
                if i == 0:
                    axis.set_title(COLUMNS[j], fontsize=11, color=GREY)
            figure.text((left - 0.12) / width, (bottom + high / 2) / height, captions[i], ha="right", va="center")
        if title:
            figure.text(0.12 / width, 1 - 0.22 / height, title, fontsize=13, fontweight="bold", va="center")
    return figure


def _ink(w: Tensor) -> np.ndarray:
    """(H, W) in [0, 1]: the largest channel's size."""
    return _scaled(w.detach().abs().amax(0))


def _relief(w: Tensor) -> np.ndarray:
    """(H, W, C) in [0, 1]: nothing is mid-grey, what speaks for the class is light, and against it dark."""
    w = w.detach()
    signed = 0.5 + 0.5 * torch.as_tensor(_scaled(w.abs())) * w.cpu().sign()
    return np.repeat(signed.numpy(), 3, 0).transpose(1, 2, 0) if len(w) == 1 else signed.permute(1, 2, 0).numpy()


def _heat(picture: np.ndarray, cam: Tensor) -> Any:
    """(H, W, 3): the image in grey, and the map over it as warm as it is large."""
    from matplotlib import colormaps

    grey = picture.mean(-1) if picture.ndim == 3 else 1 - picture
    size = grey.shape
    heat = F.interpolate(cam.detach().float()[None, None].cpu(), size, mode="bilinear", align_corners=False)
    level = _scaled(heat[0, 0])[..., None]
    ground = np.repeat(0.35 + 0.65 * grey[..., None], 3, -1)
    return (1 - 0.75 * level) * ground + 0.75 * level * colormaps["inferno"](0.25 + 0.7 * level[..., 0])[..., :3]


def _scaled(values: Tensor) -> np.ndarray:
    """In [0, 1]; a few outliers do not press all else to nothing."""
    array = values.float().cpu().numpy()
    top = np.quantile(array, 0.995) or array.max()
    return np.clip(array / max(top, 1e-12), 0, 1)
