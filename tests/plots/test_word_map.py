"""The map of words: principal components, groups by direction, and labels that cover nothing."""

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib")
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from groundup.plots import maps, style, word_map


@pytest.fixture
def drawn(monkeypatch):
    """The figures as they were when they were saved."""
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, path: (figures.append(self), save(self, path)))
    return figures


def three_directions(each=20):
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(6)[:3].repeat_interleave(each, 0)
    vectors = centres + 0.1 * torch.randn(3 * each, 6, generator=generator)
    return vectors * (1 + torch.arange(3 * each)[:, None])  # lengths that must not matter


def test_groups_are_apart_and_have_colours_of_their_own(tmp_path, drawn):
    names = [f"word{i}" for i in range(60)]
    word_map(three_directions(), names, tmp_path / "new" / "map.png", title="three", clusters=3)
    image = imread(tmp_path / "new" / "map.png")[..., :3]
    for colour in maps.WORD_COLOURS[:3]:
        target = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        assert (np.abs(image - target).max(-1) < 0.02).sum() > 200
    (axis,) = drawn[0].axes
    places = axis.collections[0].get_offsets().reshape(3, 20, 2)
    spread = np.linalg.norm(places - places.mean(1, keepdims=True), axis=-1).max()
    centres = places.mean(1)
    assert min(np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > 2 * spread


def test_the_axes_are_the_principal_components(tmp_path, drawn):
    vectors = three_directions()
    word_map(vectors, [str(i) for i in range(60)], tmp_path / "map.png")
    x = torch.nn.functional.normalize(vectors.double())
    u, s, _ = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    expected = (u[:, :2] * s[:2]).abs().numpy()  # up to a sign
    np.testing.assert_allclose(np.abs(drawn[0].axes[0].collections[0].get_offsets()), expected, atol=1e-9)


def test_labels_cover_neither_labels_nor_dots(tmp_path, drawn):
    """A crowd: what cannot be named is left a dot; the first words come first."""
    names = [f"word-{i}" for i in range(300)]
    generator = torch.Generator().manual_seed(0)
    word_map(torch.randn(300, 5, generator=generator), names, tmp_path / "map.png")
    (axis,) = drawn[0].axes
    texts = [text for text in axis.texts if text.get_text()]
    assert 100 < len(texts) < 300
    assert {"word-0", "word-1", "word-2"} <= {text.get_text() for text in texts}
    renderer = FigureCanvasAgg(drawn[0]).get_renderer()
    boxes = np.array([text.get_window_extent(renderer).extents for text in texts])
    low, high = boxes[:, :2] + 0.6, boxes[:, 2:] - 0.6  # pixels of rounding
    overlap = ((low[:, None] < high[None]) & (low[None] < high[:, None])).all(-1)
    assert overlap.sum() == len(texts)  # each with itself
    dots = axis.transData.transform(axis.collections[0].get_offsets())
    assert not ((low[:, None] < dots) & (dots < high[:, None])).all(-1).any()


@pytest.mark.usefixtures("untyped")
def test_what_cannot_be_mapped(tmp_path):
    with pytest.raises(ValueError, match="words must name each of three vectors or more, got 2 words and 3 vectors"):
        word_map(torch.zeros(3, 2), ["a", "b"], tmp_path / "map.png")
    with pytest.raises(ValueError, match=r"vectors must have shape \(N, E\)"):
        word_map(torch.zeros(3), ["a", "b", "c"], tmp_path / "map.png")
    assert list(tmp_path.iterdir()) == []


def test_equal_and_zero_vectors_are_drawn(tmp_path):
    word_map(torch.zeros(4, 3), list("abcd"), tmp_path / "map.png")
    assert imread(tmp_path / "map.png").std() > 0
    assert style.INK not in maps.WORD_COLOURS
