"""Attention: alignments of translations, maps of heads, glimpses, transformed images, and shifted windows."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from groundup.checks import rank, require, size
from groundup.plots import style
from groundup.plots.images import as_displayable, to_grey
from groundup.plots.style import File, Picture


def alignments(
    panels: Sequence[tuple[Sequence[str], Sequence[str], Tensor]], path: File = None, title: str = ""
) -> Picture:
    """Draw the source words that each word of a translation attended to, as figure 3 of Bahdanau et al. 2015.

    Args:
        panels: (source words, target words, weights (target, source)), drawn side by side; dark is a large weight.
        path: the file to save the picture to.
        title: the text above the picture.
    """
    require(len(panels) > 0, "panels is empty: there is nothing to draw")
    for source, target, weights in panels:
        rank("weights", weights, 2, layout="(target, source)")
        require(
            tuple(weights.shape) == (len(target), len(source)),
            f"weights must be (target, source) = ({len(target)}, {len(source)}), got {tuple(weights.shape)}",
        )
    cell, margin, gap, head = 0.3, 1.35, 0.45, 1.25 + (0.35 if title else 0.0)  # inches
    width = sum(margin + cell * len(source) + gap for source, _, _ in panels)
    height = head + cell * max(len(target) for _, target, _ in panels) + 0.2
    with style.page(path, width, height, None) as figure:
        left = 0.0
        for source, target, weights in panels:
            across, down = cell * len(source), cell * len(target)
            axis = style.place_axes(figure, left + margin, height - head - down, across, down)
            style.show_image(axis, weights.detach().cpu().numpy(), "Blues", aspect="auto")
            axis.grid(False)
            axis.set_xticks(range(len(source)), source, rotation=55, ha="left", rotation_mode="anchor", fontsize=9)
            axis.set_yticks(range(len(target)), target, fontsize=9)
            axis.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
            left += margin + across + gap
        style.place_title(figure, title, top=0.2)
    return figure


def attention_page(
    layers: Sequence[Tensor],
    path: File = None,
    labels: Sequence[str] = (),
    title: str = "",
    marked: Sequence[tuple[int, int]] = (),
) -> Picture:
    """Draw the attention of every head of every layer: query i downwards, key j to the right.

    Each map is scaled to its largest weight. The first key is left out of that, because heads that have found nothing
    attend to it.

    Args:
        layers: weights (H, T, S) of each layer.
        path: the file to save the picture to.
        labels: one per token.
        title: the text above the picture; it is wrapped to four lines.
        marked: (layer, head) of maps to frame.
    """
    require(len(layers) > 0, "layers is empty: there is nothing to draw")
    for i, weights in enumerate(layers):
        rank(f"layers[{i}]", weights, 3, layout="(H, T, S)")
        require(not labels or len(labels) == weights.size(2), f"labels must be {weights.size(2)}, got {len(labels)}")
    heads, keys = max(len(weights) for weights in layers), layers[0].size(2)
    side = min(3.0, max(1.1, 0.11 * keys)) if labels else 1.3
    left, gap = 0.85 if labels else 0.6, 0.16
    width = left + heads * (side + gap) + 0.1
    lines = textwrap.wrap(title, int(10.5 * width), max_lines=4, placeholder=" …")
    head = 0.4 + (0.2 + 0.17 * len(lines) if lines else 0.0)
    height = head + len(layers) * (side + gap) + 0.1
    with style.page(path, width, height, None) as figure:
        for i, weights in enumerate(layers):
            for h, map in enumerate(weights.detach().float().cpu().numpy()):
                bottom = height - head - (i + 1) * (side + gap) + gap
                axis = style.place_axes(figure, left + h * (side + gap), bottom, side, side)
                style.show_image(axis, map, "Blues", 0, float(np.max(map[:, 1:], initial=0.0)) or 1.0, aspect="auto")
                edge, line = (style.ORANGE, 2.0) if (i, h) in marked else (style.FRAME, 0.8)
                axis.spines[:].set(edgecolor=edge, linewidth=line)
                if i == 0:
                    axis.set_title(f"head {h}", fontsize=9, color=style.GREY, pad=3)
                if h == 0:
                    axis.set_ylabel(f"layer {i}", fontsize=9, color=style.GREY)
                if h == 0 and labels:
                    axis.set_yticks(range(len(labels)), [_make_visible(label) for label in labels], fontsize=6)
                    axis.tick_params(length=0)
                    axis.grid(False)
        figure.text(0.12 / width, 1 - 0.14 / height, "\n".join(lines), va="top", fontsize=10, fontweight="bold")
    return figure


def attention_overlays(
    images: Tensor, maps: Mapping[str, Tensor], path: File = None, captions: Sequence[str] = (), title: str = ""
) -> Picture:
    """Draw a row per image: the image, then under each name its map over the image, one cell per patch.

    Each map is scaled by itself: dark is its smallest weight, light its largest.

    Args:
        images: (N, C, H, W).
        maps: name → weights (N, h, w).
        path: the file to save the picture to.
        captions: one per row, on its left.
        title: the text above the picture.
    """
    pictures, captions = as_displayable(images), style.fill_captions(captions, len(images))
    for name, weights in maps.items():
        size(name, rank(name, weights, 3, layout="(N, h, w)"), 0, len(images), "maps, one per image")
    columns = len(maps) + 1
    with style.page(path, 1.35 * columns + 0.4, 1.35 * len(pictures) + 0.8, title=title) as figure:
        axes = figure.subplots(len(pictures), columns, squeeze=False)
        for i, (row, picture) in enumerate(zip(axes, pictures)):
            style.show_image(row[0], picture)
            row[0].set_ylabel(captions[i], rotation=0, ha="right", va="center", color=style.GREY)
            for axis, weights in zip(row[1:], maps.values()):
                axis.imshow(_overlay(to_grey(picture), weights[i].detach().float().cpu().numpy()))
                axis.set(xticks=[], yticks=[])
        for axis, name in zip(axes[0, 1:], maps):
            axis.set_title(name, fontsize=9, color=style.GREY)
    return figure


def glimpse_page(
    images: Tensor,
    places: Tensor,
    sizes: Sequence[float],
    path: File = None,
    captions: Sequence[str] = (),
    marked: Sequence[bool] = (),
    columns: int = 6,
    title: str = "",
) -> Picture:
    """Draw images with the path of the glimpses over them, and squares around the last glimpse.

    Args:
        images: (N, 1, H, W).
        places: the glimpses (N, T, 2), as (x, y) in [-1, 1], ±1 being the edges of the image.
        sizes: the sides of the squares, in pixels.
        path: the file to save the picture to.
        captions: one per image.
        marked: True for the captions to draw in red.
        columns: images per row.
        title: the text above the picture.
    """
    size("places", rank("places", places, 3, layout="(N, T, 2)"), 0, len(images), "paths, one per image")
    captions, marked = style.fill_captions(captions, len(images)), marked or [False] * len(images)
    pictures = as_displayable(images)
    high, wide = pictures.shape[1:3]
    rows = -(-len(pictures) // columns)
    with style.page(path, 1.75 * columns + 0.1, 2.0 * rows + 0.5, title=title) as figure:
        from matplotlib.patches import Rectangle

        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        for axis in axes[len(pictures) :]:
            axis.axis("off")
        for axis, picture, walk, caption, is_marked in zip(axes, pictures, places.detach().cpu(), captions, marked):
            style.show_image(axis, picture)
            x, y = ((walk[:, 0] + 1) * wide - 1) / 2, ((walk[:, 1] + 1) * high - 1) / 2
            for side in sizes:
                corner = (x[-1] - side / 2, y[-1] - side / 2)
                axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=style.ORANGE, linewidth=1.2))
            axis.plot(x, y, "-", color=style.BLUE, linewidth=1.4)
            axis.plot(x[0], y[0], "o", color=style.BLUE, markersize=4, markerfacecolor="white")
            axis.plot(x[1:], y[1:], "o", color=style.BLUE, markersize=3)
            axis.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5))
            axis.set_xlabel(caption, fontsize=9, color=style.WRONG if is_marked else style.GREY)
    return figure


def transform_page(
    images: Tensor, grids: Tensor, transformed: Tensor, path: File = None, captions: Sequence[str] = (), title: str = ""
) -> Picture:
    """Draw images with the outline of the grid at which a spatial transformer sampled them, and below the samples.

    Args:
        images: (N, 1, H, W).
        grids: (N, P, Q, 2), as (x, y) in [-1, 1], ±1 being the centres of the outermost pixels.
        transformed: the samples (N, 1, P, Q).
        path: the file to save the picture to.
        captions: one per image.
        title: the text above the picture.
    """
    size("grids", rank("grids", grids, 4, layout="(N, P, Q, 2)"), 0, len(images), "grids, one per image")
    captions = style.fill_captions(captions, len(images))
    before, after = as_displayable(images), as_displayable(transformed)
    high, wide = before.shape[1:3]
    with style.page(path, 1.1 * len(before) + 0.7, 2.9, title=title) as figure:
        axes = figure.subplots(2, len(before), squeeze=False)
        for i, (above, below) in enumerate(axes.T):
            style.show_image(above, before[i])
            grid = grids[i].detach().cpu()
            x, y = torch.cat((grid[0], grid[:, -1], grid[-1].flip(0), grid[:, 0].flip(0))).T  # the outline
            above.plot((x + 1) / 2 * (wide - 1), (y + 1) / 2 * (high - 1), color=style.ORANGE, lw=1.6)
            above.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5))
            style.show_image(below, after[i])
            below.set_xlabel(captions[i], fontsize=9, color=style.GREY)
        axes[0, 0].set_ylabel("seen", color=style.GREY)
        axes[1, 0].set_ylabel("transformed", color=style.GREY)
    return figure


def window_page(
    height: int, width: int, window: int, shift: int, masks: Tensor, path: File = None, title: str = ""
) -> Picture:
    """Draw the shifted windows of Swin: where they are, the rolled map, and the mask of each rolled window.

    Args:
        height: rows of the map.
        width: columns of the map.
        window: the side of a window.
        shift: by how many places the windows are shifted.
        masks: (W, n, n), True where a token may attend.
        path: the file to save the picture to.
        title: the text above the picture.
    """
    rank("masks", masks, 3, layout="(W, n, n)")
    rows, columns = height // window, width // window
    require(len(masks) == rows * columns, f"masks must be {rows * columns}, one per window, got {len(masks)}")
    y, x = np.mgrid[:height, :width]
    windows = y // window * (columns + 1) + x // window
    shifted = ((y - shift) // window + 1) * (columns + 2) + (x - shift) // window + 1
    with style.page(path, 11.0, 6.4, title=title) as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))
        panels = (
            ("windows", windows, False),
            (f"shifted by {shift}: {len(np.unique(shifted))} pieces", shifted, False),
            (f"rolled: {rows * columns} windows again", np.roll(shifted, (-shift, -shift), (0, 1)), True),
        )
        for axis, (name, regions, is_cut) in zip(above.subplots(1, 3), panels):
            order = np.unique(regions, return_inverse=True)[1].reshape(regions.shape)
            axis.imshow(order % 10, cmap="tab10", alpha=0.55, vmin=0, vmax=9)
            if is_cut:
                for at in range(0, height + 1, window):
                    axis.axhline(at - 0.5, color="black", linewidth=1.6)
                for at in range(0, width + 1, window):
                    axis.axvline(at - 0.5, color="black", linewidth=1.6)
            axis.set(xticks=[], yticks=[], title=name)
        for index, axis in enumerate(below.subplots(1, len(masks), squeeze=False)[0]):
            axis.imshow(masks[index].float().cpu().numpy(), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.set_title(f"window {index + 1}", fontsize=9, color=style.GREY)
        note = "who may attend to whom in each rolled window (white); the rest were never neighbours"
        below.suptitle(note, fontsize=10, fontweight="normal")
    return figure


def _make_visible(label: str) -> str:
    """Return a token whose blanks and line ends are replaced by signs, cut off after 8 characters."""
    return label.replace("\n", "⏎").replace(" ", "·").replace("$", r"\$")[:8]


def _overlay(grey: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (H, W, 3): the shades (H, W) under the colours of the weights (h, w)."""
    from matplotlib import colormaps

    cells = np.kron(weights, np.ones((grey.shape[0] // weights.shape[0], grey.shape[1] // weights.shape[1])))
    level = (cells / max(cells.max(), 1e-12))[..., None]
    ground = 0.25 + 0.3 * grey[..., None]
    return ground * (1 - level) + level * colormaps["inferno"](0.2 + 0.75 * level[..., 0])[..., :3]
