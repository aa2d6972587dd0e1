"""Images: pages with predictions, weights as images, tables with holes, and what made a classifier decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from groundup.checks import integer, rank, require, tensor
from groundup.plots import style
from groundup.plots.style import File, Picture

HOLE = "#F2C9B5"  # no shade of grey, so that it is not taken for ink
SALIENCY_COLUMNS = ("image", "gradient", "guided backpropagation", "Grad-CAM")


def image_grid(
    images: Tensor,
    path: File = None,
    captions: Sequence[str] = (),
    marked: Sequence[bool] = (),
    columns: int = 12,
    title: str = "",
) -> Picture:
    """Draw a page of images with a caption under each.

    Args:
        images: (N, H, W), (N, 1, H, W) or (N, 3, H, W). Integers are taken as 0 to 255; floats outside [0, 1], such as
            normalised images, are scaled to fill it. Grey images are drawn as ink on paper: large values are dark.
        path: the file to save the picture to.
        captions: one per image, of one or more lines.
        marked: True for the images to outline in red.
        columns: images per row.
        title: the text above the picture.

    Example:
        >>> image_grid(torch.rand(3, 8, 8), captions=["a", "b", "c"]).axes[0].texts[1].get_text()
        'b'
    """
    pictures = as_displayable(images)
    captions = captions or [""] * len(pictures)
    marked = marked or [False] * len(pictures)
    require(
        len(captions) == len(marked) == len(pictures),
        f"one caption and one mark for each of {len(pictures)} images, got {len(captions)} and {len(marked)}",
    )
    columns = max(min(integer("columns", columns), len(pictures)), 5)  # room for the title over a short row
    rows = ceil(len(pictures) / columns)
    longest = max(len(line) for caption in captions for line in caption.split("\n"))
    points = min(10.0, max(5.0, 90.0 / max(1, longest)))  # the longest line fits under its image
    aspect = pictures.shape[1] / pictures.shape[2]
    across, down = 1.16, aspect + 0.18 + 0.2 * max(caption.count("\n") + 1 for caption in captions)
    inch, head = 0.8, 0.55 if title else 0.1
    width, height = inch * (across * columns + 0.1), inch * (down * rows + 0.05) + head
    with style.page(path, width, height, None) as figure:
        from matplotlib.patches import Rectangle

        axis = figure.add_axes((0, 0, 1, 1 - head / height))
        for number, (picture, caption, is_marked) in enumerate(zip(pictures, captions, marked)):
            x, y = across * (number % columns), down * (number // columns)
            style.show_image(axis, picture, extent=(x, x + 1, y + aspect, y))
            edge, line = (style.WRONG, 2.4) if is_marked else (style.FRAME, 0.8)
            axis.add_patch(Rectangle((x, y), 1, aspect, fill=False, edgecolor=edge, linewidth=line))
            ink, weight = (style.WRONG, "bold") if is_marked else (style.GREY, "normal")
            where = (x + 0.5, y + aspect + 0.07)
            axis.text(*where, caption, ha="center", va="top", fontsize=points, color=ink, fontweight=weight)
        axis.set(xlim=(-0.13, across * columns - 0.03), ylim=(down * rows, -0.05))
        axis.axis("off")
        style.place_title(figure, title, 0.13 * inch, 0.45 * head)
    return figure


def digit_page(
    images: Tensor,
    labels: Tensor,
    predictions: Tensor,
    path: File = None,
    class_names: Sequence[str] | None = None,
    columns: int = 12,
    rows: int = 8,
    title: str = "",
) -> Picture:
    """Draw images with their predictions: mistakes first, outlined in red, as "true → predicted".

    Of more than `columns * rows` images some are drawn. With class indices they are taken evenly from all mistakes and
    from all others, because the images may be sorted by class.

    Args:
        images: as for `image_grid`.
        labels: class indices (N).
        predictions: class indices (N), or scores (N, classes), whose largest is the prediction. With scores each
            caption holds the probability of the prediction (their softmax), and the images of which the model was
            least certain follow the mistakes.
        path: the file to save the picture to.
        class_names: the names of the classes; by default their indices are drawn.
        columns: images per row.
        rows: the largest number of rows.
        title: by default the accuracy and the number of mistakes.
    """
    certainty: Tensor | None = None
    if predictions.is_floating_point() and predictions.dim() == 2:
        certainty, predictions = predictions.detach().float().softmax(1).cpu().max(1)
    require(
        labels.shape == predictions.shape == images.shape[:1],
        f"labels and predictions must be one index for each of {len(images)} images, got shapes "
        f"{tuple(labels.shape)} and {tuple(predictions.shape)}",
    )
    labels, predictions = labels.cpu(), predictions.cpu()
    is_wrong = labels != predictions
    mistakes, right = is_wrong.nonzero()[:, 0], (~is_wrong).nonzero()[:, 0]
    order = _take_evenly(mistakes, columns * rows)
    room = columns * rows - len(order)
    right = _take_evenly(right, room) if certainty is None else right[certainty[right].argsort(stable=True)][:room]
    order = torch.cat([order, right])

    arrow = " → " if class_names is None or max(map(len, class_names)) < 3 else "\n→ "

    def name_class(index: Tensor) -> str:
        return str(int(index)) if class_names is None else class_names[int(index)]

    def caption(i: Tensor) -> str:
        text = name_class(labels[i]) + (f"{arrow}{name_class(predictions[i])}" if is_wrong[i] else "")
        if certainty is None:
            return text
        return f"{text}\n{100 * certainty[i]:.0f} %" if certainty[i] < 0.995 else f"{text}\n> 99 %"

    summary = [f"{len(images):,} images", f"{100 * (1 - len(mistakes) / max(len(images), 1)):.2f} % right"]
    summary.append(f"{len(mistakes):,} mistake{'' if len(mistakes) == 1 else 's'}")
    if len(mistakes):
        summary[-1] += " (true → predicted)"
    if certainty is not None and len(right):
        summary.append(f"{'then ' if len(mistakes) else ''}the least certain, with their probability")
    return image_grid(
        images[order.to(images.device)],
        path,
        [caption(i) for i in order],
        [bool(is_wrong[i]) for i in order],
        columns,
        title or " · ".join(summary),
    )


def weight_images(
    rows: Mapping[str, Tensor], class_names: Sequence[str], path: File = None, title: str = ""
) -> Picture:
    """Draw the weights of linear classifiers as images: blue speaks for the class, red against it.

    Args:
        rows: name → weights (C, H, W), one image per class. Each row has a colour scale of its own, symmetric around 0.
        class_names: the C names above the columns.
        path: the file to save the picture to.
        title: the text above the picture.
    """
    require(len(rows) > 0, "rows is empty: there is nothing to draw")
    for name, weights in rows.items():
        rank(name, weights, 3, layout="(C, H, W)")
        require(len(weights) == len(class_names), f"{name} must have {len(class_names)} images, got {len(weights)}")
    width, head = 1.0 * len(class_names) + 1.9, 0.75 if title else 0.3
    height = 1.0 * len(rows) + head
    with style.page(path, width, height, None) as figure:
        for r, (name, weights) in enumerate(rows.items()):
            bottom = height - head - 1.0 * (r + 1) + 0.06
            figure.text(1.72 / width, (bottom + 0.45) / height, name, ha="right", va="center")
            limit = float(weights.abs().max()) or 1.0
            for c, label in enumerate(class_names):
                axis = style.place_axes(figure, 1.84 + c, bottom, 0.92, 0.92)
                style.show_image(axis, weights[c].detach().cpu().numpy(), "RdBu", -limit, limit)
                if r == 0:
                    axis.set_title(label, fontsize=11, pad=4)
        style.place_title(figure, title)
    return figure


def completion_page(original: Tensor, known: Tensor, completed: Tensor, path: File = None, title: str = "") -> Picture:
    """Draw three rows of images: the originals, what a model was given of them, and how it completed them.

    Args:
        original: (N, H, W). Shades run from paper to ink over its range.
        known: (N, H, W), boolean: True where the pixel was given; the others are coloured.
        completed: (N, H, W).
        path: the file to save the picture to.
        title: the text above the picture.
    """
    for name, value in (("original", original), ("known", known), ("completed", completed)):
        rank(name, tensor(name, value), 3, layout="(N, H, W)")
        require(
            value.shape == original.shape,
            f"{name} must have original's shape {tuple(original.shape)}, got {tuple(value.shape)}",
        )
    if known.dtype != torch.bool:
        raise TypeError(f"known must be boolean (True = given), got {known.dtype}")
    require(len(original) > 0, "original is empty: there is nothing to draw")
    whole, mask, full = (images.detach().cpu().numpy() for images in (original, known, completed))
    low, high, count = float(whole.min()), float(whole.max()), len(whole)
    width = 1.2 + 0.95 * count
    with style.page(path, width, 3.7, None) as figure:
        from matplotlib import colormaps

        shades = colormaps["gray_r"].with_extremes(bad=HOLE)
        rows = (("original", whole), ("given", np.where(mask, whole, np.nan)), ("completed", full))
        place = {"left": 1.1 / width, "right": 0.99, "top": 0.86, "bottom": 0.02, "wspace": 0.1, "hspace": 0.1}
        axes = figure.subplots(3, count, squeeze=False, gridspec_kw=place)
        for (name, images), row in zip(rows, axes):
            row[0].set_ylabel(name, rotation=0, ha="right", va="center", color=style.INK)
            for image, axis in zip(images, row):
                style.show_image(axis, image, shades, low, high)
        figure.text(0.12 / width, 0.93, title, fontsize=13, fontweight="bold", va="center")
    return figure


def saliency_page(
    images: Tensor,
    gradients: Tensor,
    guided: Tensor,
    cams: Tensor,
    path: File = None,
    captions: Sequence[str] = (),
    title: str = "",
) -> Picture:
    """Draw a row per image: the image, its gradient, its guided gradient, and its Grad-CAM over the image.

    Each map is scaled to its own 99.5th percentile and has no unit. Grey images are drawn as ink on paper.

    Args:
        images: (N, C, H, W).
        gradients: (N, C, H, W); drawn is the largest absolute value over the channels, dark for a large one.
        guided: (N, C, H, W); grey is zero.
        cams: (N, P, Q), stretched over the image: the hotter a place, the more it speaks for the class.
        path: the file to save the picture to.
        captions: one per row, on its left.
        title: the text above the picture.
    """
    for name, maps in (("gradients", gradients), ("guided", guided)):
        require(
            maps.shape == images.shape,
            f"{name} must be as large as images, {tuple(images.shape)}, got {tuple(maps.shape)}",
        )
    rank("cams", tensor("cams", cams), 3, layout="(N, P, Q)")
    require(len(cams) == len(images), f"cams must be one map for each of {len(images)} images, got {len(cams)}")
    captions = style.fill_captions(captions, len(images))
    across, left, head, gap = 2.6, 1.5 if any(captions) else 0.1, 0.75 if title else 0.4, 0.12
    down = across * (images.size(2) / images.size(3))
    width, height = left + 4 * (across + gap), head + len(images) * (down + gap)
    with style.page(path, width, height, None) as figure:
        for i, picture in enumerate(as_displayable(images)):
            ink = _scale(gradients[i].detach().abs().amax(0))
            panels = (picture, ink, _as_relief(guided[i].detach()), _overlay(picture, cams[i]))
            bottom = height - head - (i + 1) * (down + gap) + gap
            for j, panel in enumerate(panels):
                axis = style.place_axes(figure, left + j * (across + gap), bottom, across, down)
                style.show_image(axis, panel)
                if i == 0:
                    axis.set_title(SALIENCY_COLUMNS[j], fontsize=11, color=style.GREY)
            figure.text((left - 0.12) / width, (bottom + down / 2) / height, captions[i], ha="right", va="center")
        style.place_title(figure, title, top=0.22)
    return figure


def as_displayable(images: Tensor) -> np.ndarray:
    """Return the images as an array (N, H, W) or (N, H, W, 3) of numbers in [0, 1]."""
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


def to_grey(picture: np.ndarray) -> np.ndarray:
    """Return a picture of `as_displayable` as shades (H, W) in which 0 is black."""
    return picture.mean(-1) if picture.ndim == 3 else 1 - picture


def _take_evenly(indices: Tensor, count: int) -> Tensor:
    """Return `count` of the indices, or all of them if there are fewer, evenly spaced and in order."""
    return indices[torch.linspace(0, len(indices) - 1, min(count, len(indices))).round().long()]


def _as_relief(gradient: Tensor) -> np.ndarray:
    """Return (H, W, 3) in [0, 1]: mid-grey is zero, light speaks for the class, dark against it."""
    signed = 0.5 + 0.5 * torch.as_tensor(_scale(gradient.abs())) * gradient.cpu().sign()
    return signed.expand(3, -1, -1).permute(1, 2, 0).numpy()


def _overlay(picture: np.ndarray, cam: Tensor) -> Any:
    """Return (H, W, 3): the image in grey under the colours of the map."""
    from matplotlib import colormaps

    grey = to_grey(picture)
    heat = F.interpolate(cam.detach().float()[None, None].cpu(), grey.shape, mode="bilinear", align_corners=False)
    level = _scale(heat[0, 0])[..., None]
    ground = 0.35 + 0.65 * grey[..., None]
    return (1 - 0.75 * level) * ground + 0.75 * level * colormaps["inferno"](0.25 + 0.7 * level[..., 0])[..., :3]


def _scale(values: Tensor) -> np.ndarray:
    """Return the values scaled to [0, 1] by their 99.5th percentile, so that outliers do not darken the rest."""
    array = values.float().cpu().numpy()
    top = np.quantile(array, 0.995) or array.max()
    return np.clip(array / max(top, 1e-12), 0, 1)
