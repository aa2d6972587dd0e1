"""How well sentences are translated, against how long they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundup.checks import require
from groundup.plots.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, Picture, page


def scores_by_length(
    runs: Mapping[str, Sequence[tuple[float, float]]], path: str | Path | None = None, title: str | None = None
) -> Picture:
    """A line for each run, name → (length of the sentences in words, BLEU), from the short to the long.

    As figure 2 of Bahdanau et al. 2015, arXiv:1409.0473. The first run is drawn thickest.
    """
    require(len(runs) > 0, "runs is empty: there is nothing to draw")
    colours = (BLUE, ORANGE, GREEN, PURPLE, INK, GREY)
    with page(path, 7.0, 4.2, layout="constrained") as figure:
        axis = figure.subplots()
        for i, (name, points) in enumerate(runs.items()):
            require(len(points) > 0, f"runs[{name!r}] is empty: it must have a point (length, BLEU) at least")
            width = 2.4 if i == 0 else 1.4
            axis.plot(*zip(*points), "o-", color=colours[i % len(colours)], linewidth=width, markersize=5, label=name)
        axis.set(xlabel="words of the source", ylabel="BLEU")
        axis.set_ylim(0, 1.1 * max(max(score for points in runs.values() for _, score in points), 1.0))
        axis.legend(frameon=False, loc="lower left")
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold")
    return figure
