"""Every picture: saved as a file, never shown. The only file that imports matplotlib."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.checks import integer, rank, require, tensor

# Okabe and Ito's palette, told apart by colour-blind readers too (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, PURPLE, INK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222", "#8A8A8A"
WRONG = "#D7191C"
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#BBBBBB",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "savefig.dpi": 150,
    "savefig.facecolor": "white",
}
LOWER_IS_BETTER = ("loss", "error", "entropy", "perplexity")

Log = str | Path | Sequence[Mapping[str, Any]]
End = tuple[int, float, str, str]  # of a curve: x, y, label, colour


@contextmanager
def _page(path: str | Path, width: float, height: float, layout: Any = None) -> Iterator[Any]:
    """A matplotlib figure of so many inches, saved at the end; no window system and no global state is touched."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'groundup[plots]'") from error
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout=layout)
        yield figure
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def curves(log: Log, path: str | Path, title: str | None = None) -> None:
    """Training loss (each record faint, their moving average bold) and every evaluation metric, over steps.

    `log` is a metrics.jsonl or its records. An evaluation's "loss" shares the training's axes. The best value of each
    metric is marked: the lowest where its name is of the kind LOWER_IS_BETTER, otherwise the highest.
    """
    records = _records(log)
    names = list(dict.fromkeys(name for r in records for name in r.get("evaluation", {})))
    panels = [name for name in names if name != "loss"]
    last = max((r["step"] for r in records), default=1)
    with _page(path, 8.0, 3.4 + 2.2 * len(panels), layout="constrained") as figure:
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


def _records(log: Log) -> list[Mapping[str, Any]]:
    if isinstance(log, (str, Path)):
        return [json.loads(line) for line in Path(log).read_text(encoding="utf-8").splitlines() if line]
    return list(log)


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
        xytext=(0, 12 if lower else -18),
        textcoords="offset points",
        ha="right" if steps[best] > 0.3 * last else "left",
        color=colour,
        fontsize=10,
    )
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


def image_grid(
    images: Tensor,
    path: str | Path,
    captions: Sequence[str] | None = None,
    marked: Sequence[bool] | None = None,
    columns: int = 12,
    title: str | None = None,
) -> None:
    """A page of images (N, H, W), (N, 1, H, W) or (N, 3, H, W) with a caption under each; `marked` ones outlined red.

    Integers are taken as 0..255; floats outside [0, 1], as normalised ones are, are scaled to fill it. Grey images are
    drawn as ink on paper: high is dark.
    """
    pictures = _displayable(images)
    captions = captions or [""] * len(pictures)
    marked = marked or [False] * len(pictures)
    require(
        len(captions) == len(marked) == len(pictures),
        f"one caption and one mark for each of {len(pictures)} images, got {len(captions)} and {len(marked)}",
    )
    columns = max(min(integer("columns", columns), len(pictures)), 5)  # room for the title over a short row
    rows = ceil(len(pictures) / columns)
    lines = [line for caption in captions for line in caption.split("\n")]
    size = min(10.0, max(5.0, 90.0 / max(map(len, lines))))  # points: so that the longest line fits under its image
    aspect = pictures.shape[1] / pictures.shape[2]
    across, down = 1.16, aspect + 0.18 + 0.2 * max(caption.count("\n") + 1 for caption in captions)
    inch, head = 0.8, 0.55 if title else 0.1
    width, height = inch * (across * columns + 0.1), inch * (down * rows + 0.05) + head
    with _page(path, width, height) as figure:
        from matplotlib.patches import Rectangle

        axis = figure.add_axes((0, 0, 1, 1 - head / height))
        for number, (picture, caption, wrong) in enumerate(zip(pictures, captions, marked)):
            x, y = across * (number % columns), down * (number // columns)
            cmap = "gray_r" if picture.ndim == 2 else None
            axis.imshow(picture, cmap=cmap, vmin=0, vmax=1, extent=(x, x + 1, y + aspect, y), interpolation="nearest")
            edge, line = (WRONG, 2.4) if wrong else ("#DDDDDD", 0.8)
            axis.add_patch(Rectangle((x, y), 1, aspect, fill=False, edgecolor=edge, linewidth=line))
            ink, weight = (WRONG, "bold") if wrong else (GREY, "normal")
            where = (x + 0.5, y + aspect + 0.07)
            axis.text(*where, caption, ha="center", va="top", fontsize=size, color=ink, fontweight=weight)
        axis.set(xlim=(-0.13, across * columns - 0.03), ylim=(down * rows, -0.05))
        axis.axis("off")
        if title:
            left = 0.13 * inch / width
            figure.text(left, 1 - 0.45 * head / height, title, va="center", fontsize=13, fontweight="bold")


def _displayable(images: Tensor) -> np.ndarray:
    """(N, H, W) or (N, H, W, 3) in [0, 1]."""
    rank("images", tensor("images", images), 3, 4, layout="(N, H, W), (N, 1, H, W) or (N, 3, H, W)")
    require(len(images) > 0, "images is empty: there is nothing to draw")
    pictures = images.detach().cpu()
    pictures = pictures.float() if pictures.is_floating_point() else pictures.float() / 255
    low, high = pictures.min(), pictures.max()
    if low < 0 or high > 1:
        pictures = (pictures - low) / (high - low).clamp(min=1e-12)
    if pictures.dim() == 4:
        require(pictures.size(1) in (1, 3), f"images must have 1 or 3 channels, got {pictures.size(1)}")
        pictures = pictures.squeeze(1) if pictures.size(1) == 1 else pictures.permute(0, 2, 3, 1)
    return pictures.numpy()


def digit_page(
    images: Tensor,
    labels: Tensor,
    predictions: Tensor,
    path: str | Path,
    class_names: Sequence[str] | None = None,
    columns: int = 12,
    rows: int = 8,
    title: str | None = None,
) -> None:
    """Images with what was predicted: mistakes first, outlined in red, as "true → predicted"; the accuracy on top.

    `labels` and `predictions` are class indices (N); of more than `columns * rows` images the first are drawn.
    """
    require(
        labels.shape == predictions.shape == images.shape[:1],
        f"labels and predictions must be one index for each of {len(images)} images, got shapes "
        f"{tuple(labels.shape)} and {tuple(predictions.shape)}",
    )
    labels, predictions = labels.cpu(), predictions.cpu()
    wrong = labels != predictions
    order = torch.argsort(wrong.int(), descending=True, stable=True)[: columns * rows]
    mistakes = int(wrong.sum())

    arrow = " → " if class_names is None or max(map(len, class_names)) < 3 else "\n→ "

    def name(index: Tensor) -> str:
        return str(int(index)) if class_names is None else class_names[int(index)]

    image_grid(
        images[order.to(images.device)],
        path,
        [f"{name(labels[i])}{arrow}{name(predictions[i])}" if wrong[i] else name(labels[i]) for i in order],
        [bool(wrong[i]) for i in order],
        columns,
        title
        or f"{len(images):,} images · {100 * (1 - mistakes / max(len(images), 1)):.2f} % right · "
        f"{mistakes:,} mistake{'' if mistakes == 1 else 's'}{' (true → predicted)' if mistakes else ''}",
    )
