"""Pages of images, with what a model made of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from groundup.checks import integer, rank, require, tensor
from groundup.plots.style import GREY, WRONG, Picture, page


def image_grid(
    images: Tensor,
    path: str | Path | None = None,
    captions: Sequence[str] | None = None,
    marked: Sequence[bool] | None = None,
    columns: int = 12,
    title: str | None = None,
) -> Picture:
    """A page of images (N, H, W), (N, 1, H, W) or (N, 3, H, W) with a caption under each; `marked` ones outlined red.

    Integers are taken as 0..255; floats outside [0, 1], as normalised ones are, are scaled to fill it. Grey images are
    drawn as ink on paper: high is dark. Returns the figure, which is saved as `path`.
    """
    pictures = displayable(images)
    captions = captions or [""] * len(pictures)
    marked = marked or [False] * len(pictures)
    require(
        len(captions) == len(marked) == len(pictures),
        f"one caption and one mark for each of {len(pictures)} images, got {len(captions)} and {len(marked)}",
    )
    columns = max(min(integer("columns", columns), len(pictures)), 5)  # room for the title over a short row
    rows = ceil(len(pictures) / columns)
    lines = [line for caption in captions for line in caption.split("\n")]
    size = min(10.0, max(5.0, 90.0 / max(1, *map(len, lines))))  # points: so that the longest line fits under its image
    aspect = pictures.shape[1] / pictures.shape[2]
    across, down = 1.16, aspect + 0.18 + 0.2 * max(caption.count("\n") + 1 for caption in captions)
    inch, head = 0.8, 0.55 if title else 0.1
    width, height = inch * (across * columns + 0.1), inch * (down * rows + 0.05) + head
    with page(path, width, height) as figure:
        from matplotlib.patches import Rectangle

        axis = figure.add_axes((0, 0, 1, 1 - head / height))
        for number, (picture, caption, wrong) in enumerate(zip(pictures, captions, marked)):
            x, y = across * (number % columns), down * (number // columns)
            cmap = "gray_r" if picture.ndim == 2 else None
            axis.imshow(picture, cmap=cmap, vmin=0, vmax=1, extent=(x, x + 1, y + aspect, y), interpolation="nearest")
            edge, line = (WRONG, 2.4) if wrong else ("#DDDDDD", 0.8)
            axis.add_patch(Rectangle((x, y), 1, aspect, fill=False, edgecolor=edge, linewidth=line))
            ink, weight = (WRONG, "bold") if wrong else (GREY, "normal")
            where = (x + 0.5, y + aspect + 0.07)
            axis.text(*where, caption, ha="center", va="top", fontsize=size, color=ink, fontweight=weight)
        axis.set(xlim=(-0.13, across * columns - 0.03), ylim=(down * rows, -0.05))
        axis.axis("off")
        if title:
            left = 0.13 * inch / width
            figure.text(left, 1 - 0.45 * head / height, title, va="center", fontsize=13, fontweight="bold")
    return figure


def displayable(images: Tensor) -> np.ndarray:
    """(N, H, W) or (N, H, W, 3) in [0, 1]."""
    rank("images", tensor("images", images), 3, 4, layout="(N, H, W), (N, 1, H, W) or (N, 3, H, W)")
    require(len(images) > 0, "images is empty: there is nothing to draw")
    pictures = images.detach().cpu()
    pictures = pictures.float() if pictures.is_floating_point() else pictures.float() / 255
    low, high = pictures.min(), pictures.max()
    if low < 0 or high > 1:
        pictures = (pictures - low) / (high - low).clamp(min=1e-12)
    if pictures.dim() == 4:
        require(pictures.size(1) in (1, 3), f"images must have 1 or 3 channels, got {pictures.size(1)}")
        pictures = pictures.squeeze(1) if pictures.size(1) == 1 else pictures.permute(0, 2, 3, 1)
    return pictures.numpy()


def _evenly(indices: Tensor, count: int) -> Tensor:
    """So many of them, or all there are, in order."""
    return indices[torch.linspace(0, len(indices) - 1, min(count, len(indices))).round().long()]


def digit_page(
    images: Tensor,
    labels: Tensor,
    predictions: Tensor,
    path: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    columns: int = 12,
    rows: int = 8,
    title: str | None = None,
) -> Picture:
    """Images with what was predicted: mistakes first, outlined in red, as "true → predicted"; the accuracy on top.

    labels         class indices (N)
    predictions    class indices (N), or scores (N, classes), whose largest is the prediction. With scores each caption
                   has the probability of the prediction (their softmax), and after the mistakes come the images that
                   the model was least certain of

    Of more than `columns * rows` images some are drawn: with class indices, mistakes and others evenly from all of
    theirs, for the images may lie class after class. Returns the figure, which is saved as `path`.
    """
    certain: Tensor | None = None
    if predictions.is_floating_point() and predictions.dim() == 2:
        certain, predictions = predictions.detach().float().softmax(1).cpu().max(1)
    require(
        labels.shape == predictions.shape == images.shape[:1],
        f"labels and predictions must be one index for each of {len(images)} images, got shapes "
        f"{tuple(labels.shape)} and {tuple(predictions.shape)}",
    )
    labels, predictions = labels.cpu(), predictions.cpu()
    wrong = labels != predictions
    mistakes, right = wrong.nonzero()[:, 0], (~wrong).nonzero()[:, 0]
    order = _evenly(mistakes, columns * rows)
    left = columns * rows - len(order)
    right = _evenly(right, left) if certain is None else right[certain[right].argsort(stable=True)][:left]
    order = torch.cat([order, right])

    arrow = " → " if class_names is None or max(map(len, class_names)) < 3 else "\n→ "

    def name(index: Tensor) -> str:
        return str(int(index)) if class_names is None else class_names[int(index)]

    def caption(i: Tensor) -> str:
        text = f"{name(labels[i])}{arrow}{name(predictions[i])}" if wrong[i] else name(labels[i])
        if certain is None:
            return text
        return f"{text}\n{100 * certain[i]:.0f} %" if certain[i] < 0.995 else f"{text}\n> 99 %"

    what = [f"{len(images):,} images", f"{100 * (1 - len(mistakes) / max(len(images), 1)):.2f} % right"]
    what.append(f"{len(mistakes):,} mistake{'' if len(mistakes) == 1 else 's'}")
    if len(mistakes):
        what[-1] += " (true → predicted)"
    if certain is not None and len(right):
        what.append(f"{'then ' if len(mistakes) else ''}the least certain, with their probability")
    return image_grid(
        images[order.to(images.device)],
        path,
        [caption(i) for i in order],
        [bool(wrong[i]) for i in order],
        columns,
        title or " · ".join(what),
    )
