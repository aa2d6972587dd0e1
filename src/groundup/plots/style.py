"""How every picture looks, and the page it is drawn on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def drawable(path: str | Path) -> Path:
    """The file a picture can be drawn into; `ValueError` for a format that matplotlib does not write."""
    try:
        from matplotlib import backend_bases
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'groundup[plots]'") from error
    formats = backend_bases.FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix.lower().removeprefix(".") not in formats:
        raise ValueError(f"a picture's name must end in one of {', '.join(f'.{f}' for f in formats)}; got {path}")
    return Path(path)


@contextmanager
def page(path: str | Path, width: float, height: float, layout: Any = None) -> Iterator[Any]:
    """A matplotlib figure of so many inches, saved at the end; no window system and no global state is touched."""
    path = drawable(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout=layout)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
