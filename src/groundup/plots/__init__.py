"""Every picture: saved as a file, never shown. The only room that imports matplotlib."""

from groundup.plots.completion import agreement, completion_page, spectrum
from groundup.plots.curves import curves
from groundup.plots.embedding import word_map
from groundup.plots.energy import boltzmann_page, recall_against_load, recall_film
from groundup.plots.images import digit_page, image_grid

__all__ = [
    "agreement",
    "boltzmann_page",
    "completion_page",
    "curves",
    "digit_page",
    "image_grid",
    "recall_against_load",
    "recall_film",
    "spectrum",
    "word_map",
]
