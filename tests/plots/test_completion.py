"""Pictures of completed tables: holes are coloured, the spectrum is that of the table, medians are medians."""

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib")
from matplotlib.image import imread

from groundup.plots import agreement, completion_page, spectrum
from groundup.plots.images import HOLE
from groundup.plots.style import BLUE, ORANGE


def near(path, colour):
    """How many pixels have a colour, given as #rrggbb."""
    target = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return int((np.abs(imread(path)[..., :3] - target).max(-1) < 0.02).sum())


@pytest.fixture
def drawn(monkeypatch):
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, path: (figures.append(self), save(self, path)))
    return figures


def test_holes_are_coloured_and_nothing_else(tmp_path):
    images = torch.rand(5, 8, 8)
    areas = []
    for share in (0.0, 0.25, 0.5):
        known = torch.ones(5, 64)
        known[:, : int(64 * share)] = 0
        completion_page(images, known.bool().view_as(images), images, tmp_path / "page.png", "title")
        areas.append(near(tmp_path / "page.png", HOLE))
    assert areas[0] < 20
    assert areas[2] == pytest.approx(2 * areas[1], rel=0.05)


def test_the_spectrum_is_the_tables(tmp_path, drawn):
    table = torch.randn(30, 6) + 10
    spectrum(table, 2, tmp_path / "spectrum.png", "title")
    heights = [bar.get_height() for bar in drawn[0].axes[0].patches]
    values = torch.linalg.svdvals(table.double() - table.double().mean(0))
    np.testing.assert_allclose(heights, values, rtol=1e-6)
    (note,) = drawn[0].axes[0].texts
    assert note.get_text() == f"2 factors hold {(values[:2] ** 2).sum() / (values**2).sum():.0%} of the variance"
    assert near(tmp_path / "spectrum.png", BLUE) > 1000


@pytest.mark.parametrize("levels", [5, 1000], ids=["stars", "continuous"])
def test_agreement_shows_medians(tmp_path, drawn, levels):
    truth = torch.arange(1000) % levels * 1.0
    agreement(truth, 2 * truth + 1, tmp_path / "agreement.png")
    middles = next(line for line in drawn[0].axes[0].lines if line.get_label() == "median")
    x, y = middles.get_data()
    assert len(x) == (5 if levels == 5 else 10)
    np.testing.assert_allclose(y, 2 * np.asarray(x) + 1, atol=1.0)
    assert near(tmp_path / "agreement.png", ORANGE) > 100


@pytest.mark.usefixtures("untyped")
def test_what_cannot_be_drawn(tmp_path):
    images = torch.rand(2, 4, 4)
    with pytest.raises(ValueError, match=r"known must have original's shape \(2, 4, 4\), got \(1, 4, 4\)"):
        completion_page(images, images[:1] > 0, images, tmp_path / "p.png")
    with pytest.raises(TypeError, match="known must be boolean"):
        completion_page(images, images, images, tmp_path / "p.png")
    with pytest.raises(ValueError, match="original is empty"):
        completion_page(images[:0], images[:0] > 0, images[:0], tmp_path / "p.png")
    with pytest.raises(ValueError, match=r"rank_kept must be in \[1, 4\], got 5"):
        spectrum(images[0], 5, tmp_path / "p.png")
    with pytest.raises(ValueError, match="truth and predicted must be as many numbers"):
        agreement(images[0, 0], images[0, 0, :2], tmp_path / "p.png")
    assert list(tmp_path.iterdir()) == []
