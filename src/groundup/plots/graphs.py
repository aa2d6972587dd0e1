"""Graphs: nodes on their way through a plane, nodes where they ended up, and the curves of a cross-validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.checks import rank, require, size, tensor
from groundup.plots.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, Film, Picture, film, page

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#B8860B", "#56B4E9", "#5D3A9B", "#8C510A")


def graph_film(
    places: Tensor,
    edges: Tensor,
    labels: Tensor,
    known: Tensor,
    path: str | Path | None = None,
    title: str = "",
    every: int = 1,
) -> Film:
    """A GIF of nodes moving, places (T, N, 2), with their edges (2, E); `every` is the number of steps of a frame.

    labels (N,) colour the nodes; those that are `known` (N,), a mask, have a ring: their labels were given.
    """
    _check_nodes(places, edges, labels)
    x = places.detach().cpu().double().numpy()
    with film(path, 6.0, 6.0, fps=12) as (figure, grab):
        axis = figure.add_axes((0.02, 0.02, 0.96, 0.88))
        figure.text(0.03, 0.95, title, va="center", fontsize=13, fontweight="bold")
        clock = figure.text(0.97, 0.95, "", va="center", ha="right")
        for moment in [*range(len(x)), *[len(x) - 1] * 18]:
            axis.clear()
            _draw(axis, x[moment], edges, labels, known)
            clock.set_text(f"step {moment * every:,}")
            grab()
    return figure


def node_map(
    places: Tensor,
    edges: Tensor,
    labels: Tensor,
    known: Tensor,
    path: str | Path | None = None,
    titles: list[str] | None = None,
) -> Picture:
    """The nodes at each of several moments, side by side: places (T, N, 2), the rest as for `graph_film`."""
    _check_nodes(places, edges, labels)
    titles = titles or [""] * len(places)
    require(len(titles) == len(places), f"titles must be one a moment, {len(places)}, got {len(titles)}")
    with page(path, 4.4 * len(places), 4.8, layout="constrained") as figure:
        for axis, moment, title in zip(figure.subplots(1, len(places), squeeze=False)[0], places, titles):
            _draw(axis, moment.detach().cpu().double().numpy(), edges, labels, known)
            axis.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    return figure


def directions(scores: Tensor) -> Tensor:
    """(N, 2): the directions of the rows of scores (N, C), in the plane in which they differ most."""
    rank("scores", tensor("scores", scores), 2, layout="(N, C)")
    length = torch.linalg.vector_norm(scores, dim=1, keepdim=True)
    unit = scores / torch.where(length == 0, 1, length)
    return unit @ torch.linalg.svd(unit - unit.mean(0), full_matrices=False)[2][:2].T


def fold_curves(accuracy: Tensor, path: str | Path | None = None, title: str | None = None) -> Picture:
    """Test accuracy of each fold over epochs, (folds, epochs) in %, and their mean, whose best epoch is marked."""
    rank("accuracy", tensor("accuracy", accuracy), 2, layout="(folds, epochs)")
    values = accuracy.cpu().double().numpy()
    mean = values.mean(0)
    best = int(mean.argmax())
    epochs = np.arange(1, len(mean) + 1)
    with page(path, 8.0, 4.4, layout="constrained") as figure:
        axis = figure.add_subplot()
        axis.plot(epochs, values.T, color=GREY, linewidth=0.7, alpha=0.5)
        axis.plot(epochs, mean, color=BLUE)
        axis.plot(epochs[best], mean[best], "o", markersize=9, markerfacecolor="white", markeredgecolor=BLUE, mew=2)
        spread = f" ± {values[:, best].std():.1f}" if len(values) > 1 else ""
        axis.annotate(
            f"best mean {mean[best]:.1f}{spread} % at epoch {epochs[best]}",
            (epochs[best], mean[best]),
            xytext=(0, 12),
            textcoords="offset points",
            ha="right" if best > 0.5 * len(mean) else "left",
            color=BLUE,
        )
        axis.set(xlabel="epoch", ylabel="test accuracy, %", xlim=(1, max(len(mean), 2)))
        if title:
            axis.set_title(title, loc="left", fontsize=13, fontweight="bold", color=INK)
    return figure


def _check_nodes(places: Tensor, edges: Tensor, labels: Tensor) -> None:
    rank("places", tensor("places", places), 3, layout="(T, N, 2)")
    size("places", places, 2, 2, "coordinates")
    require(len(places) > 0, "places holds no moment: there is nothing to draw")
    size("edges", rank("edges", edges, 2, layout="(2, E)"), 0, 2, "ends")
    size("labels", labels, 0, places.size(1), "entries, one a node")


def _draw(axis: Any, x: np.ndarray, edges: Tensor, labels: Tensor, known: Tensor) -> None:
    from matplotlib.collections import LineCollection

    pairs = edges[:, edges[0] < edges[1]].cpu().numpy()
    few = len(x) < 200
    axis.add_collection(LineCollection(x[pairs.T], colors="#BBBBBB", linewidths=0.8 if few else 0.15, zorder=1))
    colours = [_COLOURS[int(label) % len(_COLOURS)] for label in labels]
    marked = known.cpu().numpy()
    axis.scatter(*x.T, s=70 if few else 6, color=colours, edgecolors="white", linewidths=0.6 if few else 0, zorder=2)
    axis.scatter(*x[marked].T, s=170 if few else 16, facecolors="none", edgecolors=INK, linewidths=1.4, zorder=3)
    room = 0.06 * np.ptp(x, axis=0).max() or 1.0
    axis.set(xlim=(x[:, 0].min() - room, x[:, 0].max() + room), ylim=(x[:, 1].min() - room, x[:, 1].max() + room))
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
