"""Every picture: saved as a file, never shown. The only room that imports matplotlib."""

from groundup.plots.boundaries import boundaries
from groundup.plots.curves import curves
from groundup.plots.descents import Landscape, descent_film, descents
from groundup.plots.images import digit_page, image_grid
from groundup.plots.weights import weight_images

__all__ = [
    "boundaries",
    "curves",
    "descents",
    "descent_film",
    "Landscape",
    "digit_page",
    "image_grid",
    "weight_images",
]
