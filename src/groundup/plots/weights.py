"""The weights of a linear classifier, drawn as the images that they look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from groundup.checks import rank, require
from groundup.plots.style import Picture, page


def weight_images(
    rows: Mapping[str, Tensor], class_names: Sequence[str], path: str | Path | None = None, title: str | None = None
) -> Picture:
    """A row of images for each of `rows`, name → weights (C, H, W), one a class: blue speaks for it, red against it.

    Each row has a colour scale of its own, symmetric around 0.
    """
    require(len(rows) > 0, "rows is empty: there is nothing to draw")
    for name, weights in rows.items():
        rank(name, weights, 3, layout="(C, H, W)")
        require(len(weights) == len(class_names), f"{name} must have {len(class_names)} images, got {len(weights)}")
    columns = len(class_names)
    with page(path, 1.0 * columns + 1.9, 1.0 * len(rows) + (0.75 if title else 0.3)) as figure:
        width, height = figure.get_size_inches()
        for r, (name, weights) in enumerate(rows.items()):
            bottom = height - (0.75 if title else 0.3) - 1.0 * (r + 1) + 0.06
            figure.text(1.72 / width, (bottom + 0.45) / height, name, ha="right", va="center")
            limit = float(weights.abs().max()) or 1.0
            for c in range(columns):
                axis = figure.add_axes(((1.84 + c) / width, bottom / height, 0.92 / width, 0.92 / height))
                image = np.asarray(weights[c].detach().cpu())
                axis.imshow(image, cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                for spine in axis.spines.values():
                    spine.set(visible=True, edgecolor="#DDDDDD")
                if r == 0:
                    axis.set_title(class_names[c], fontsize=11, pad=4)
        if title:
            figure.text(0.12 / width, 1 - 0.25 / height, title, va="center", fontsize=13, fontweight="bold")
    return figure
