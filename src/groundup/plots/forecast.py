"""A forecast beside what came, and how its error grows with the distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from groundup.checks import rank, require
from groundup.plots.style import BLUE, GREEN, GREY, ORANGE, Picture, page


def forecast_page(
    past: Tensor,
    truth: Tensor,
    forecast: Tensor,
    errors: Tensor,
    path: str | Path | None = None,
    published: tuple[int, float, str] | None = None,
    title: str | None = None,
) -> Picture:
    """past (T,), then truth and forecast (S,) of one example; below, errors (K,) after 1, ..., K steps, on a log scale.

    `published` marks a distance, an error and whose it is.
    """
    for name, series in (("past", past), ("truth", truth), ("forecast", forecast), ("errors", errors)):
        rank(name, series, 1, layout="(steps,)")
    require(len(truth) == len(forecast), f"forecast must have truth's {len(truth)} steps, got {len(forecast)}")
    known, coming, made, error = (np.asarray(s.detach().double().cpu()) for s in (past, truth, forecast, errors))
    with page(path, 9.0, 5.6, layout="constrained") as figure:
        above, below = figure.subplots(2, 1)
        ahead = np.arange(1, len(coming) + 1)
        above.plot(np.arange(1 - len(known), 1), known, color=GREY, label="seen")
        above.plot(ahead, coming, color=GREEN, linewidth=3.5, alpha=0.45, label="what came")
        above.plot(ahead, made, color=BLUE, linewidth=1.4, label="forecast")
        above.axvline(0, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        above.set(xlim=(1 - len(known), len(coming)), xlabel="steps", ylabel="series")
        above.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.14), fontsize=10)
        below.semilogy(np.arange(1, len(error) + 1), error, color=BLUE)
        below.set(xlim=(1, len(error)), xlabel="steps ahead", ylabel="normalised error")
        if published is not None:
            distance, value, whose = published
            below.plot([distance], [value], "o", color=ORANGE)
            above_it = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "va": "bottom"}
            below.annotate(whose, (distance, value), color=ORANGE, fontsize=10, **above_it)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure
