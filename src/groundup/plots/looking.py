"""Pictures of looking: images before and after a transformer, the path of glimpses, attention over an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.checks import rank, require, size
from groundup.plots.images import displayable
from groundup.plots.style import BLUE, GREY, ORANGE, WRONG, Picture, page


def transformed_page(
    images: Tensor,
    grids: Tensor,
    transformed: Tensor,
    path: str | Path | None = None,
    captions: Sequence[str] | None = None,
    title: str | None = None,
) -> Picture:
    """Above, images (N, 1, H, W), each with the outline of the grid (N, P, Q, 2) it was sampled at; below, the samples.

    Places of the grid are (x, y) in [-1, 1], ±1 being the centres of the outermost pixels.
    """
    rank("grids", grids, 4, layout="(N, P, Q, 2)")
    size("grids", grids, 0, len(images), "grids, one an image")
    captions = captions or [""] * len(images)
    require(len(captions) == len(images), f"one caption for each of {len(images)} images, got {len(captions)}")
    before, after = displayable(images), displayable(transformed)
    high, wide = before.shape[1:3]
    with page(path, 1.1 * len(before) + 0.7, 2.9, layout="constrained") as figure:
        axes = figure.subplots(2, len(before), squeeze=False)
        for i, (above, below) in enumerate(axes.T):
            _show(above, before[i])
            corners = _outline(grids[i].detach().cpu())
            above.plot((corners[:, 0] + 1) / 2 * (wide - 1), (corners[:, 1] + 1) / 2 * (high - 1), color=ORANGE, lw=1.6)
            above.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5))
            _show(below, after[i])
            below.set_xlabel(captions[i], fontsize=9, color=GREY)
        axes[0, 0].set_ylabel("seen", color=GREY)
        axes[1, 0].set_ylabel("transformed", color=GREY)
        _headline(figure, title)
    return figure


def glimpse_page(
    images: Tensor,
    places: Tensor,
    sizes: Sequence[float],
    path: str | Path | None = None,
    captions: Sequence[str] | None = None,
    marked: Sequence[bool] | None = None,
    columns: int = 6,
    title: str | None = None,
) -> Picture:
    """Images (N, 1, H, W) with the path of their glimpses (N, T, 2) and, around the last, squares of `sizes` pixels.

    Places are (x, y) in [-1, 1], ±1 being the image's edges; `marked` captions are red.
    """
    rank("places", places, 3, layout="(N, T, 2)")
    size("places", places, 0, len(images), "paths, one an image")
    captions, marked = captions or [""] * len(images), marked or [False] * len(images)
    pictures = displayable(images)
    high, wide = pictures.shape[1:3]
    rows = -(-len(pictures) // columns)
    with page(path, 1.75 * columns + 0.1, 2.0 * rows + 0.5, layout="constrained") as figure:
        from matplotlib.patches import Rectangle

        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        for axis in axes[len(pictures) :]:
            axis.axis("off")
        for axis, picture, walk, caption, wrong in zip(axes, pictures, places.detach().cpu().numpy(), captions, marked):
            _show(axis, picture)
            x, y = ((walk[:, 0] + 1) * wide - 1) / 2, ((walk[:, 1] + 1) * high - 1) / 2
            for side in sizes:
                corner = (x[-1] - side / 2, y[-1] - side / 2)
                axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=ORANGE, linewidth=1.2))
            axis.plot(x, y, "-", color=BLUE, linewidth=1.4)
            axis.plot(x[0], y[0], "o", color=BLUE, markersize=4, markerfacecolor="white")
            axis.plot(x[1:], y[1:], "o", color=BLUE, markersize=3)
            axis.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5))
            axis.set_xlabel(caption, fontsize=9, color=WRONG if wrong else GREY)
        _headline(figure, title)
    return figure


def attended_images(
    images: Tensor,
    maps: dict[str, Tensor],
    path: str | Path | None = None,
    captions: Sequence[str] | None = None,
    title: str | None = None,
) -> Picture:
    """A row for each image (N, C, H, W): itself, then under each name its map (N, h, w), a patch a cell, over it.

    Each map is scaled by itself: dark is its least value, light its largest. `captions`, one a row, stand on the left.
    """
    pictures, captions = displayable(images), captions or [""] * len(images)
    for name, found in maps.items():
        rank(name, found, 3, layout="(N, h, w)")
        size(name, found, 0, len(images), "maps, one an image")
    wide = len(maps) + 1
    with page(path, 1.35 * wide + 0.4, 1.35 * len(pictures) + 0.8, layout="constrained") as figure:
        axes = figure.subplots(len(pictures), wide, squeeze=False)
        for i, (row, picture) in enumerate(zip(axes, pictures)):
            _show(row[0], picture)
            row[0].set_ylabel(captions[i], rotation=0, ha="right", va="center", color=GREY)
            for axis, (name, found) in zip(row[1:], maps.items()):
                grey = picture.mean(-1) if picture.ndim == 3 else 1 - picture
                axis.imshow(_heat(grey, found[i].detach().float().cpu().numpy()))
                axis.set(xticks=[], yticks=[])
                axis.grid(False)
                if i == 0:
                    axis.set_title(name, fontsize=9, color=GREY)
        _headline(figure, title)
    return figure


def window_page(
    height: int,
    width: int,
    window: int,
    shift: int,
    masks: Tensor,
    path: str | Path | None = None,
    title: str | None = None,
) -> Picture:
    """Shifted windows: where they lie, what rolling the map makes of them, and the masks (W, n, n) then."""
    rank("masks", masks, 3, layout="(W, n, n)")
    rows, columns = height // window, width // window
    require(len(masks) == rows * columns, f"masks must be {rows * columns}, one a window, got {len(masks)}")
    y, x = np.mgrid[:height, :width]
    shifted = _region((y - shift) // window, (x - shift) // window, columns + 1)
    with page(path, 11.0, 6.4, layout="constrained") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))
        panels = (
            ("windows", _region(y // window, x // window, columns), False),
            (f"shifted by {shift}: {len(np.unique(shifted))} pieces", shifted, False),
            (f"rolled: {rows * columns} windows again", np.roll(shifted, (-shift, -shift), (0, 1)), True),
        )
        for axis, (name, regions, cut) in zip(above.subplots(1, 3), panels):
            order = np.unique(regions, return_inverse=True)[1].reshape(regions.shape)
            axis.imshow(order % 10, cmap="tab10", alpha=0.55, vmin=0, vmax=9)
            for at in range(0, height + 1, window):
                axis.axhline(at - 0.5, color="black" if cut else "none", linewidth=1.6)
            for at in range(0, width + 1, window):
                axis.axvline(at - 0.5, color="black" if cut else "none", linewidth=1.6)
            axis.set(xticks=[], yticks=[], title=name)
            axis.grid(False)
        for index, axis in enumerate(below.subplots(1, len(masks), squeeze=False)[0]):
            axis.imshow(masks[index].float().cpu().numpy(), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.set_title(f"window {index + 1}", fontsize=9, color=GREY)
            axis.grid(False)
        below.suptitle(
            "who may attend to whom in each rolled window (white); the rest were never neighbours", fontsize=10
        )
        _headline(figure, title)
    return figure


def _region(row: Any, column: Any, columns: int) -> Any:
    return (row + 1) * (columns + 2) + column + 1


def _outline(grid: Tensor) -> np.ndarray:
    """Once around the places of a grid (P, Q, 2)."""
    sides = (grid[0], grid[:, -1], grid[-1].flip(0), grid[:, 0].flip(0))
    return torch.cat(sides).numpy()


def _heat(grey: np.ndarray, found: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    cells = np.kron(found, np.ones((grey.shape[0] // found.shape[0], grey.shape[1] // found.shape[1])))
    level = (cells / max(cells.max(), 1e-12))[..., None]
    return (0.25 + 0.3 * grey[..., None]) * (1 - level) + level * colormaps["inferno"](0.2 + 0.75 * level[..., 0])[
        ..., :3
    ]


def _show(axis: Any, picture: np.ndarray) -> None:
    axis.imshow(picture, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set(visible=True, color="#DDDDDD")


def _headline(figure: Any, title: str | None) -> None:
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
