"""What every head of every layer looks at, on one page."""

"""Pictures of looking: images before and after a transformer, the path of glimpses, attention over an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from groundup.checks import rank, require
from groundup.plots.style import GREY, page


def attention_page(
    layers: Sequence[Tensor],
    path: str | Path,
    labels: Sequence[str] = (),
    title: str | None = None,
    marked: Sequence[tuple[int, int]] = (),
) -> None:
    """A row of maps for each layer's weights (H, T, S), a map a head: query i downwards, key j to the right.

    The darker, the more of the query's attention; each map is scaled to its largest weight, the first key left out,
    where heads with nothing to say rest. labels: one a token. marked: (layer, head) of maps to frame.
    """
    require(len(layers) > 0, "layers is empty: there is nothing to draw")
    for i, weights in enumerate(layers):
        rank(f"layers[{i}]", weights, 3, layout="(H, T, S)")
        require(not labels or len(labels) == weights.size(2), f"labels must be {weights.size(2)}, got {len(labels)}")
    heads, keys = max(len(weights) for weights in layers), layers[0].size(2)
    side = min(3.0, max(1.1, 0.11 * keys)) if labels else 1.3
    left, head, gap = 0.85 if labels else 0.6, 0.95 if title else 0.6, 0.16
    width, height = left + heads * (side + gap) + 0.1, head + len(layers) * (side + gap) + 0.1
    with page(path, width, height) as figure:
        for i, weights in enumerate(layers):
            for h, map in enumerate(weights.detach().float().cpu().numpy()):
                x, y = left + h * (side + gap), height - head - (i + 1) * (side + gap) + gap
                axis = figure.add_axes((x / width, y / height, side / width, side / height))
                limit = float(np.max(map[:, 1:], initial=0.0)) or 1.0
                axis.imshow(map, cmap="Blues", vmin=0, vmax=limit, interpolation="nearest", aspect="auto")
                axis.grid(False)
                axis.set(xticks=[], yticks=[])
                edge, line = ("#D55E00", 2.0) if (i, h) in marked else ("#DDDDDD", 0.8)
                for spine in axis.spines.values():
                    spine.set(visible=True, edgecolor=edge, linewidth=line)
                if i == 0:
                    axis.set_title(f"head {h}", fontsize=9, color=GREY, pad=3)
                if h == 0:
                    axis.set_ylabel(f"layer {i}", fontsize=9, color=GREY)
                    if labels:
                        axis.set_yticks(range(len(labels)), [_shown(label) for label in labels], fontsize=6)
                        axis.tick_params(length=0)
        if title:
            figure.text(0.12 / width, 1 - 0.3 / height, title, va="center", fontsize=12, fontweight="bold")


def _shown(label: str) -> str:
    """A token that can be seen: blanks and line ends by their signs."""
    return label.replace("\n", "⏎").replace(" ", "·").replace("$", r"\$")[:8]


from typing import Any

import torch

from groundup.checks import size
from groundup.plots.images import displayable
from groundup.plots.style import BLUE, ORANGE, WRONG


def transformed_page(
    images: Tensor,
    grids: Tensor,
    transformed: Tensor,
    path: str | Path,
    captions: Sequence[str] | None = None,
    title: str | None = None,
) -> None:
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


def glimpse_page(
    images: Tensor,
    places: Tensor,
    sizes: Sequence[float],
    path: str | Path,
    captions: Sequence[str] | None = None,
    marked: Sequence[bool] | None = None,
    columns: int = 6,
    title: str | None = None,
) -> None:
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


def attention_page(
    images: Tensor,
    maps: dict[str, Tensor],
    path: str | Path,
    captions: Sequence[str] | None = None,
    title: str | None = None,
) -> None:
    """A row for each image (N, C, H, W): itself, then under each name its map (N, h, w), a patch a cell, over it.

    Each map is scaled by itself: light is its largest value. `captions`, one a row, stand on the left.
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


def window_page(
    height: int,
    width: int,
    window: int,
    shift: int,
    masks: Tensor,
    path: str | Path,
    title: str | None = None,
) -> None:
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
