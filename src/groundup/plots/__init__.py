"""Every picture: saved as a file, never shown. The only room that imports matplotlib."""

from groundup.plots.alignment import alignments
from groundup.plots.attention import attention_page
from groundup.plots.boundaries import boundaries
from groundup.plots.comparison import compared_errors
from groundup.plots.completion import agreement, completion_page, spectrum
from groundup.plots.curves import curves
from groundup.plots.descents import Landscape, descent_film, descents
from groundup.plots.embedding import word_map
from groundup.plots.energy import boltzmann_page, recall_against_load, recall_film
from groundup.plots.images import digit_page, image_grid
from groundup.plots.saliency import saliency_page
from groundup.plots.weights import weight_images

__all__ = [
    "agreement",
    "attention_page",
    "alignments",
    "boltzmann_page",
    "boundaries",
    "compared_errors",
    "completion_page",
    "curves",
    "descent_film",
    "descents",
    "digit_page",
    "image_grid",
    "Landscape",
    "recall_against_load",
    "recall_film",
    "saliency_page",
    "spectrum",
    "weight_images",
    "word_map",
]
