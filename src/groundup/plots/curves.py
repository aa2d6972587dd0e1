"""Curves: of a training run, of several runs, of cross-validation folds, and scores against sentence length."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from groundup.checks import rank, require, tensor
from groundup.plots import style
from groundup.plots.style import File, Picture

LOWER_IS_BETTER = ("loss", "error", "entropy", "perplexity")


@runtime_checkable
class Run(Protocol):
    """Anything with a run folder: a `Trainer`, or the `Result` that it returns."""

    @property
    def run_dir(self) -> Path: ...


Log = str | Path | Run | Sequence[Mapping[str, Any]]
Series = Sequence[tuple[int, float]]  # (step, value)
Ending = tuple[int, float, str, str]  # of a curve: x, y, label, colour


def curves(log: Log, path: File = None, title: str = "") -> Picture:
    """Draw the training loss (each record faint, their moving average bold) and every evaluation metric, over steps.

    The loss of an evaluation shares the axes of the training loss; every other metric has axes of its own. The best
    value of each metric is marked: the lowest if its name contains a word of `LOWER_IS_BETTER`, otherwise the highest.

    Args:
        log: a run (its folder, its metrics.jsonl, its `Result` or `Trainer`), or the records of a metrics.jsonl.
        path: the file to save the picture to.
        title: by default the number of steps and epochs.

    Example:
        >>> figure = curves([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}])
        >>> figure.axes[0].get_ylabel()
        'loss'
    """
    records = read_log(log)
    names = list(dict.fromkeys(name for r in records for name in r.get("evaluation", {})))
    panels = [name for name in names if name != "loss"]
    last = max((r["step"] for r in records), default=1)
    epochs = records[-1].get("epoch", 0) if records else 0
    title = title or f"{last if records else 0:,} steps · {epochs:,} epoch{'' if epochs == 1 else 's'}"
    with style.page(path, 8.0, 3.4 + 2.2 * len(panels), title=title) as figure:
        heights = [1.5] + [1.0] * len(panels)
        top, *others = figure.subplots(1 + len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        endings = _draw_training_loss(top, _select(records, "loss"))
        if "loss" in names:
            series = _select(records, "loss", "evaluation")
            endings += _draw_metric(top, "evaluation", series, style.ORANGE, is_lower_better=True, last=last)
        label_endings(top, endings)
        top.set_ylabel("loss")
        for axis, name, colour in zip(others, panels, cycle((style.GREEN, style.PURPLE, style.BLUE))):
            is_lower_better = any(word in name.lower() for word in LOWER_IS_BETTER)
            series = _select(records, name, "evaluation")
            label_endings(axis, _draw_metric(axis, name, series, colour, is_lower_better, last))
            axis.set_ylabel(name)
        (others or [top])[-1].set_xlabel("optimizer step")
        top.set_xlim(0, 1.02 * last)
    return figure


def error_comparison(logs: Mapping[str, Log], path: File = None, title: str = "") -> Picture:
    """Draw the training losses and the test errors of several runs over epochs, one line per run.

    The test error is 100 minus the accuracy of the evaluations, in %. Losses have a logarithmic scale; errors are cut
    off above three times the largest error of the second halves of the runs.

    Args:
        logs: name → log, each as for `curves`; 1 to 5 of them.
        path: the file to save the picture to.
        title: the text above the picture.
    """
    require(0 < len(logs) <= 5, f"1 to 5 logs can be told apart, got {len(logs)}")
    with style.page(path, 10.0, 4.2, title=title) as figure:
        left, right = figure.subplots(1, 2)
        top = 0.0
        for (name, log), colour in zip(logs.items(), (style.INK, style.BLUE, style.ORANGE, style.GREEN, style.PURPLE)):
            records = read_log(log)
            last = max((r["step"] for r in records), default=1)
            scale = max((r["epoch"] for r in records if "evaluation" in r), default=1) / last  # epochs per step
            errors = [(scale * step, 100 * (1 - v)) for step, v in _select(records, "accuracy", "evaluation")]
            if errors:
                right.plot(*zip(*errors), color=colour, linewidth=1.6)
                top = max(top, max(error for _, error in errors[len(errors) // 2 :]))
                name = f"{name} {errors[-1][1]:.2f} %"
            losses = [(scale * step, v) for step, v in _select(records, "loss")]
            left.plot(*(zip(*losses) if losses else ([], [])), color=colour, linewidth=1.2, label=name)
        left.set(yscale="log", xlabel="epoch", title="training loss")
        right.set(xlabel="epoch", title="test error, %", ylim=(0, max(3 * top, 1.0)))
        figure.legend(loc="outside lower center", ncols=len(logs))
    return figure


def fold_curves(accuracy: Tensor, path: File = None, title: str = "") -> Picture:
    """Draw the test accuracy of each fold of a cross-validation over epochs, and their mean with its best epoch.

    Args:
        accuracy: (folds, epochs), in %.
        path: the file to save the picture to.
        title: the text above the picture.
    """
    rank("accuracy", tensor("accuracy", accuracy), 2, layout="(folds, epochs)")
    values = accuracy.cpu().double().numpy()
    mean = values.mean(0)
    best = int(mean.argmax())
    epochs = np.arange(1, len(mean) + 1)
    spread = f" ± {values[:, best].std():.1f}" if len(values) > 1 else ""
    with style.page(path, 8.0, 4.4) as figure:
        axis = figure.add_subplot()
        axis.plot(epochs, values.T, color=style.GREY, linewidth=0.7, alpha=0.5)
        axis.plot(epochs, mean, color=style.BLUE)
        label = f"best mean {mean[best]:.1f}{spread} % at epoch {epochs[best]}"
        side = "right" if best > 0.5 * len(mean) else "left"
        _mark_best(axis, (epochs[best], mean[best]), label, style.BLUE, (0, 12), ha=side)
        axis.set(xlabel="epoch", ylabel="test accuracy, %", xlim=(1, max(len(mean), 2)))
        axis.set_title(title, **style.HEADING)
    return figure


def scores_by_length(runs: Mapping[str, Sequence[tuple[float, float]]], path: File = None, title: str = "") -> Picture:
    """Draw BLEU against the length of the sentences, as figure 2 of Bahdanau et al. 2015, arXiv:1409.0473.

    Args:
        runs: name → points (length in words, BLEU), from short sentences to long ones. The first line is the thickest.
        path: the file to save the picture to.
        title: the text above the picture.
    """
    require(len(runs) > 0, "runs is empty: there is nothing to draw")
    with style.page(path, 7.0, 4.2, title=title) as figure:
        axis = figure.subplots()
        for i, ((name, points), colour) in enumerate(
            zip(runs.items(), cycle((style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.INK, style.GREY)))
        ):
            require(len(points) > 0, f"runs[{name!r}] is empty: it must have a point (length, BLEU) at least")
            width = 2.4 if i == 0 else 1.4
            axis.plot(*zip(*points), "o-", color=colour, linewidth=width, markersize=5, label=name)
        axis.set(xlabel="words of the source", ylabel="BLEU")
        axis.set_ylim(0, 1.1 * max(max(score for points in runs.values() for _, score in points), 1.0))
        axis.legend(loc="lower left")
    return figure


def read_log(log: Log) -> list[Mapping[str, Any]]:
    """Return the records of a log: of a run's folder, of a metrics.jsonl, or those given."""
    if isinstance(log, Run):
        log = log.run_dir
    if not isinstance(log, (str, Path)):
        return list(log)
    path = Path(log) / "metrics.jsonl" if Path(log).is_dir() else Path(log)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def label_endings(axis: Any, endings: Sequence[Ending]) -> None:
    """Label each curve at its end instead of in a legend; two labels are moved apart."""
    shifts = [8, -8] if len(endings) > 1 else [0]
    for (x, y, text, colour), shift in zip(sorted(endings, key=lambda end: end[1], reverse=True), shifts):
        style.label_point(axis, text, (x, y), (12, shift), va="center", color=colour, annotation_clip=False)


def _select(records: Sequence[Mapping[str, Any]], name: str, group: str | None = None) -> Series:
    """Return the points of one quantity, without null, which is written for NaN and infinity."""
    holders = [(r["step"], r if group is None else r.get(group, {})) for r in records]
    return [(step, holder[name]) for step, holder in holders if holder.get(name) is not None]


def _draw_training_loss(axis: Any, series: Series) -> list[Ending]:
    if not series:
        return []
    steps, values = zip(*series)
    smooth = _smooth(np.asarray(values, dtype=float))
    axis.plot(steps, values, color=style.BLUE, alpha=0.3, linewidth=1.0)
    axis.plot(steps, smooth, color=style.BLUE, marker="o" if len(steps) == 1 else None)
    if min(values) > 0 and smooth.max() / smooth.min() > 20:
        axis.set_yscale("log")
    return [(steps[-1], float(smooth[-1]), f"training {smooth[-1]:.3g}", style.BLUE)]


def _smooth(values: np.ndarray) -> np.ndarray:
    """Return the centred moving average over a thirtieth of the curve; at its ends the window is shorter."""
    window = np.ones(2 * (len(values) // 60) + 1)
    covered = np.convolve(np.ones_like(values), window, mode="same")
    return np.convolve(values, window, mode="same") / covered


def _draw_metric(axis: Any, name: str, series: Series, colour: str, is_lower_better: bool, last: int) -> list[Ending]:
    if not series:
        return []
    steps, values = zip(*series)
    best = int(np.argmin(values) if is_lower_better else np.argmax(values))
    axis.plot(steps, values, color=colour, marker="o", markersize=3)
    label = f"best {values[best]:.4g} at step {steps[best]:,}"
    offset = (0, -17 if is_lower_better else 10)  # no part of a curve lies beyond its best value
    side = "right" if steps[best] > 0.3 * last else "left"
    paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}
    _mark_best(axis, (steps[best], values[best]), label, colour, offset, ha=side, fontsize=10, bbox=paper)
    axis.margins(y=0.22)
    return [(steps[-1], values[-1], f"{name} {values[-1]:.4g}", colour)]


def _mark_best(axis: Any, point: Any, label: str, colour: str, offset: Any, **options: Any) -> None:
    axis.plot(*point, "o", markersize=9, markerfacecolor="white", markeredgecolor=colour, mew=2)
    style.label_point(axis, label, point, offset, color=colour, **options)
