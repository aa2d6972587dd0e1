"""Every picture: saved as a file, never shown. The only room that imports matplotlib."""

from groundup.plots.completion import agreement, completion_page, spectrum
from groundup.plots.curves import curves
from groundup.plots.embedding import word_map
from groundup.plots.images import digit_page, image_grid

__all__ = ["agreement", "completion_page", "curves", "digit_page", "image_grid", "spectrum", "word_map"]
