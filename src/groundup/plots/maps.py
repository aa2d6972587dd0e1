"""Maps: nodes of a graph in the plane, as a picture and as a film, and words at their principal components."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.checks import rank, require, size, tensor
from groundup.plots import style
from groundup.plots.style import File, Film, Picture

NODE_COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, "#B8860B", "#56B4E9", "#5D3A9B", "#8C510A")
WORD_COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, "#B8860B", "#5D3A9B", "#117A8B", "#8C510A")
# From a dot to the middle of its word, in points: above, below, then further and further away.
_OFFSETS = [np.array([0.0, 8.0]), np.array([0.0, -8.0])] + [
    np.array([1.6 * radius * cos(angle), radius * sin(angle)])
    for radius in range(10, 46, 6)
    for angle in (pi / 2 + 2 * pi * i / 16 for i in range(16))
]


def graph_film(
    places: Tensor, edges: Tensor, labels: Tensor, known: Tensor, path: File = None, title: str = "", every: int = 1
) -> Film:
    """Draw the nodes of a graph as they move, as an animated GIF.

    Args:
        places: (T, N, 2), the nodes at T moments.
        edges: (2, E).
        labels: (N,), which colour the nodes.
        known: (N,), boolean: nodes whose label was given have a ring.
        path: the file to save the film to.
        title: the text above the picture.
        every: the number of training steps per frame.
    """
    _check_nodes(places, edges, labels)
    x = places.detach().cpu().double().numpy()
    with style.film(path, 6.0, 6.0, fps=12) as (figure, grab):
        axis = figure.add_axes((0.02, 0.02, 0.96, 0.88))
        figure.text(0.03, 0.95, title, va="center", fontsize=13, fontweight="bold")
        clock = figure.text(0.97, 0.95, "", va="center", ha="right")
        for moment in [*range(len(x)), *[len(x) - 1] * 18]:
            axis.clear()
            _draw_nodes(axis, x[moment], edges, labels, known)
            clock.set_text(f"step {moment * every:,}")
            grab()
    return figure


def node_map(
    places: Tensor, edges: Tensor, labels: Tensor, known: Tensor, path: File = None, titles: list[str] | None = None
) -> Picture:
    """Draw the nodes of a graph at each of several moments, side by side.

    Args:
        places, edges, labels, known: as for `graph_film`.
        path: the file to save the picture to.
        titles: one per moment.
    """
    _check_nodes(places, edges, labels)
    titles = titles or [""] * len(places)
    require(len(titles) == len(places), f"titles must be one per moment, {len(places)}, got {len(titles)}")
    with style.page(path, 4.4 * len(places), 4.8) as figure:
        for axis, moment, title in zip(figure.subplots(1, len(places), squeeze=False)[0], places, titles):
            _draw_nodes(axis, moment.detach().cpu().double().numpy(), edges, labels, known)
            axis.set_title(title, loc="left", fontsize=12, fontweight="bold")
    return figure


def project_directions(scores: Tensor) -> Tensor:
    """Return (N, 2): the directions of the rows of scores (N, C), in the plane in which they differ most.

    Example:
        >>> project_directions(torch.randn(10, 7)).shape
        torch.Size([10, 2])
    """
    rank("scores", tensor("scores", scores), 2, layout="(N, C)")
    length = torch.linalg.vector_norm(scores, dim=1, keepdim=True)
    unit = scores / torch.where(length == 0, 1, length)
    return unit @ torch.linalg.svd(unit - unit.mean(0), full_matrices=False)[2][:2].T


def word_map(vectors: Tensor, words: Sequence[str], path: File = None, title: str = "", clusters: int = 8) -> Picture:
    """Draw words at the first two principal components of their vectors, scaled to length 1.

    Args:
        vectors: (N, E).
        words: N words. Each is written near its dot where there is room, the first words first; a word without room
            is a dot without a name.
        path: the file to save the picture to.
        title: the text above the picture.
        clusters: the number of colours, one per group of similar directions, found in all E dimensions.
    """
    rank("vectors", tensor("vectors", vectors), 2, layout="(N, E)")
    require(
        len(words) == len(vectors) > 2,
        f"words must name each of three vectors or more, got {len(words)} words and {len(vectors)} vectors",
    )
    x = vectors.detach().cpu().double().numpy()
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    colours = [WORD_COLOURS[group % len(WORD_COLOURS)] for group in _find_clusters(x, min(clusters, len(x)))]
    centred = x - x.mean(0)
    places = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T  # N, 2
    with style.page(path, 12.0, 9.0) as figure:
        axis = figure.add_subplot()
        style.remove_frame(axis)
        low, high = places.min(0), places.max(0)
        room = np.where(high > low, 0.06 * (high - low), 1.0)
        axis.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
        axis.scatter(*places.T, s=9, color=colours, zorder=2)
        axis.set_title(title, **{**style.HEADING, "fontsize": 14})
        figure.draw_without_rendering()  # the axis has its size now
        _label_words(figure, axis, places, words, colours)
    return figure


def _check_nodes(places: Tensor, edges: Tensor, labels: Tensor) -> None:
    rank("places", tensor("places", places), 3, layout="(T, N, 2)")
    size("places", places, 2, 2, "coordinates")
    require(len(places) > 0, "places holds no moment: there is nothing to draw")
    size("edges", rank("edges", edges, 2, layout="(2, E)"), 0, 2, "ends")
    size("labels", labels, 0, places.size(1), "entries, one per node")


def _draw_nodes(axis: Any, x: np.ndarray, edges: Tensor, labels: Tensor, known: Tensor) -> None:
    from matplotlib.collections import LineCollection

    pairs = edges[:, edges[0] < edges[1]].cpu().numpy()
    few = len(x) < 200
    axis.add_collection(LineCollection(x[pairs.T], colors="#BBBBBB", linewidths=0.8 if few else 0.15, zorder=1))
    colours = [NODE_COLOURS[int(label) % len(NODE_COLOURS)] for label in labels]
    rings = x[known.cpu().numpy()]
    axis.scatter(*x.T, s=70 if few else 6, color=colours, edgecolors="white", linewidths=0.6 if few else 0, zorder=2)
    axis.scatter(*rings.T, s=170 if few else 16, facecolors="none", edgecolors=style.INK, linewidths=1.4, zorder=3)
    room = 0.06 * np.ptp(x, axis=0).max() or 1.0
    axis.set(xlim=(x[:, 0].min() - room, x[:, 0].max() + room), ylim=(x[:, 1].min() - room, x[:, 1].max() + room))
    style.remove_frame(axis)


def _find_clusters(x: np.ndarray, k: int) -> np.ndarray:
    """Return the group of each direction by spherical k-means; it starts from directions that are far apart."""
    centres = x[:1]
    for _ in range(k - 1):
        centres = np.vstack([centres, x[(x @ centres.T).max(1).argmin()]])
    for _ in range(30):
        nearest = (x @ centres.T).argmax(1)
        sums = np.stack([x[nearest == j].sum(0) if (nearest == j).any() else centres[j] for j in range(k)])
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return (x @ centres.T).argmax(1)


def _label_words(figure: Any, axis: Any, places: np.ndarray, words: Sequence[str], colours: Sequence[str]) -> None:
    """Write each word at the nearest place where it covers no other word and no dot; measured in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer, point, inch = FigureCanvasAgg(figure).get_renderer(), figure.dpi / 72, figure.dpi
    dots = axis.transData.transform(places)
    taken = np.hstack([dots - 2 * point, dots + 2 * point])  # left, bottom, right, top
    frame = axis.get_window_extent(renderer)
    for dot, word, colour in zip(dots, words, colours):
        text = axis.text(0, 0, word, fontsize=10, color=colour, ha="center", va="center")
        box = text.get_window_extent(renderer)
        half = np.array([box.width, box.height]) / 2
        for offset in _OFFSETS:
            middle = dot + point * offset
            low, high = middle - half, middle + half  # two corners
            covers = ((taken[:, :2] < high) & (low < taken[:, 2:])).all(1)
            if (frame.min <= low).all() and (high <= frame.max).all() and not covers.any():
                taken = np.vstack([taken, np.hstack([low, high])])
                text.set(position=middle / inch, transform=figure.dpi_scale_trans)
                if np.hypot(*offset) > 12:
                    end = np.clip(dot, middle - half, middle + half)  # the word's edge nearest to the dot
                    line = np.stack([dot, end]).T / inch
                    axis.plot(*line, color=colour, lw=0.6, alpha=0.6, transform=figure.dpi_scale_trans, zorder=1)
                break
        else:
            text.remove()
