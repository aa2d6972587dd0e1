"""Which source words a translation looked at, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from groundup.checks import rank, require
from groundup.plots.style import Picture, page

_CELL, _LEFT, _TOP, _GAP = 0.3, 1.35, 1.25, 0.45  # inches


def alignments(
    panels: Sequence[tuple[Sequence[str], Sequence[str], Tensor]],
    path: str | Path | None = None,
    title: str | None = None,
) -> Picture:
    """One panel for each (source words, target words, weights (target, source)), side by side: dark where it looked.

    As figure 3 of Bahdanau et al. 2015: sources run to the right, targets downwards.
    """
    require(len(panels) > 0, "panels is empty: there is nothing to draw")
    for source, target, weights in panels:
        rank("weights", weights, 2, layout="(target, source)")
        require(
            tuple(weights.shape) == (len(target), len(source)),
            f"weights must be (target, source) = ({len(target)}, {len(source)}), got {tuple(weights.shape)}",
        )
    head = _TOP + (0.35 if title else 0.0)
    width = sum(_LEFT + _CELL * len(source) + _GAP for source, _, _ in panels)
    height = head + _CELL * max(len(target) for _, target, _ in panels) + 0.2
    with page(path, width, height) as figure:
        left = 0.0
        for source, target, weights in panels:
            across, down = _CELL * len(source), _CELL * len(target)
            box = ((left + _LEFT) / width, 1 - (head + down) / height, across / width, down / height)
            axis = figure.add_axes(box)
            axis.imshow(np.asarray(weights.detach().cpu()), cmap="Blues", vmin=0, vmax=1, aspect="auto")
            axis.grid(False)
            axis.set_xticks(range(len(source)), source, rotation=55, ha="left", rotation_mode="anchor", fontsize=9)
            axis.set_yticks(range(len(target)), target, fontsize=9)
            axis.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
            for spine in axis.spines.values():
                spine.set(visible=True, edgecolor="#DDDDDD")
            left += _LEFT + across + _GAP
        if title:
            figure.text(0.12 / width, 1 - 0.2 / height, title, va="center", fontsize=13, fontweight="bold")
    return figure
