"""Every picture: saved as a file, never shown. The only room that imports matplotlib."""

from groundup.plots.curves import curves
from groundup.plots.images import digit_page, image_grid
from groundup.plots.saliency import saliency_page

__all__ = ["curves", "digit_page", "image_grid", "saliency_page"]
