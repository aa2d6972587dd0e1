"""How every picture looks, and the page it is drawn on."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundup.plots.figure import Film, Picture
else:
    Film = Picture = Any  # matplotlib is imported where a picture is drawn

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


def matplotlib(module: str = "") -> ModuleType:
    """matplotlib, or a module of it; `ImportError` with the command that installs it."""
    try:
        return importlib.import_module("matplotlib" + (module and f".{module}"))
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'groundup[plots]'") from error


def drawable(path: str | Path) -> Path:
    """The file a picture can be drawn into; `ValueError` for a format that matplotlib does not write."""
    formats = matplotlib("backend_bases").FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix.lower().removeprefix(".") not in formats:
        raise ValueError(f"a picture's name must end in one of {', '.join(f'.{f}' for f in formats)}; got {path}")
    return Path(path)


@contextmanager
def page(path: str | Path | None, width: float, height: float, layout: Any = None) -> Iterator[Any]:
    """A matplotlib figure of so many inches, saved at the end if `path` names a file.

    It does not come from pyplot: no window opens, and no global state holds it. A notebook shows it, see `Picture`.
    """
    path = None if path is None else drawable(path)
    with matplotlib().rc_context(STYLE):
        from groundup.plots.figure import Picture

        figure = Picture(figsize=(width, height), layout=layout)
        yield figure
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path)


@contextmanager
def film(path: str | Path | None, width: float, height: float, fps: int) -> Iterator[tuple[Any, Callable[[], None]]]:
    """A figure and a function that takes it as the next frame of a GIF, saved at the end if `path` names a file."""
    writer = matplotlib("animation").PillowWriter(fps=fps)
    with matplotlib().rc_context(STYLE), TemporaryDirectory() as folder:
        from groundup.plots.figure import Film

        figure, file = Film(figsize=(width, height)), Path(path or f"{folder}/film.gif")
        file.parent.mkdir(parents=True, exist_ok=True)
        with writer.saving(figure, str(file), dpi=72):
            yield figure, partial(writer.grab_frame, facecolor="white")
        figure.gif = file.read_bytes()
