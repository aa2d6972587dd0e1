"""Energy-based models: states on their way down, recall against load, and what a Boltzmann machine has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from torch import Tensor

from groundup.checks import rank, require, size
from groundup.plots import style
from groundup.plots.curves import Log, label_endings, read_log
from groundup.plots.style import File, Picture

HEBB_CAPACITY = 0.138  # patterns per unit
MISSING = "#F6C9A8"


def recall_page(
    states: Tensor, energies: Tensor, floors: Tensor, shown: Sequence[int], path: File, sweep: int, title: str = ""
) -> Picture:
    """Draw a row per state of a Hopfield network: the state at several moments, and its energy at all of them.

    Args:
        states: (T, R, H, W), each ±1: R states at T moments.
        energies: (T, R).
        floors: (R,), the energy of the memory of each row.
        shown: the moments whose states are drawn.
        path: the file to save the picture to.
        sweep: the number of moments per sweep.
        title: the text above the picture.
    """
    rank("states", states, 4, layout="(T, R, H, W)")
    moments, rows = states.shape[:2]
    size("energies", rank("energies", energies, 2, layout="(T, R)"), 0, moments, "moments, as states has")
    size("energies", energies, 1, rows, "rows, as states has")
    require(tuple(floors.shape) == (rows,), f"floors must have shape ({rows},), got {tuple(floors.shape)}")
    require(len(shown) > 0 and all(0 <= t < moments for t in shown), f"shown must lie in [0, {moments - 1}]")
    time, e = np.arange(moments) / sweep, energies.double().cpu().numpy()
    low, high = min(e.min(), float(floors.min())), e.max()
    widths = [1.0] * len(shown) + [2.9]
    with style.page(path, 1.15 * len(shown) + 3.6, 1.15 * rows + 0.95, title=title) as figure:
        axes = figure.subplots(rows, len(widths), squeeze=False, width_ratios=widths)
        for row, (*pictures, axis) in enumerate(axes):
            for picture, t in zip(pictures, shown):
                style.show_image(picture, states[t, row].cpu().numpy(), low=-1.0)
            axis.axhline(float(floors[row]), color=style.GREEN, linewidth=1.2, linestyle=style.DASHED)
            axis.plot(time, e[:, row], color=style.BLUE)
            axis.plot(time[list(shown)], e[list(shown), row], "o", color=style.BLUE, markersize=4)
            axis.set(ylim=(low - 0.08 * (high - low), high + 0.08 * (high - low)))
            axis.tick_params(labelsize=8, labelbottom=row == rows - 1)
        for picture, t in zip(axes[0], shown):
            when = f"{time[t]:.3g} sweep" + ("s" if time[t] > 1 else "")
            picture.set_title(when if t > 0 else "start", fontsize=10)
        axes[0, -1].set_title("energy", fontsize=10)
        where = (time[-1], float(floors[0]))
        axes[0, -1].text(*where, "the memory's  ", color=style.GREEN, fontsize=9, ha="right", va="bottom")
        axes[-1, -1].set_xlabel("sweeps", fontsize=9)
    return figure


def recall_against_load(
    loads: Sequence[float], recalled: Mapping[str, Any], path: File = None, title: str = ""
) -> Picture:
    """Draw the recall of several learning rules against the load: the mean over seeds, and their range.

    A line marks the load at which theory predicts that Hebb's rule breaks down.

    Args:
        loads: patterns per unit.
        recalled: rule → overlap with the memory (seeds, loads).
        path: the file to save the picture to.
        title: the text above the picture.
    """
    with style.page(path, 8.0, 4.6, title=title) as figure:
        axis = figure.subplots()
        axis.axvline(HEBB_CAPACITY, color=style.GREY, linewidth=1.2, linestyle=style.DASHED)
        note, place = f" Hebb, in theory: {HEBB_CAPACITY} N", axis.get_xaxis_transform()
        axis.text(HEBB_CAPACITY, 0.02, note, color=style.GREY, fontsize=10, transform=place)
        for (rule, values), colour in zip(recalled.items(), (style.ORANGE, style.BLUE, style.GREEN)):
            y = np.asarray(values, dtype=float)
            require(y.ndim == 2 and y.shape[1] == len(loads), f"{rule} must be (seeds, {len(loads)}), got {y.shape}")
            mean = y.mean(0)
            axis.fill_between(loads, y.min(0), y.max(0), color=colour, alpha=0.18, linewidth=0)
            axis.plot(loads, mean, color=colour, marker="o", markersize=4)
            steepest = int(np.argmin(np.abs(mean - (mean.max() + mean.min()) / 2)))
            style.label_point(axis, rule, (loads[steepest], mean[steepest]), (12, 6), color=colour, fontweight="bold")
        axis.set(
            xlabel="load: patterns per unit, P / N",
            ylabel="overlap with the memory",
            ylim=(min(0.0, axis.get_ylim()[0]), 1.04),
        )
    return figure


def boltzmann_page(
    filters: Tensor, samples: Tensor, repairs: Mapping[str, Tensor], log: Log, path: File = None, title: str = ""
) -> Picture:
    """Draw what a restricted Boltzmann machine has learned: filters, samples, repaired images, and its likelihood.

    Args:
        filters: (n, H, W), the weights of hidden units.
        samples: (m, H, W), probabilities.
        repairs: name → probabilities (k, H, W), one row each; NaN where a pixel is missing.
        log: as for `groundup.plots.curves`; its evaluations are drawn by epoch.
        path: the file to save the picture to.
        title: the text above the picture.
    """
    for name, images in {"filters": filters, "samples": samples, **repairs}.items():
        rank(name, images, 3, layout="(n, H, W)")
    reach = filters.detach().abs().max().item() or 1.0
    strip = np.concatenate([_colour(row, "gray_r", 0.0, 1.0) for row in repairs.values()])
    with style.page(path, 11.0, 8.2, title=title) as figure:
        above, below = figure.add_gridspec(2, 1, height_ratios=[1, 0.38])
        left, right = (figure.add_subplot(place) for place in above.subgridspec(1, 2))
        seeds = "what hidden units look for (red: ink, blue: no ink)"
        _show_mosaic(left, _colour(filters, "RdBu_r", -reach, reach), ceil(len(filters) ** 0.5), seeds)
        dreams = _colour(samples, "gray_r", 0.0, 1.0)
        _show_mosaic(right, dreams, ceil(len(samples) ** 0.5), "what it dreams of: samples from Gibbs chains")
        left, right = (figure.add_subplot(place) for place in below.subgridspec(1, 2, width_ratios=[1.4, 1]))
        _show_mosaic(left, strip, len(strip) // len(repairs), "what it makes of damage")
        for row, name in enumerate(repairs):
            where = (-0.01, 1 - (row + 0.5) / len(repairs))
            left.text(*where, name, ha="right", va="center", fontsize=10, transform=left.transAxes)
        endings = []
        records = [r for r in read_log(log) if "evaluation" in r]
        for name, colour in zip(records[-1]["evaluation"] if records else (), (style.ORANGE, style.BLUE, style.GREEN)):
            epochs, values = zip(*[(r["epoch"], r["evaluation"][name]) for r in records])
            right.plot(epochs, values, color=colour, marker="o" if len(values) == 1 else None)
            endings.append((epochs[-1], values[-1], f"{name} {values[-1]:.1f}", colour))
        label_endings(right, endings)
        right.set_xlabel("epoch")
        right.set_title("log pseudo-likelihood of an image", fontsize=11, loc="left")
    return figure


def _colour(images: Tensor, cmap: str, low: float, high: float) -> np.ndarray:
    """Return the images (n, H, W) in colours, (n, H, W, 3); NaN gets the colour of missing pixels."""
    from matplotlib import colormaps

    shades = colormaps[cmap].with_extremes(bad=MISSING)
    return shades(np.clip((images.detach().double().cpu().numpy() - low) / (high - low), 0, 1))[..., :3]


def _show_mosaic(axis: Any, images: np.ndarray, columns: int, caption: str) -> None:
    """Draw images (n, H, W, 3) in rows of `columns`, white between them, every pixel as eight by eight dots."""
    n, height, width, _ = images.shape
    rows, gap, zoom = ceil(n / columns), 6, 8
    height, width = zoom * height + gap, zoom * width + gap
    sheet = np.ones((rows * height - gap, columns * width - gap, 3))
    for number, image in enumerate(images):
        y, x = number // columns * height, number % columns * width
        sheet[y : y + height - gap, x : x + width - gap] = image.repeat(zoom, 0).repeat(zoom, 1)
    axis.imshow(sheet, interpolation="nearest")
    axis.axis("off")
    axis.set_title(caption, fontsize=11, loc="left")
