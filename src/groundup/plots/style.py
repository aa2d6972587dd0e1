"""The style of every picture: colours, matplotlib's settings, new pages and films, frames and titles."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from groundup.checks import require

if TYPE_CHECKING:
    from groundup.plots.figure import Film, Picture
else:
    Film = Picture = Any  # matplotlib is imported where a picture is drawn

# Okabe and Ito's palette, which colour-blind readers can tell apart too (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, PURPLE, INK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222", "#8A8A8A"
WRONG, FRAME = "#D7191C", "#DDDDDD"
DASHED = (0, (4, 3))
File = str | Path | None  # a picture is saved to
#: The title of a picture that has one pair of axes.
HEADING: dict[str, Any] = {"loc": "left", "fontsize": 13, "fontweight": "bold"}
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
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "savefig.dpi": 150,
    "savefig.facecolor": "white",
}


def import_matplotlib(module: str = "") -> ModuleType:
    """Return matplotlib, or a module of it. Raises `ImportError` with the command that installs it."""
    try:
        return importlib.import_module("matplotlib" + (module and f".{module}"))
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'groundup[plots]'") from error


def check_picture_path(path: str | Path) -> Path:
    """Return `path` as a `Path`. Raises `ValueError` for a file format that matplotlib does not write."""
    formats = import_matplotlib("backend_bases").FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix.lower().removeprefix(".") not in formats:
        raise ValueError(f"a picture's name must end in one of {', '.join(f'.{f}' for f in formats)}; got {path}")
    return Path(path)


@contextmanager
def page(path: File, width: float, height: float, layout: Any = "constrained", title: str = "") -> Iterator[Any]:
    """Open a matplotlib figure of `width` by `height` inches; save it at the end if `path` names a file.

    layout: matplotlib's layout engine; None where the axes are placed in inches, with `place_axes`.
    title: drawn above the axes of a constrained layout; elsewhere use `place_title`.

    The figure does not come from pyplot: no window opens, and no global state holds it. A notebook shows it, see
    `Picture`.
    """
    path = None if path is None else check_picture_path(path)
    with import_matplotlib().rc_context(STYLE):
        from groundup.plots.figure import Picture

        figure = Picture(figsize=(width, height), layout=layout)
        yield figure
        if title:
            figure.suptitle(title, x=0.02, ha="left")
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path)


@contextmanager
def film(path: File, width: float, height: float, fps: int) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Open a figure of `width` by `height` inches, with a function that adds it to an animated GIF as the next frame.

    The film of `fps` frames per second is saved at the end if `path` names a file.
    """
    writer = import_matplotlib("animation").PillowWriter(fps=fps)
    with import_matplotlib().rc_context(STYLE), TemporaryDirectory() as folder:
        from groundup.plots.figure import Film

        figure, file = Film(figsize=(width, height)), Path(path or f"{folder}/film.gif")
        file.parent.mkdir(parents=True, exist_ok=True)
        with writer.saving(figure, str(file), dpi=72):
            yield figure, partial(writer.grab_frame, facecolor="white")
        figure.gif = file.read_bytes()


def place_axes(figure: Any, left: float, bottom: float, width: float, height: float) -> Any:
    """Return new axes at this place of the page, in inches."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / down, width / across, height / down))


def place_title(figure: Any, title: str, left: float = 0.12, top: float = 0.25) -> None:
    """Draw the title, its middle `top` inches below the upper edge of the page and its start `left` inches from it."""
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - top / down, title, va="center", fontsize=13, fontweight="bold")


def show_image(axis: Any, image: Any, cmap: Any = "gray_r", low: Any = 0, high: Any = 1, **options: Any) -> None:
    """Draw an image (H, W) or (H, W, 3) pixel by pixel, with a thin frame; by default numbers are ink on paper."""
    axis.imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest", **options)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color=FRAME)


def remove_frame(axis: Any) -> None:
    """Leave out ticks and spines."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def label_point(axis: Any, text: str, point: Any, offset: Any, **options: Any) -> None:
    """Write `text` at `offset` points from `point`, a place in the data's coordinates."""
    axis.annotate(text, point, xytext=offset, textcoords="offset points", **options)


def fill_captions(captions: Sequence[str], count: int) -> Sequence[str]:
    """Return one caption for each of `count` images; empty ones where none are given."""
    captions = captions or [""] * count
    require(len(captions) == count, f"one caption for each of {count} images, got {len(captions)}")
    return captions
