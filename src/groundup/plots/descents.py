"""Paths down a landscape of two coordinates, side by side: as a picture, and as a film."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.checks import integer, require
from groundup.plots.style import BLUE, GREEN, INK, ORANGE, PURPLE, Film, Picture, film, page

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK, "#E69F00", "#56B4E9", "#8B4513")
STYLES: tuple[Any, ...] = ("-", (0, (3, 3)))  # every other one dashed: of two that walk alike both are seen


@dataclass(frozen=True)
class Landscape:
    """A function of x and y with its minima, and the window in which it is drawn."""

    name: str
    height: Callable[[Tensor, Tensor], Tensor]
    minima: Sequence[tuple[float, float]]
    window: tuple[float, float, float, float]  # x from, x to, y from, y to
    log: bool = True  # levels in proportion to height above the lowest, not even steps


Paths = Mapping[str, Tensor]  # name -> (steps + 1, 2)


def descents(
    landscapes: Sequence[Landscape], paths: Sequence[Paths], path: str | Path | None = None, title: str = ""
) -> Picture:
    """A panel for each landscape, with the whole path of each optimizer on it."""
    _check(landscapes, paths)
    with page(path, *_size(landscapes)) as figure:
        axes = _grounds(figure, landscapes, list(paths[0]), title)
        for axis, of_panel in zip(axes, paths):
            for (_, points), colour, line in zip(of_panel.items(), COLOURS, cycle(STYLES)):
                places = np.asarray(points.detach())
                axis.plot(*places.T, color=colour, linestyle=line, linewidth=1.7)
                axis.plot(*places[-1], "o", color=colour, markersize=6, markeredgecolor="white")
    return figure


def descent_film(
    landscapes: Sequence[Landscape],
    paths: Sequence[Paths],
    path: str | Path | None = None,
    frames: int = 60,
    seconds: float = 8.0,
    title: str = "",
) -> Film:
    """The same as an animated GIF. Time runs evenly in the root of the step: the first steps are the fastest."""
    _check(landscapes, paths)
    frames = integer("frames", frames, 2)
    longest = max(len(points) for of_panel in paths for points in of_panel.values()) - 1
    steps = [round(longest * (frame / (frames - 1)) ** 2) for frame in range(frames)]
    width, height = _size(landscapes)
    with film(path, width, height, fps=round(frames / seconds) or 1) as (figure, grab):
        axes = _grounds(figure, landscapes, list(paths[0]), title)
        moving = []
        for axis, of_panel in zip(axes, paths):
            for (_, points), colour, line in zip(of_panel.items(), COLOURS, cycle(STYLES)):
                (trail,) = axis.plot([], [], color=colour, linestyle=line, linewidth=1.7)
                (head,) = axis.plot([], [], "o", color=colour, markersize=6, markeredgecolor="white")
                moving.append((trail, head, np.asarray(points.detach())))
        clock = figure.text(1 - 0.2 / width, 1 - 0.25 / height, "", ha="right", va="center")
        for step in steps:
            clock.set_text(f"step {step:,}")
            for trail, head, places in moving:
                so_far = places[: step + 1]
                trail.set_data(so_far[:, 0], so_far[:, 1])
                head.set_data(so_far[-1:, 0], so_far[-1:, 1])
            grab()
    return figure


def _check(landscapes: Sequence[Landscape], paths: Sequence[Paths]) -> None:
    require(len(landscapes) > 0, "landscapes is empty: there is nothing to draw")
    require(len(paths) == len(landscapes), f"paths must be one dict a landscape, {len(landscapes)}, got {len(paths)}")
    for of_panel in paths:
        require(0 < len(of_panel) <= len(COLOURS), f"1 to {len(COLOURS)} paths a panel, got {len(of_panel)}")
        for name, points in of_panel.items():
            require(
                points.dim() == 2 and points.size(1) == 2 and len(points) > 0,
                f"the path of {name} must have shape (steps + 1, 2), got {tuple(points.shape)}",
            )


def _size(landscapes: Sequence[Landscape]) -> tuple[float, float]:
    return 4.2 * len(landscapes) + 0.2, 4.9


def _grounds(figure: Any, landscapes: Sequence[Landscape], names: Sequence[str], title: str) -> list[Any]:
    """The landscapes, as shades and level lines, with their minima as stars; and the legend."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    axes = []
    for number, land in enumerate(landscapes):
        x0, x1, y0, y1 = land.window
        xs, ys = torch.linspace(x0, x1, 200), torch.linspace(y0, y1, 200)
        ground = land.height(*torch.meshgrid(xs, ys, indexing="xy"))
        heights = np.asarray((ground - ground.min() + 1e-2).log10() if land.log else ground)
        axis = figure.add_axes(((0.2 + 4.2 * number) / width, 0.75 / height, 4.0 / width, 3.45 / height))
        axis.contourf(xs, ys, heights, levels=14, cmap="Greys", alpha=0.45)
        for x, y in land.minima:
            axis.plot(x, y, "*", color="white", markersize=15, markeredgecolor=INK, zorder=5)
        axis.set(xlim=(x0, x1), ylim=(y0, y1), xticks=[], yticks=[])
        axis.grid(False)
        axis.set_title(land.name, loc="left", fontsize=11)
        for spine in axis.spines.values():
            spine.set_visible(False)
        axes.append(axis)
    lines = [
        Line2D([], [], color=colour, linestyle=line, marker="o", label=name)
        for name, colour, line in zip(names, COLOURS, cycle(STYLES))
    ]
    figure.legend(handles=lines, loc="lower center", ncols=len(lines), frameon=False, fontsize=10)
    figure.text(0.2 / width, 1 - 0.25 / height, title, va="center", fontsize=13, fontweight="bold")
    return axes
