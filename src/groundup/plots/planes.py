"""Functions of a plane: the decision boundaries of classifiers, and the paths of optimizers down a landscape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.checks import integer, rank, require, tensor
from groundup.plots import style
from groundup.plots.style import File, Film, Picture

PANEL_PIXELS = 240
PANELS_PER_ROW = 4
TINTS = ("#F3A97B", "#FBE9DD", "#FFFFFF", "#DDEBF5", "#7FB5DA")  # from the side of -1 to that of +1
COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.INK, "#E69F00", "#56B4E9", "#8B4513")
LINES: tuple[Any, ...] = ("-", (0, (3, 3)))  # every other path is dashed, so that both of two equal paths are seen


def boundaries(
    points: Tensor, labels: Tensor, panels: Mapping[str, Callable[[Tensor], Tensor]], path: File = None, title: str = ""
) -> Picture:
    """Draw the decisions of classifiers of points in the plane, one panel per classifier.

    The plane is coloured by the score, scaled by the spread of the scores of the points. The line is where the score
    is zero, and points on the wrong side of it are circled.

    Args:
        points: (N, 2).
        labels: (N,), each -1 or +1.
        panels: title → a function from points (M, 2) to scores (M,), above 0 for the label +1.
        path: the file to save the picture to.
        title: the text above the picture.

    Example:
        >>> points, labels = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([-1, 1])
        >>> boundaries(points, labels, {"x > ½": lambda p: p[:, 0] - 0.5}).axes[0].get_title(loc="left")
        'x > ½ · 100.0 %'
    """
    rank("points", tensor("points", points), 2, layout="(N, 2)")
    require(points.size(1) == 2, f"points must have 2 coordinates, got {points.size(1)}")
    require(labels.shape == points.shape[:1], f"labels must be one for each of {len(points)} points")
    require(len(panels) > 0, "panels is empty: there is nothing to draw")
    low, high = points.amin(0), points.amax(0)
    margin = 0.12 * (high - low)
    (x0, y0), (x1, y1) = (low - margin).tolist(), (high + margin).tolist()
    xs, ys = torch.linspace(x0, x1, PANEL_PIXELS), torch.linspace(y0, y1, PANEL_PIXELS)
    grid = torch.cartesian_prod(ys, xs).flip(1).to(points)  # row by row
    columns = min(PANELS_PER_ROW, len(panels))
    rows = -(-len(panels) // columns)
    height = 2.9 * (y1 - y0) / (x1 - x0) + 0.42
    with style.page(path, 2.9 * columns, height * rows + (0.45 if title else 0), title=title) as figure:
        from matplotlib.colors import LinearSegmentedColormap

        tints = LinearSegmentedColormap.from_list("sides", TINTS)
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for axis, (name, scores) in zip(axes, panels.items()):
            with torch.no_grad():
                own, plane = scores(points), scores(grid).view(PANEL_PIXELS, PANEL_PIXELS).numpy()
            scale = float(own.abs().quantile(0.9)) or 1.0
            axis.imshow(plane / scale, extent=(x0, x1, y0, y1), origin="lower", cmap=tints, vmin=-1, vmax=1)
            if plane.min() < 0 < plane.max():
                axis.contour(xs, ys, plane, levels=[0], colors=style.INK, linewidths=1.8)
            is_wrong = torch.where(own > 0, 1, -1) != labels
            for side, colour in ((-1, style.ORANGE), (1, style.BLUE)):
                axis.scatter(*points[labels == side].T, s=9, color=colour, linewidths=0)
            axis.scatter(*points[is_wrong].T, s=38, facecolors="none", edgecolors=style.INK, linewidths=0.9)
            axis.set_title(f"{name} · {100 * (1 - float(is_wrong.double().mean())):.1f} %", fontsize=11, loc="left")
            style.remove_frame(axis)
            axis.set(xlim=(x0, x1), ylim=(y0, y1))
        for axis in axes:
            axis.axis("off")
    return figure


@dataclass(frozen=True)
class Landscape:
    """A function of x and y to descend.

    Args:
        name: the title of its panel.
        height: the function, of tensors x and y of one shape.
        minima: the places (x, y) of its minima.
        window: x from, x to, y from, y to: what is drawn of it.
        log: whether the level lines are even in the logarithm of the height above the lowest place.

    Example:
        >>> bowl = Landscape("bowl", lambda x, y: x**2 + y**2, [(0.0, 0.0)], (-1.0, 1.0, -1.0, 1.0))
        >>> len(descents([bowl], [{"SGD": torch.tensor([[1.0, 1.0], [0.5, 0.5]])}]).axes)
        1
    """

    name: str
    height: Callable[[Tensor, Tensor], Tensor]
    minima: Sequence[tuple[float, float]]
    window: tuple[float, float, float, float]
    log: bool = True


Paths = Mapping[str, Tensor]  # name → (steps + 1, 2)


def descents(landscapes: Sequence[Landscape], paths: Sequence[Paths], path: File = None, title: str = "") -> Picture:
    """Draw the whole path of each optimizer, one panel per landscape.

    Args:
        landscapes: the functions.
        paths: for each landscape, name → places (steps + 1, 2).
        path: the file to save the picture to.
        title: the text above the picture.
    """
    with style.page(path, *_size(landscapes, paths), None) as figure:
        for line, dot, places in _draw_landscapes(figure, landscapes, paths, title):
            line.set_data(*places.T)
            dot.set_data(*places[-1:].T)
    return figure


def descent_film(
    landscapes: Sequence[Landscape],
    paths: Sequence[Paths],
    path: File = None,
    frames: int = 60,
    seconds: float = 8.0,
    title: str = "",
) -> Film:
    """Draw the picture of `descents` as an animated GIF.

    The step grows with the square of the time, so that the first steps are shown slowest.

    Args:
        landscapes: as for `descents`.
        paths: as for `descents`.
        path: the file to save the film to.
        frames: the number of frames.
        seconds: how long the film lasts.
        title: the text above the picture.
    """
    width, height = _size(landscapes, paths)
    frames = integer("frames", frames, 2)
    longest = max(len(points) for of_panel in paths for points in of_panel.values()) - 1
    with style.film(path, width, height, fps=round(frames / seconds) or 1) as (figure, grab):
        moving = _draw_landscapes(figure, landscapes, paths, title)
        clock = figure.text(1 - 0.2 / width, 1 - 0.25 / height, "", ha="right", va="center")
        for frame in range(frames):
            step = round(longest * (frame / (frames - 1)) ** 2)
            clock.set_text(f"step {step:,}")
            for line, dot, places in moving:
                line.set_data(*places[: step + 1].T)
                dot.set_data(*places[: step + 1][-1:].T)
            grab()
    return figure


def _size(landscapes: Sequence[Landscape], paths: Sequence[Paths]) -> tuple[float, float]:
    """Return the width and the height of the page in inches. Raises `ValueError` for what cannot be drawn."""
    require(len(landscapes) > 0, "landscapes is empty: there is nothing to draw")
    require(len(paths) == len(landscapes), f"paths must be one dict per landscape, {len(landscapes)}, got {len(paths)}")
    for of_panel in paths:
        require(0 < len(of_panel) <= len(COLOURS), f"1 to {len(COLOURS)} paths per panel, got {len(of_panel)}")
        for name, points in of_panel.items():
            require(
                points.dim() == 2 and points.size(1) == 2 and len(points) > 0,
                f"the path of {name} must have shape (steps + 1, 2), got {tuple(points.shape)}",
            )
    return 4.2 * len(landscapes) + 0.2, 4.9


def _draw_landscapes(
    figure: Any, landscapes: Sequence[Landscape], paths: Sequence[Paths], title: str
) -> list[tuple[Any, Any, np.ndarray]]:
    """Draw shades, level lines, minima as stars, and the legend; return (line, dot at its end, places) per path."""
    moving = []
    for number, (land, of_panel) in enumerate(zip(landscapes, paths)):
        x0, x1, y0, y1 = land.window
        xs, ys = torch.linspace(x0, x1, 200), torch.linspace(y0, y1, 200)
        ground = land.height(*torch.meshgrid(xs, ys, indexing="xy"))
        heights = (ground - ground.min() + 1e-2).log10() if land.log else ground
        axis = style.place_axes(figure, 0.2 + 4.2 * number, 0.75, 4.0, 3.45)
        axis.contourf(xs, ys, heights.numpy(), levels=14, cmap="Greys", alpha=0.45)
        for x, y in land.minima:
            axis.plot(x, y, "*", color="white", markersize=15, markeredgecolor=style.INK, zorder=5)
        for (name, points), colour, line_style in zip(of_panel.items(), COLOURS, cycle(LINES)):
            (line,) = axis.plot([], [], color=colour, linestyle=line_style, linewidth=1.7)
            (dot,) = axis.plot([], [], "o", color=colour, markersize=6, markeredgecolor="white")
            moving.append((line, dot, points.detach().numpy()))
            if number == 0:
                axis.plot([], [], color=colour, linestyle=line_style, marker="o", label=name)
        axis.set(xlim=(x0, x1), ylim=(y0, y1))
        axis.set_title(land.name, loc="left", fontsize=11)
        style.remove_frame(axis)
    figure.legend(loc="lower center", ncols=len(paths[0]), fontsize=10)
    style.place_title(figure, title, 0.2)
    return moving
