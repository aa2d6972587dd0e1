"""Pictures of looking: each is written, and says what does not fit."""

import pytest
import torch

from groundup import functional as G
from groundup.models.visual_transformers.swin import shift_mask
from groundup.plots import attention_overlays, glimpse_page, transform_page, window_page

IMAGES = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))
GRIDS = G.affine_grid(torch.tensor([[[0.5, 0.2, 0.1], [-0.2, 0.5, 0.0]]]).expand(3, 2, 3), (12, 12))
PLACES = torch.zeros(3, 4, 2)


def drawings(path):
    return {
        "transformed": lambda: transform_page(IMAGES, GRIDS, IMAGES, path, ["a", "b", "c"], "title"),
        "glimpses": lambda: glimpse_page(IMAGES, PLACES, (4.0, 8.0), path, ["a", "b", "c"], [True, False, False], 2),
        "attention": lambda: attention_overlays(IMAGES, {"one": torch.rand(3, 3, 3), "two": torch.rand(3, 4, 4)}, path),
        "colour": lambda: attention_overlays(IMAGES.expand(-1, 3, -1, -1), {"one": torch.rand(3, 3, 3)}, path),
        "windows": lambda: window_page(8, 8, 4, 2, shift_mask(8, 8, 4, (2, 2)), path, "title"),
    }


@pytest.mark.parametrize("name", list(drawings("")))
def test_a_page_is_written(name, tmp_path):
    imread = pytest.importorskip("matplotlib.image").imread
    drawings(tmp_path / "page.png")[name]()
    assert imread(tmp_path / "page.png")[..., :3].std() > 0.05


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: transform_page(IMAGES, GRIDS[:2], IMAGES, p), "grids must have 3 grids, one per image"),
        (lambda p: transform_page(IMAGES, GRIDS, IMAGES, p, ["a"]), "one caption for each of 3 images, got 1"),
        (lambda p: glimpse_page(IMAGES, PLACES[0], (4.0,), p), "places must have shape"),
        (lambda p: attention_overlays(IMAGES, {"one": torch.rand(2, 3, 3)}, p), "one must have 3 maps, one per image"),
        (lambda p: window_page(8, 8, 4, 2, torch.ones(3, 16, 16), p), "masks must be 4, one per window, got 3"),
    ],
)
def test_what_does_not_fit_is_said(call, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        call(tmp_path / "page.png")
