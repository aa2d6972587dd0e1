"""Every picture is a figure that a notebook shows; a file is written where one is named."""

import inspect
import sys
from base64 import b64decode
from io import BytesIO

import pytest
import torch
from PIL import Image

import groundup.plots as P
from groundup.data import ImageData
from groundup.plots.style import STYLE

RECORDS = [{"step": s, "epoch": 1, "loss": 1 / s, "evaluation": {"accuracy": 0.5}} for s in (1, 2, 3)]
RING = torch.tensor([[0, 1, 2], [1, 2, 0]])
NODES = (torch.randn(2, 3, 2), RING, torch.tensor([0, 1, 0]), torch.tensor([True, False, False]))
PICTURES, LABELS = torch.rand(4, 8, 8), torch.tensor([0, 1, 1, 0])
LINE = torch.linspace(0, 1, 9)
WALK = P.Landscape("bowl", lambda x, y: x**2 + y**2, [(0.0, 0.0)], (-1.0, 1.0, -1.0, 1.0), log=False)

#: A call of every function, without a file.
CALLS = {
    "agreement": lambda path: P.agreement(torch.rand(40), torch.rand(40), path),
    "alignments": lambda path: P.alignments([(["a"], ["b", "c"], torch.rand(2, 1))], path),
    "attention_overlays": lambda path: P.attention_overlays(
        torch.rand(2, 1, 8, 8), {"head": torch.rand(2, 4, 4)}, path
    ),
    "attention_page": lambda path: P.attention_page([torch.rand(2, 3, 3)], path),
    "boltzmann_page": lambda path: P.boltzmann_page(PICTURES, PICTURES, {"given": PICTURES}, RECORDS, path),
    "boundaries": lambda path: P.boundaries(torch.randn(6, 2), torch.ones(6), {"all": lambda x: x[:, 0]}, path),
    "error_comparison": lambda path: P.error_comparison({"run": RECORDS}, path),
    "completion_page": lambda path: P.completion_page(PICTURES, PICTURES > 0.5, PICTURES, path),
    "curves": lambda path: P.curves(RECORDS, path),
    "descent_film": lambda path: P.descent_film([WALK], [{"SGD": torch.rand(4, 2)}], path, frames=2),
    "descents": lambda path: P.descents([WALK], [{"SGD": torch.rand(4, 2)}], path),
    "digit_page": lambda path: P.digit_page(PICTURES, LABELS, LABELS, path),
    "fold_curves": lambda path: P.fold_curves(torch.rand(10, 5), path),
    "forecast_page": lambda path: P.forecast_page(*torch.rand(4, 20).add(0.1), path),
    "glimpse_page": lambda path: P.glimpse_page(PICTURES[:, None], torch.rand(4, 3, 2), [4.0, 8.0], path),
    "graph_film": lambda path: P.graph_film(*NODES, path),
    "image_grid": lambda path: P.image_grid(PICTURES, path),
    "node_map": lambda path: P.node_map(*NODES, path),
    "recall_against_load": lambda path: P.recall_against_load([0.1, 0.2], {"Hebb": torch.rand(3, 2)}, path),
    "recall_page": lambda path: P.recall_page(
        torch.rand(3, 1, 4, 4).sign(), torch.rand(3, 1), torch.rand(1), [0, 2], path, 1
    ),
    "saliency_page": lambda path: P.saliency_page(
        PICTURES[:, None], PICTURES[:, None], PICTURES[:, None], torch.rand(4, 2, 2), path
    ),
    "scores_by_length": lambda path: P.scores_by_length({"run": [(5.0, 20.0), (9.0, 25.0)]}, path),
    "spectrum": lambda path: P.spectrum(torch.rand(9, 5), 2, path),
    "transform_page": lambda path: P.transform_page(PICTURES[:, None], torch.rand(4, 8, 8, 2), PICTURES[:, None], path),
    "weight_images": lambda path: P.weight_images({"SVM": PICTURES}, list("abcd"), path),
    "window_page": lambda path: P.window_page(4, 4, 2, 1, torch.ones(4, 4, 4), path),
    "word_map": lambda path: P.word_map(torch.randn(30, 6), [f"w{i}" for i in range(30)], path),
}


def test_every_function_is_called_here():
    drawing = {name for name, thing in vars(P).items() if inspect.isfunction(thing) and name in P.__all__}
    assert drawing - {"check_picture_path"} <= CALLS.keys() | {"project_directions"}


@pytest.mark.parametrize("name", CALLS)
def test_a_figure_is_returned_and_shown(name, tmp_path):
    from matplotlib.figure import Figure

    figure = CALLS[name](None)
    assert isinstance(figure, Figure)
    shown = Image.open(BytesIO(figure._repr_png_()))
    assert shown.width == round(100 * figure.get_figwidth())
    assert not list(tmp_path.iterdir())
    assert "matplotlib.pyplot" not in sys.modules  # nothing global holds it
    film = hasattr(figure, "gif")
    path = tmp_path / "new" / ("film.gif" if film else "picture.png")
    CALLS[name](path)
    with Image.open(path) as saved:
        assert saved.format == ("GIF" if film else "PNG")
        assert film == (getattr(saved, "n_frames", 1) > 1)
    if film:
        html = figure._repr_html_()
        gif = b64decode(html.removeprefix('<img src="data:image/gif;base64,').removesuffix('">'))
        assert Image.open(BytesIO(gif)).n_frames > 1


def test_the_style_holds_where_it_is_shown():
    """What is drawn later, in a notebook's cell, looks as what is drawn into a file."""
    import matplotlib

    before = matplotlib.rcParams["axes.grid"]
    assert before != STYLE["axes.grid"]
    P.curves(RECORDS)._repr_png_()
    assert matplotlib.rcParams["axes.grid"] == before


def test_curves_of_a_run(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 3, "epoch": 1, "loss": 0.25}\n')

    class Result:
        run_dir = tmp_path

    for run in (tmp_path, str(tmp_path), tmp_path / "metrics.jsonl", Result()):
        (axis,) = P.curves(run).axes
        assert list(axis.lines[0].get_ydata()) == [0.25]


def data(channels=1):
    images = torch.randint(0, 255, (40, channels, 6, 6), dtype=torch.uint8)
    return ImageData(images, torch.arange(40) % 4, ("a", "b", "<c>", "d"), "mine")


def test_images_show_themselves(monkeypatch):
    drawn = []
    monkeypatch.setattr(P, "image_grid", lambda images, captions: drawn.append(captions) or P.curves(RECORDS))
    html = data()._repr_html_()
    assert "mine: 40 images" in html
    assert b64decode(html.partition("base64,")[2].removesuffix('">')).startswith(b"\x89PNG")
    assert {caption: drawn[0].count(caption) for caption in drawn[0]} == {"a": 6, "b": 6, "<c>": 6, "d": 6}


def test_images_that_are_no_pictures_are_text():
    assert "<img" in data()._repr_html_()
    assert "<img" not in data(channels=5)._repr_html_()
