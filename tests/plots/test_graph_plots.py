"""Pictures of graphs are written, show what they should, and refuse what they cannot show."""

import pytest
import torch

pytest.importorskip("matplotlib")
from matplotlib.image import imread

from groundup.data import karate_club
from groundup.plots import fold_curves, graph_film, node_map, style
from test_plots import near, picture


@pytest.fixture
def club():
    graph = karate_club("community")
    places = torch.linspace(0, 1, 3)[:, None, None] * torch.randn(34, 2)
    return places, graph.edges, graph.y, torch.arange(34) < 4


def test_a_film_of_nodes(club, tmp_path):
    from PIL import Image

    graph_film(*club, tmp_path / "new" / "a.gif", "club", every=5)
    with Image.open(tmp_path / "new" / "a.gif") as film:
        assert film.n_frames >= 2
        film.seek(film.n_frames - 1)
        assert film.convert("L").getextrema()[0] < 100


def test_a_map_of_nodes(club, tmp_path):
    node_map(*club, tmp_path / "b.png", ["start", "middle", "end"])
    image = picture(tmp_path / "b.png")
    for colour in (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE):  # the four communities
        assert near(image, colour) > 100
    assert image.shape[1] > 2 * image.shape[0]


def test_curves_of_folds(tmp_path):
    fold_curves(50 + torch.rand(10, 30).cumsum(1), tmp_path / "c.png", "GIN")
    assert near(picture(tmp_path / "c.png"), style.BLUE) > 200
    fold_curves(torch.tensor([[50.0]]), tmp_path / "d.png")
    assert imread(tmp_path / "d.png").std() > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p, e, y, k: (p[0], e, y, k), "places must have shape"),
        (lambda p, e, y, k: (p[:0], e, y, k), "places holds no moment"),
        (lambda p, e, y, k: (p, e.T, y, k), "edges must have 2 ends"),
        (lambda p, e, y, k: (p, e, y[:3], k), "labels must have 34 entries"),
    ],
)
def test_what_cannot_be_drawn(change, words, club, tmp_path):
    with pytest.raises(ValueError, match=words):
        node_map(*change(*club), tmp_path / "e.png")


def test_a_moment_without_a_title(club, tmp_path):
    with pytest.raises(ValueError, match="titles must be one per moment, 3, got 1"):
        node_map(*club, tmp_path / "e.png", ["one"])
