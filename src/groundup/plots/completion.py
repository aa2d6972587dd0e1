"""Tables with holes: what was there, what was hidden, what a model put back; and why few factors suffice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from groundup.checks import rank, require, tensor
from groundup.plots.style import BLUE, GREY, INK, ORANGE, Picture, page

_HOLE = "#F2C9B5"  # no shade of grey: not to be taken for ink


def completion_page(
    original: Tensor, known: Tensor, completed: Tensor, path: str | Path | None = None, title: str | None = None
) -> Picture:
    """Three rows of pictures (N, H, W): whole, as given (`known` is boolean; what is not is coloured), and completed.

    Shades run from paper to ink over the range of `original`.
    """
    for what, value in (("original", original), ("known", known), ("completed", completed)):
        rank(what, tensor(what, value), 3, layout="(N, H, W)")
        require(
            value.shape == original.shape,
            f"{what} must have original's shape {tuple(original.shape)}, got {tuple(value.shape)}",
        )
    if known.dtype != torch.bool:
        raise TypeError(f"known must be boolean (True = given), got {known.dtype}")
    require(len(original) > 0, "original is empty: there is nothing to draw")
    whole, mask, full = (images.detach().cpu().numpy() for images in (original, known, completed))
    low, high, count = float(whole.min()), float(whole.max()), len(whole)
    width = 1.2 + 0.95 * count
    with page(path, width, 3.7) as figure:
        from matplotlib import colormaps

        shades = colormaps["gray_r"].with_extremes(bad=_HOLE)
        rows = (("original", whole), ("given", np.where(mask, whole, np.nan)), ("completed", full))
        grid = figure.add_gridspec(
            3, count, left=1.1 / width, right=0.99, top=0.86, bottom=0.02, wspace=0.1, hspace=0.1
        )
        for row, (name, images) in enumerate(rows):
            for column, image in enumerate(images):
                axis = figure.add_subplot(grid[row, column])
                axis.imshow(image, cmap=shades, vmin=low, vmax=high, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set(visible=True, color="#DDDDDD")
                if column == 0:
                    axis.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
        figure.text(0.12 / width, 0.93, title or "", fontsize=13, fontweight="bold", va="center")
    return figure


def spectrum(table: Tensor, rank_kept: int, path: str | Path | None = None, title: str | None = None) -> Picture:
    """The singular values of a table (U, I) without its column means, with the first `rank_kept` marked.

    The squares of the values left out add up to the least error that so few factors can have (Eckart and Young 1936).
    """
    rank("table", tensor("table", table), 2, layout="(U, I)")
    centred = table.detach().cpu().double()
    values = torch.linalg.svdvals(centred - centred.mean(0)).numpy()
    require(0 < rank_kept <= len(values), f"rank_kept must be in [1, {len(values)}], got {rank_kept}")
    number = np.arange(1, len(values) + 1)
    share = (values[:rank_kept] ** 2).sum() / (values**2).sum()
    with page(path, 7.5, 4.0, layout="constrained") as figure:
        axis = figure.add_subplot()
        colours = [BLUE if i <= rank_kept else GREY for i in number]
        axis.bar(number, values, color=colours, width=0.8)
        axis.set(xlabel="factor", ylabel="singular value", xlim=(0.3, len(values) + 0.7))
        axis.grid(axis="x", visible=False)
        axis.annotate(
            f"{rank_kept} factors hold {share:.0%} of the variance",
            (rank_kept + 0.5, values[rank_kept - 1]),
            xytext=(18, 40),
            textcoords="offset points",
            color=BLUE,
            arrowprops={"arrowstyle": "-", "color": BLUE},
        )
        axis.set_title(title or "", loc="left", fontsize=13, fontweight="bold")
    return figure


def agreement(
    truth: Tensor, predicted: Tensor, path: str | Path | None = None, title: str | None = None, bins: int = 10
) -> Picture:
    """Predictions beside the truth (N): for each true value, or tenth of them, the median and the middle 80 %."""
    require(
        truth.shape == predicted.shape and truth.dim() == 1 and len(truth) > 0,
        f"truth and predicted must be as many numbers, got shapes {tuple(truth.shape)} and {tuple(predicted.shape)}",
    )
    x, y = (values.detach().cpu().double().numpy() for values in (truth, predicted))
    if len(np.unique(x)) > bins:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)))
        group = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    else:
        group = np.searchsorted(np.unique(x), x)
    parts = [(x[group == g], y[group == g]) for g in np.unique(group)]
    at = [part.mean() for part, _ in parts]
    low, middle, high = np.array([np.quantile(part, (0.1, 0.5, 0.9)) for _, part in parts]).T
    with page(path, 6.0, 5.6, layout="constrained") as figure:
        axis = figure.add_subplot()
        axis.plot([x.min(), x.max()], [x.min(), x.max()], color=GREY, linewidth=1.0, label="exact")
        axis.vlines(at, low, high, color=BLUE, linewidth=6.0, alpha=0.35, label="the middle 80 %")
        axis.plot(at, middle, "o", color=ORANGE, markersize=7, label="median")
        axis.set(xlabel="given", ylabel="predicted")
        axis.legend(frameon=False, loc="upper left")
        axis.set_title(title or "", loc="left", fontsize=13, fontweight="bold")
    return figure
