"""Every picture. The only room that imports matplotlib.

A function returns a matplotlib figure, which a notebook shows, and saves it if a path is given:

    curves("runs/digits")                            # in a notebook
    curves("runs/digits", "curves.png")              # in a program; the ending chooses the format
"""

from groundup.plots.alignment import alignments
from groundup.plots.attention import attention_page
from groundup.plots.boundaries import boundaries
from groundup.plots.comparison import compared_errors
from groundup.plots.completion import agreement, completion_page, spectrum
from groundup.plots.curves import curves
from groundup.plots.descents import Landscape, descent_film, descents
from groundup.plots.embedding import word_map
from groundup.plots.energy import boltzmann_page, recall_against_load, recall_film
from groundup.plots.forecast import forecast_page
from groundup.plots.graphs import directions, fold_curves, graph_film, node_map
from groundup.plots.images import digit_page, image_grid
from groundup.plots.lengths import scores_by_length
from groundup.plots.looking import attended_images, glimpse_page, transformed_page, window_page
from groundup.plots.saliency import saliency_page
from groundup.plots.style import drawable
from groundup.plots.weights import weight_images

__all__ = [
    "agreement",
    "alignments",
    "attended_images",
    "attention_page",
    "boltzmann_page",
    "boundaries",
    "compared_errors",
    "completion_page",
    "curves",
    "descent_film",
    "descents",
    "digit_page",
    "drawable",
    "fold_curves",
    "forecast_page",
    "glimpse_page",
    "graph_film",
    "image_grid",
    "Landscape",
    "node_map",
    "directions",
    "recall_against_load",
    "recall_film",
    "saliency_page",
    "scores_by_length",
    "spectrum",
    "transformed_page",
    "weight_images",
    "window_page",
    "word_map",
]
