"""Pictures of energy-based models: states falling in energy, memory against load, a Boltzmann machine at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from groundup.checks import rank, require, size
from groundup.plots.curves import Log, _end_labels, _records
from groundup.plots.style import BLUE, GREEN, GREY, ORANGE, Picture, page

FRAME, MISSING = "#DDDDDD", "#F6C9A8"


def recall_film(
    states: Tensor,
    energies: Tensor,
    floors: Tensor,
    shown: Sequence[int],
    path: str | Path | None,
    sweep: int,
    title: str | None = None,
) -> Picture:
    """A row for each state: how it looked at the moments `shown`, and its energy all the way down.

    states (T, R, H, W) of ±1, energies (T, R) and the memories' own, `floors` (R,); a sweep is `sweep` moments.
    """
    rank("states", states, 4, layout="(T, R, H, W)")
    moments, rows = states.shape[:2]
    size("energies", rank("energies", energies, 2, layout="(T, R)"), 0, moments, "moments, as states has")
    size("energies", energies, 1, rows, "rows, as states has")
    require(tuple(floors.shape) == (rows,), f"floors must have shape ({rows},), got {tuple(floors.shape)}")
    require(len(shown) > 0 and all(0 <= t < moments for t in shown), f"shown must lie in [0, {moments - 1}]")
    time, e = np.arange(moments) / sweep, energies.double().cpu().numpy()
    low, high = min(e.min(), float(floors.min())), e.max()
    with page(path, 1.15 * len(shown) + 3.6, 1.15 * rows + 0.95, layout="constrained") as figure:
        grid = figure.add_gridspec(rows, len(shown) + 1, width_ratios=[1] * len(shown) + [2.9])
        for row in range(rows):
            for column, t in enumerate(shown):
                when = f"{time[t]:.3g} sweep" + ("s" if time[t] > 1 else "")
                axis = figure.add_subplot(grid[row, column])
                _picture(axis, states[t, row].cpu().numpy(), -1.0, 1.0)
                if row == 0:
                    axis.set_title(when if t > 0 else "start", fontsize=10)
            axis = figure.add_subplot(grid[row, -1])
            axis.axhline(float(floors[row]), color=GREEN, linewidth=1.2, linestyle=(0, (4, 3)))
            axis.plot(time, e[:, row], color=BLUE)
            axis.plot(time[list(shown)], e[list(shown), row], "o", color=BLUE, markersize=4)
            axis.set(ylim=(low - 0.08 * (high - low), high + 0.08 * (high - low)))
            axis.tick_params(labelsize=8, labelbottom=row == rows - 1)
            if row == 0:
                axis.set_title("energy", fontsize=10)
                where = (time[-1], float(floors[0]))
                axis.text(*where, "the memory's  ", color=GREEN, fontsize=9, ha="right", va="bottom")
            if row == rows - 1:
                axis.set_xlabel("sweeps", fontsize=9)
        _headline(figure, title)
    return figure


def recall_against_load(
    loads: Sequence[float],
    recalled: Mapping[str, Any],
    path: str | Path | None = None,
    capacity: float = 0.138,
    title: str | None = None,
    ylabel: str = "overlap with the memory",
) -> Picture:
    """For every rule its mean over seeds and their whole range; `recalled[rule]` is (seeds, loads).

    `capacity` is where theory lets Hebb's rule break down, in patterns a unit.
    """
    with page(path, 8.0, 4.6, layout="constrained") as figure:
        axis = figure.subplots()
        axis.axvline(capacity, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
        axis.text(
            capacity,
            0.02,
            f" Hebb, in theory: {capacity} N",
            color=GREY,
            fontsize=10,
            transform=axis.get_xaxis_transform(),
        )
        for (rule, values), colour in zip(recalled.items(), (ORANGE, BLUE, GREEN)):
            y = np.asarray(values, dtype=float)
            require(y.ndim == 2 and y.shape[1] == len(loads), f"{rule} must be (seeds, {len(loads)}), got {y.shape}")
            mean = y.mean(0)
            axis.fill_between(loads, y.min(0), y.max(0), color=colour, alpha=0.18, linewidth=0)
            axis.plot(loads, mean, color=colour, marker="o", markersize=4)
            where = int(np.argmin(np.abs(mean - (mean.max() + mean.min()) / 2)))  # beside the steepest part
            axis.annotate(
                rule,
                (loads[where], mean[where]),
                xytext=(12, 6),
                textcoords="offset points",
                color=colour,
                fontweight="bold",
            )
        axis.set(xlabel="load: patterns a unit, P / N", ylabel=ylabel, ylim=(min(0.0, axis.get_ylim()[0]), 1.04))
        _headline(figure, title)
    return figure


def boltzmann_page(
    filters: Tensor,
    samples: Tensor,
    repairs: Mapping[str, Tensor],
    log: Log,
    path: str | Path | None = None,
    title: str | None = None,
) -> Picture:
    """What a restricted Boltzmann machine has learned, on one page.

    filters (n, H, W): the weights of hidden units. samples (m, H, W), and the rows of `repairs` by name, (k, H, W),
    hold probabilities, NaN where a pixel is missing. `log`, a metrics.jsonl or its records: the evaluations by epoch.
    """
    for name, images in {"filters": filters, "samples": samples, **repairs}.items():
        rank(name, images, 3, layout="(n, H, W)")
    reach = filters.detach().abs().max().item() or 1.0
    strip = np.concatenate([_coloured(row, "gray_r", 0.0, 1.0) for row in repairs.values()])
    with page(path, 11.0, 8.2, layout="constrained") as figure:
        above, below = figure.add_gridspec(2, 1, height_ratios=[1, 0.38])
        left, right = above.subgridspec(1, 2)
        for place, colours, caption in (
            (left, _coloured(filters, "RdBu_r", -reach, reach), "what hidden units look for (red: ink, blue: no ink)"),
            (right, _coloured(samples, "gray_r", 0.0, 1.0), "what it dreams of: samples from Gibbs chains"),
        ):
            _bare(figure.add_subplot(place), _mosaic(colours, ceil(len(colours) ** 0.5)), caption)
        left, right = below.subgridspec(1, 2, width_ratios=[1.4, 1])
        axis = figure.add_subplot(left)
        _bare(axis, _mosaic(strip, len(strip) // len(repairs)), "what it makes of damage")
        for row, name in enumerate(repairs):
            where = (-0.01, 1 - (row + 0.5) / len(repairs))
            axis.text(*where, name, ha="right", va="center", fontsize=10, transform=axis.transAxes)
        axis, ends = figure.add_subplot(right), []
        records = [r for r in _records(log) if "evaluation" in r]
        for name, colour in zip(records[-1]["evaluation"] if records else (), (ORANGE, BLUE, GREEN)):
            epochs, values = zip(*[(r["epoch"], r["evaluation"][name]) for r in records])
            axis.plot(epochs, values, color=colour, marker="o" if len(values) == 1 else None)
            ends.append((epochs[-1], values[-1], f"{name} {values[-1]:.1f}", colour))
        _end_labels(axis, ends)
        axis.set_xlabel("epoch")
        axis.set_title("log pseudo-likelihood of an image", fontsize=11, loc="left")
        _headline(figure, title)
    return figure


def _coloured(images: Tensor, cmap: str, low: float, high: float) -> np.ndarray:
    """(n, H, W, 3); what is NaN has the colour of what is missing."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    values = images.detach().double().cpu().numpy()
    colours = colormaps[cmap](np.clip((values - low) / (high - low), 0, 1))[..., :3]
    colours[np.isnan(values)] = to_rgb(MISSING)
    return colours


def _mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Images (n, H, W, 3) side by side in rows, with white between them; every pixel eight by eight dots."""
    n, height, width, _ = images.shape
    rows, gap, zoom = ceil(n / columns), 6, 8
    height, width = zoom * height + gap, zoom * width + gap
    sheet = np.ones((rows * height - gap, columns * width - gap, 3))
    for number, image in enumerate(images):
        y, x = number // columns * height, number % columns * width
        sheet[y : y + height - gap, x : x + width - gap] = image.repeat(zoom, 0).repeat(zoom, 1)
    return sheet


def _bare(axis: Any, sheet: np.ndarray, caption: str) -> None:
    axis.imshow(sheet, interpolation="nearest")
    axis.axis("off")
    axis.set_title(caption, fontsize=11, loc="left")


def _picture(axis: Any, image: np.ndarray, low: float, high: float, cmap: str = "gray_r") -> None:
    axis.imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set(visible=True, color=FRAME)


def _headline(figure: Any, title: str | None) -> None:
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold")
