"""Figures that a notebook shows, whether or not it has imported pyplot.

A file of its own, because the classes derive from matplotlib's: it is imported where the first picture is drawn.
"""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

from matplotlib import rc_context
from matplotlib.figure import Figure

from groundup.plots.style import STYLE


class Picture(Figure):
    """A `matplotlib.figure.Figure` that IPython can show: it returns the PNG that IPython asks an object for."""

    def _repr_png_(self) -> bytes:
        png = BytesIO()
        with rc_context(STYLE):
            self.savefig(png, format="png", dpi=100)
        return png.getvalue()


class Film(Picture):
    """The figure that the frames were drawn in; `gif` holds the film, an animated GIF."""

    gif: bytes

    def _repr_html_(self) -> str:
        return f'<img src="data:image/gif;base64,{b64encode(self.gif).decode()}">'
