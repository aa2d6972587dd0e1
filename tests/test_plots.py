"""Pictures are written, show what they should, and refuse what they cannot show."""

import json
import sys

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib")
from matplotlib.image import imread

from groundup import plots
from groundup.plots import style


def records(steps=40, metrics=("accuracy", "loss")):
    for step in range(10, 10 * steps + 1, 10):
        yield {"step": step, "epoch": step // 100, "loss": 2.0 / step, "lr": 0.1, "grad_norm": None}
        if metrics and step % 50 == 0:
            yield {"step": step, "epoch": step // 100, "evaluation": dict.fromkeys(metrics, 1 - 1 / step)}


def picture(path):
    image = imread(path)[..., :3]
    assert min(image.shape[:2]) > 200
    assert image.std() > 0.01  # not an empty page
    return image


def near(image, colour):
    """How many pixels have a colour, given as #rrggbb."""
    target = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return int((np.abs(image - target).max(-1) < 0.02).sum())


def test_curves_from_a_file_and_from_records_are_the_same(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records()))
    plots.curves(tmp_path / "metrics.jsonl", tmp_path / "new" / "a.png")
    plots.curves(list(records()), tmp_path / "b.png")
    one = picture(tmp_path / "new" / "a.png")
    assert np.array_equal(one, picture(tmp_path / "b.png"))
    for colour in (style.BLUE, style.ORANGE, style.GREEN):  # training, evaluation loss, accuracy
        assert near(one, colour) > 200


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_curves_of_short_runs(tmp_path, steps):
    plots.curves(list(records(steps)), tmp_path / "c.png")
    picture(tmp_path / "c.png")


def test_each_metric_has_a_panel_and_null_is_left_out(tmp_path):
    plots.curves([*records(metrics=("a", "b", "c", "d")), {"step": 410, "evaluation": {"a": None}}], tmp_path / "c.png")
    tall = picture(tmp_path / "c.png")
    plots.curves(list(records(metrics=())), tmp_path / "d.png")
    assert tall.shape[0] > 2 * picture(tmp_path / "d.png").shape[0]


@pytest.mark.parametrize(
    "images",
    [torch.rand(30, 8, 8), 4 * torch.rand(30, 1, 20, 10) - 2, torch.randint(256, (30, 3, 32, 32), dtype=torch.uint8)],
    ids=["grey", "normalised", "colour"],
)
def test_digit_page_marks_the_mistakes(tmp_path, images):
    labels = torch.arange(30) % 10
    plots.digit_page(images, labels, labels, tmp_path / "right.png")
    plots.digit_page(images, labels, (labels + (labels == 3)) % 10, tmp_path / "wrong.png")
    red = [near(picture(tmp_path / name), style.WRONG) for name in ("right.png", "wrong.png")]
    assert red[1] > red[0] + 500


def test_mistakes_come_first_and_the_page_has_room_for_so_many(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "groundup.plots.images.image_grid", lambda images, path, *rest: drawn.update(images=images, rest=rest)
    )
    images = torch.arange(50.0)[:, None, None].expand(50, 2, 2)
    labels = torch.zeros(50, dtype=torch.long)
    predictions = labels.clone()
    predictions[[7, 30]] = 1
    plots.digit_page(images, labels, predictions, tmp_path / "p.png", ["cat", "dog"], columns=3, rows=2)
    captions, marked, columns, title = drawn["rest"]
    assert drawn["images"][:, 0, 0].tolist() == [7, 30, 0, 17, 33, 49]  # the right ones from all over
    assert captions == ["cat\n→ dog"] * 2 + ["cat"] * 4
    assert marked == [True] * 2 + [False] * 4
    assert columns == 3
    assert title == "50 images · 96.00 % right · 2 mistakes (true → predicted)"
    plots.digit_page(images, labels, labels + 1, tmp_path / "p.png", ["cat", "dog"], columns=3, rows=2)
    assert drawn["images"][:, 0, 0].tolist() == [0, 10, 20, 29, 39, 49]  # and so the mistakes
    plots.digit_page(images[:4], labels[:4], predictions[:4], tmp_path / "p.png", columns=3, rows=2)
    assert drawn["images"][:, 0, 0].tolist() == [0, 1, 2, 3]


def test_what_cannot_be_drawn(tmp_path, untyped):
    zero = torch.zeros(3, dtype=torch.long)
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        plots.image_grid(torch.zeros(3, 2, 4, 4), tmp_path / "p.png")
    with pytest.raises(ValueError, match="images must have shape"):
        plots.image_grid(torch.zeros(4, 4), tmp_path / "p.png")
    with pytest.raises(ValueError, match="images is empty"):
        plots.image_grid(torch.zeros(0, 4, 4), tmp_path / "p.png")
    with pytest.raises(ValueError, match="one caption and one mark for each of 3 images, got 1 and 3"):
        plots.image_grid(torch.zeros(3, 4, 4), tmp_path / "p.png", captions=["a"])
    with pytest.raises(ValueError, match="one index for each of 3 images"):
        plots.digit_page(torch.zeros(3, 4, 4), zero, zero[:2], tmp_path / "p.png")
    with pytest.raises(TypeError, match=r"images must be a torch\.Tensor"):
        plots.image_grid(np.zeros((3, 4, 4)), tmp_path / "p.png")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'groundup\[plots\]'"):
        plots.curves([], tmp_path / "c.png")
