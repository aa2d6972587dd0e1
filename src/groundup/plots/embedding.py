"""Vectors of words, as a map: principal components of directions, with labels that do not cover one another."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from groundup.checks import rank, require, tensor
from groundup.plots.style import BLUE, GREEN, INK, ORANGE, PURPLE, Picture, page

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#B8860B", "#5D3A9B", "#117A8B", "#8C510A")
# Points from a dot to the middle of its word: above, below, then further and further off.
_OFFSETS = [np.array([0.0, 8.0]), np.array([0.0, -8.0])] + [
    np.array([1.6 * radius * cos(angle), radius * sin(angle)])
    for radius in range(10, 46, 6)
    for angle in (pi / 2 + 2 * pi * i / 16 for i in range(16))
]


def word_map(
    vectors: Tensor,
    words: Sequence[str],
    path: str | Path | None = None,
    title: str | None = None,
    clusters: int = 8,
) -> Picture:
    """The words (N) at the first two principal components of their vectors (N, E), scaled to length 1.

    Colours tell `clusters` groups of like direction, found in all E dimensions. The first words are named first, each
    beside its dot or, where there is no room, a little off; one for which none is left is a dot without a name.
    """
    rank("vectors", tensor("vectors", vectors), 2, layout="(N, E)")
    require(
        len(words) == len(vectors) > 2,
        f"words must name each of three vectors or more, got {len(words)} words and {len(vectors)} vectors",
    )
    x = vectors.detach().cpu().double().numpy()
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    group = _clusters(x, min(clusters, len(x)))
    centred = x - x.mean(0)
    components = np.linalg.svd(centred, full_matrices=False)[2][:2]
    places = centred @ components.T  # N, 2
    with page(path, 12.0, 9.0, layout="constrained") as figure:
        axis = figure.add_subplot()
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.set_xlim(*_padded(places[:, 0]))
        axis.set_ylim(*_padded(places[:, 1]))
        axis.scatter(*places.T, s=9, color=[_COLOURS[g % len(_COLOURS)] for g in group], zorder=2)
        axis.set_title(title or "", loc="left", fontsize=14, fontweight="bold", color=INK)
        figure.draw_without_rendering()  # the axis has its size now
        _label(figure, axis, places, words, group)
    return figure


def _padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 1.0  # equal places too
    return low - room, high + room


def _clusters(x: np.ndarray, k: int) -> np.ndarray:
    """Spherical k-means from far-apart beginnings: directions, no randomness."""
    centres = x[:1]
    for _ in range(k - 1):
        centres = np.vstack([centres, x[(x @ centres.T).max(1).argmin()]])
    for _ in range(30):
        nearest = (x @ centres.T).argmax(1)
        sums = np.stack([x[nearest == j].sum(0) if (nearest == j).any() else centres[j] for j in range(k)])
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return (x @ centres.T).argmax(1)


def _label(figure: Any, axis: Any, places: np.ndarray, words: Sequence[str], group: np.ndarray) -> None:
    """Each word at the nearest spot where it covers no other word and no dot; measured in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer, point, inch = FigureCanvasAgg(figure).get_renderer(), figure.dpi / 72, figure.dpi
    dots = axis.transData.transform(places)
    taken = np.hstack([dots - 2 * point, dots + 2 * point])  # left, bottom, right, top
    frame = axis.get_window_extent(renderer)
    for dot, word, g in zip(dots, words, group):
        colour = _COLOURS[g % len(_COLOURS)]
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
