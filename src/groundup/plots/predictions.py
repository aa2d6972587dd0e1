"""Predictions against the truth: agreement, the spectrum of a table, and forecasts of a series."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from groundup.checks import rank, require, tensor
from groundup.plots import style
from groundup.plots.style import File, Picture

GROUPS = 10


def agreement(truth: Tensor, predicted: Tensor, path: File = None, title: str = "") -> Picture:
    """Draw the median and the middle 80 % of the predictions for each true value.

    More than `GROUPS` true values are put into so many groups of equal size.

    Args:
        truth: (N,).
        predicted: (N,).
        path: the file to save the picture to.
        title: the text above the picture.

    Example:
        >>> agreement(torch.arange(9.0), torch.arange(9.0)).axes[0].get_xlabel()
        'given'
    """
    require(
        truth.shape == predicted.shape and truth.dim() == 1 and len(truth) > 0,
        f"truth and predicted must be as many numbers, got shapes {tuple(truth.shape)} and {tuple(predicted.shape)}",
    )
    x, y = (values.detach().cpu().double().numpy() for values in (truth, predicted))
    if len(np.unique(x)) > GROUPS:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, GROUPS + 1)))
        group = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    else:
        group = np.searchsorted(np.unique(x), x)
    parts = [group == g for g in np.unique(group)]
    at = [x[part].mean() for part in parts]
    low, middle, high = np.array([np.quantile(y[part], (0.1, 0.5, 0.9)) for part in parts]).T
    with style.page(path, 6.0, 5.6) as figure:
        axis = figure.add_subplot()
        axis.plot([x.min(), x.max()], [x.min(), x.max()], color=style.GREY, linewidth=1.0, label="exact")
        axis.vlines(at, low, high, color=style.BLUE, linewidth=6.0, alpha=0.35, label="the middle 80 %")
        axis.plot(at, middle, "o", color=style.ORANGE, markersize=7, label="median")
        axis.set(xlabel="given", ylabel="predicted")
        axis.legend(loc="upper left")
        axis.set_title(title, **style.HEADING)
    return figure


def spectrum(table: Tensor, rank_kept: int, path: File = None, title: str = "") -> Picture:
    """Draw the singular values of a table without its column means, the first `rank_kept` in colour.

    The squares of the others add up to the smallest squared error of so few factors (Eckart and Young 1936).

    Args:
        table: (U, I).
        rank_kept: how many factors are kept.
        path: the file to save the picture to.
        title: the text above the picture.
    """
    rank("table", tensor("table", table), 2, layout="(U, I)")
    centred = table.detach().cpu().double()
    values = torch.linalg.svdvals(centred - centred.mean(0)).numpy()
    require(0 < rank_kept <= len(values), f"rank_kept must be in [1, {len(values)}], got {rank_kept}")
    share = (values[:rank_kept] ** 2).sum() / (values**2).sum()
    with style.page(path, 7.5, 4.0) as figure:
        axis = figure.add_subplot()
        colours = [style.BLUE] * rank_kept + [style.GREY] * (len(values) - rank_kept)
        axis.bar(np.arange(1, len(values) + 1), values, color=colours, width=0.8)
        axis.set(xlabel="factor", ylabel="singular value", xlim=(0.3, len(values) + 0.7))
        axis.grid(axis="x", visible=False)
        note, line = f"{rank_kept} factors hold {share:.0%} of the variance", {"arrowstyle": "-", "color": style.BLUE}
        style.label_point(
            axis, note, (rank_kept + 0.5, values[rank_kept - 1]), (18, 40), color=style.BLUE, arrowprops=line
        )
        axis.set_title(title, **style.HEADING)
    return figure


def forecast_page(
    past: Tensor,
    truth: Tensor,
    forecast: Tensor,
    errors: Tensor,
    path: File = None,
    published: tuple[int, float, str] | None = None,
    title: str = "",
) -> Picture:
    """Draw one forecast of a series with the truth, and below the error against the number of steps.

    Args:
        past: (T,), the series before the forecast.
        truth: (S,), the series after that.
        forecast: (S,).
        errors: (K,), after 1, ..., K steps; drawn on a logarithmic scale.
        path: the file to save the picture to.
        published: a number of steps, an error and its author, to be marked.
        title: the text above the picture.
    """
    for name, series in (("past", past), ("truth", truth), ("forecast", forecast), ("errors", errors)):
        rank(name, series, 1, layout="(steps,)")
    require(len(truth) == len(forecast), f"forecast must have truth's {len(truth)} steps, got {len(forecast)}")
    with style.page(path, 9.0, 5.6, title=title) as figure:
        above, below = figure.subplots(2, 1)
        ahead = np.arange(1, len(truth) + 1)
        above.plot(np.arange(1 - len(past), 1), _as_array(past), color=style.GREY, label="seen")
        above.plot(ahead, _as_array(truth), color=style.GREEN, linewidth=3.5, alpha=0.45, label="what came")
        above.plot(ahead, _as_array(forecast), color=style.BLUE, linewidth=1.4, label="forecast")
        above.axvline(0, color=style.GREY, linewidth=1.0, linestyle=style.DASHED)
        above.set(xlim=(1 - len(past), len(truth)), xlabel="steps", ylabel="series")
        above.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.14), fontsize=10)
        below.semilogy(np.arange(1, len(errors) + 1), _as_array(errors), color=style.BLUE)
        below.set(xlim=(1, len(errors)), xlabel="steps ahead", ylabel="normalised error")
        if published is not None:
            distance, value, author = published
            below.plot([distance], [value], "o", color=style.ORANGE)
            place = {"ha": "center", "va": "bottom"}
            style.label_point(below, author, (distance, value), (0, 7), color=style.ORANGE, fontsize=10, **place)
    return figure


def _as_array(series: Tensor) -> np.ndarray:
    return series.detach().double().cpu().numpy()
