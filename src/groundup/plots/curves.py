"""Training curves, from the log of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from groundup.plots.style import BLUE, GREEN, ORANGE, PURPLE, Picture, page

LOWER_IS_BETTER = ("loss", "error", "entropy", "perplexity")


@runtime_checkable
class Run(Protocol):
    """Anything with a run folder: a `Trainer`, or the `Result` that it returns."""

    @property
    def run_dir(self) -> Path: ...


Log = str | Path | Run | Sequence[Mapping[str, Any]]
End = tuple[int, float, str, str]  # of a curve: x, y, label, colour


def curves(log: Log, path: str | Path | None = None, title: str | None = None) -> Picture:
    """Training loss (each record faint, their moving average bold) and every evaluation metric, over steps.

    log: a run (its folder, its metrics.jsonl, its `Result` or `Trainer`), or the records of a metrics.jsonl.
    path: a file to save the picture to.

    An evaluation's "loss" shares the training's axes. The best value of each metric is marked: the lowest where its
    name is of the kind LOWER_IS_BETTER, otherwise the highest.
    """
    records = _records(log)
    names = list(dict.fromkeys(name for r in records for name in r.get("evaluation", {})))
    panels = [name for name in names if name != "loss"]
    last = max((r["step"] for r in records), default=1)
    with page(path, 8.0, 3.4 + 2.2 * len(panels), layout="constrained") as figure:
        heights = [1.5] + [1.0] * len(panels)
        top, *others = figure.subplots(1 + len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        ends = _training_loss(top, _series(records, "loss"))
        if "loss" in names:
            ends += _metric(top, "evaluation", _series(records, "loss", "evaluation"), ORANGE, lower=True, last=last)
        _end_labels(top, ends)
        top.set_ylabel("loss")
        for axis, name, colour in zip(others, panels, cycle((GREEN, PURPLE, BLUE))):
            lower = any(word in name.lower() for word in LOWER_IS_BETTER)
            _end_labels(axis, _metric(axis, name, _series(records, name, "evaluation"), colour, lower, last))
            axis.set_ylabel(name)
        (others or [top])[-1].set_xlabel("optimizer step")
        top.set_xlim(0, 1.02 * last)
        epochs = records[-1].get("epoch", 0) if records else 0
        title = title or f"{last if records else 0:,} steps · {epochs:,} epoch{'' if epochs == 1 else 's'}"
        figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold")
    return figure


def _records(log: Log) -> list[Mapping[str, Any]]:
    if isinstance(log, Run):
        log = log.run_dir
    if not isinstance(log, (str, Path)):
        return list(log)
    path = Path(log) / "metrics.jsonl" if Path(log).is_dir() else Path(log)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _series(records: Sequence[Mapping[str, Any]], name: str, group: str | None = None) -> list[tuple[int, float]]:
    """The (step, value) points of one quantity; null, which stands for NaN and infinity, is left out."""
    holders = [(r["step"], r if group is None else r.get(group, {})) for r in records]
    return [(step, holder[name]) for step, holder in holders if holder.get(name) is not None]


def _training_loss(axis: Any, points: Sequence[tuple[int, float]]) -> list[End]:
    if not points:
        return []
    steps, values = zip(*points)
    smooth = _smoothed(np.asarray(values, dtype=float))
    axis.plot(steps, values, color=BLUE, alpha=0.3, linewidth=1.0)
    axis.plot(steps, smooth, color=BLUE, marker="o" if len(steps) == 1 else None)
    if min(values) > 0 and smooth.max() / smooth.min() > 20:
        axis.set_yscale("log")
    return [(steps[-1], float(smooth[-1]), f"training {smooth[-1]:.3g}", BLUE)]


def _smoothed(values: np.ndarray) -> np.ndarray:
    """The centred moving average over a thirtieth of the curve; at the ends, over what there is of the window."""
    window = np.ones(2 * (len(values) // 60) + 1)
    covered = np.convolve(np.ones_like(values), window, mode="same")
    return np.convolve(values, window, mode="same") / covered


def _metric(
    axis: Any, name: str, points: Sequence[tuple[int, float]], colour: str, lower: bool, last: int
) -> list[End]:
    if not points:
        return []
    steps, values = zip(*points)
    best = int(np.argmin(values) if lower else np.argmax(values))
    axis.plot(steps, values, color=colour, marker="o", markersize=3)
    axis.plot(steps[best], values[best], "o", markersize=9, markerfacecolor="white", markeredgecolor=colour, mew=2)
    axis.annotate(
        f"best {values[best]:.4g} at step {steps[best]:,}",
        (steps[best], values[best]),
        xytext=(0, -17 if lower else 10),  # beyond its best a curve is never
        textcoords="offset points",
        ha="right" if steps[best] > 0.3 * last else "left",
        color=colour,
        fontsize=10,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1},
    )
    axis.margins(y=0.22)
    return [(steps[-1], values[-1], f"{name} {values[-1]:.4g}", colour)]


def _end_labels(axis: Any, ends: Sequence[End]) -> None:
    """A label at each curve's end, which a legend would send the eye away for; two are held apart."""
    shifts = [8, -8] if len(ends) > 1 else [0]
    for (x, y, text, colour), shift in zip(sorted(ends, key=lambda end: end[1], reverse=True), shifts):
        axis.annotate(
            text,
            (x, y),
            xytext=(12, shift),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )
