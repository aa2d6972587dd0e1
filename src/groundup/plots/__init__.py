"""Every picture. The only room that imports matplotlib.

A function returns a matplotlib figure, which a notebook shows, and saves it if a path is given:

    curves("runs/digits")                            # in a notebook
    curves("runs/digits", "curves.png")              # in a program; the ending of the name chooses the format
"""

from groundup.plots.attention import (
    alignments,
    attention_overlays,
    attention_page,
    glimpse_page,
    transform_page,
    window_page,
)
from groundup.plots.curves import curves, error_comparison, fold_curves, scores_by_length
from groundup.plots.energy import boltzmann_page, recall_against_load, recall_page
from groundup.plots.images import completion_page, digit_page, image_grid, saliency_page, weight_images
from groundup.plots.maps import graph_film, node_map, project_directions, word_map
from groundup.plots.planes import Landscape, boundaries, descent_film, descents
from groundup.plots.predictions import agreement, forecast_page, spectrum
from groundup.plots.style import check_picture_path

__all__ = [
    "Landscape",
    "agreement",
    "alignments",
    "attention_overlays",
    "attention_page",
    "boltzmann_page",
    "boundaries",
    "check_picture_path",
    "completion_page",
    "curves",
    "descent_film",
    "descents",
    "digit_page",
    "error_comparison",
    "fold_curves",
    "forecast_page",
    "glimpse_page",
    "graph_film",
    "image_grid",
    "node_map",
    "project_directions",
    "recall_against_load",
    "recall_page",
    "saliency_page",
    "scores_by_length",
    "spectrum",
    "transform_page",
    "weight_images",
    "window_page",
    "word_map",
]
