"""What a classifier of points in the plane makes of every place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from groundup.checks import rank, require, tensor
from groundup.plots.style import BLUE, INK, ORANGE, Picture, page

PIXELS = 240


def boundaries(
    points: Tensor,
    labels: Tensor,
    panels: Mapping[str, Callable[[Tensor], Tensor]],
    path: str | Path | None = None,
    columns: int = 4,
    title: str | None = None,
) -> Picture:
    """A panel for each of `panels`, title → scores: points (M, 2) → (M,), above 0 for the label +1.

    The plane is coloured by the score, its zero is drawn as a line, and points (N, 2) of labels (N,), -1 or +1, that
    lie on the wrong side are circled. Scores are scaled by the spread of those of the points.
    """
    rank("points", tensor("points", points), 2, layout="(N, 2)")
    require(points.size(1) == 2, f"points must have 2 coordinates, got {points.size(1)}")
    require(labels.shape == points.shape[:1], f"labels must be one for each of {len(points)} points")
    require(len(panels) > 0, "panels is empty: there is nothing to draw")
    low, high = points.amin(0), points.amax(0)
    margin = 0.12 * (high - low)
    (x0, y0), (x1, y1) = (low - margin).tolist(), (high + margin).tolist()
    xs, ys = torch.linspace(x0, x1, PIXELS), torch.linspace(y0, y1, PIXELS)
    grid = torch.cartesian_prod(ys, xs).flip(1).to(points)  # row by row
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    height = 2.9 * (y1 - y0) / (x1 - x0) + 0.42
    with page(path, 2.9 * columns, height * rows + (0.45 if title else 0), layout="constrained") as figure:
        from matplotlib.colors import LinearSegmentedColormap

        tint = LinearSegmentedColormap.from_list("sides", ["#F3A97B", "#FBE9DD", "#FFFFFF", "#DDEBF5", "#7FB5DA"])
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for axis, (name, scores) in zip(axes, panels.items()):
            with torch.no_grad():
                own, plane = scores(points), scores(grid).view(PIXELS, PIXELS)
            scale = float(own.abs().quantile(0.9)) or 1.0
            extent = (x0, x1, y0, y1)
            axis.imshow(
                np.asarray(plane / scale), extent=extent, origin="lower", cmap=tint, vmin=-1, vmax=1, aspect="equal"
            )
            if plane.min() < 0 < plane.max():
                axis.contour(xs, ys, np.asarray(plane), levels=[0], colors=INK, linewidths=1.8)
            wrong = torch.where(own > 0, 1, -1) != labels
            for side, colour in ((-1, ORANGE), (1, BLUE)):
                at = points[labels == side]
                axis.scatter(at[:, 0], at[:, 1], s=9, color=colour, linewidths=0)
            at = points[wrong]
            axis.scatter(at[:, 0], at[:, 1], s=38, facecolors="none", edgecolors=INK, linewidths=0.9)
            right = 100 * (1 - float(wrong.double().mean()))
            axis.set_title(f"{name} · {right:.1f} %", fontsize=11, loc="left")
            axis.set(xticks=[], yticks=[], xlim=(x0, x1), ylim=(y0, y1))
            for spine in axis.spines.values():
                spine.set_visible(False)
        for axis in axes:
            axis.axis("off")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure
