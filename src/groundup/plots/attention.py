"""What every head of every layer looks at, on one page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from groundup.checks import rank, require
from groundup.plots.style import GREY, Picture, page


def attention_page(
    layers: Sequence[Tensor],
    path: str | Path | None = None,
    labels: Sequence[str] = (),
    title: str | None = None,
    marked: Sequence[tuple[int, int]] = (),
) -> Picture:
    """A row of maps for each layer's weights (H, T, S), a map a head: query i downwards, key j to the right.

    The darker, the more of the query's attention; each map is scaled to its largest weight, the first key left out,
    where heads with nothing to say rest. labels: one a token. marked: (layer, head) of maps to frame.
    """
    require(len(layers) > 0, "layers is empty: there is nothing to draw")
    for i, weights in enumerate(layers):
        rank(f"layers[{i}]", weights, 3, layout="(H, T, S)")
        require(not labels or len(labels) == weights.size(2), f"labels must be {weights.size(2)}, got {len(labels)}")
    heads, keys = max(len(weights) for weights in layers), layers[0].size(2)
    side = min(3.0, max(1.1, 0.11 * keys)) if labels else 1.3
    left, gap = 0.85 if labels else 0.6, 0.16
    width = left + heads * (side + gap) + 0.1
    lines = textwrap.wrap(title or "", int(10.5 * width), max_lines=4, placeholder=" …")
    head = 0.4 + (0.2 + 0.17 * len(lines) if lines else 0.0)
    height = head + len(layers) * (side + gap) + 0.1
    with page(path, width, height) as figure:
        for i, weights in enumerate(layers):
            for h, map in enumerate(weights.detach().float().cpu().numpy()):
                x, y = left + h * (side + gap), height - head - (i + 1) * (side + gap) + gap
                axis = figure.add_axes((x / width, y / height, side / width, side / height))
                limit = float(np.max(map[:, 1:], initial=0.0)) or 1.0
                axis.imshow(map, cmap="Blues", vmin=0, vmax=limit, interpolation="nearest", aspect="auto")
                axis.grid(False)
                axis.set(xticks=[], yticks=[])
                edge, line = ("#D55E00", 2.0) if (i, h) in marked else ("#DDDDDD", 0.8)
                for spine in axis.spines.values():
                    spine.set(visible=True, edgecolor=edge, linewidth=line)
                if i == 0:
                    axis.set_title(f"head {h}", fontsize=9, color=GREY, pad=3)
                if h == 0:
                    axis.set_ylabel(f"layer {i}", fontsize=9, color=GREY)
                    if labels:
                        axis.set_yticks(range(len(labels)), [_shown(label) for label in labels], fontsize=6)
                        axis.tick_params(length=0)
        figure.text(0.12 / width, 1 - 0.14 / height, "\n".join(lines), va="top", fontsize=10, fontweight="bold")
    return figure


def _shown(label: str) -> str:
    """A token that can be seen: blanks and line ends by their signs."""
    return label.replace("\n", "⏎").replace(" ", "·").replace("$", r"\$")[:8]
