"""Pictures of energy-based models show what they should, and refuse what does not fit together."""

import json

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib")
from matplotlib.image import imread

from groundup import plots
from groundup.plots import energy, style


def near(path, colour):
    """How many pixels of a picture have a colour, given as #rrggbb."""
    image = imread(path)[..., :3]
    target = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return int((np.abs(image - target).max(-1) < 0.02).sum())


def film(path, rows=2, **changes):
    given = {
        "states": torch.ones(5, rows, 3, 3),
        "energies": torch.linspace(0, -4, 5)[:, None].expand(5, rows),
        "floors": torch.full((rows,), -4.0),
        "shown": (0, 4),
        "path": path,
        "sweep": 2,
    }
    plots.recall_page(**{**given, **changes})


def machine(path, missing=False, **changes):
    image = torch.full((4, 8, 8), torch.nan if missing else 0.5)
    given = {
        "filters": torch.randn(9, 8, 8),
        "samples": torch.rand(9, 8, 8),
        "repairs": {"true": torch.rand(4, 8, 8), "damaged": image},
        "log": [{"step": s, "epoch": s, "evaluation": {"held out": -9.0 + s, "seen": -8.0 + s}} for s in (1, 2, 3)],
        "path": path,
    }
    plots.boltzmann_page(**{**given, **changes})


def test_a_film_of_recall(tmp_path):
    film(tmp_path / "black.png")
    film(tmp_path / "white.png", states=-torch.ones(5, 2, 3, 3))
    assert near(tmp_path / "black.png", "#000000") > near(tmp_path / "white.png", "#000000") + 20_000
    assert near(tmp_path / "black.png", style.BLUE) > 200
    assert near(tmp_path / "black.png", style.GREEN) > 50


def test_recall_against_load(tmp_path):
    curves = {"Hebb's rule": [[1.0, 0.5], [0.9, 0.3]], "learned": [[1.0, 1.0], [1.0, 0.9]]}
    plots.recall_against_load((0.1, 0.2), curves, tmp_path / "c.png")
    for colour in (style.ORANGE, style.BLUE, style.GREY):
        assert near(tmp_path / "c.png", colour) > 100


@pytest.mark.parametrize("log", [[], [{"step": 1, "epoch": 0, "evaluation": {"held out": -3.0}}]], ids=["no", "one"])
def test_a_boltzmann_machine_of_a_short_run(tmp_path, log):
    machine(tmp_path / "m.png", log=log)
    assert (tmp_path / "m.png").exists()


def test_a_boltzmann_machine_at_a_glance(tmp_path):
    machine(tmp_path / "whole.png")
    machine(tmp_path / "holes.png", missing=True, filters=torch.randn(9, 8, 8, requires_grad=True))
    assert near(tmp_path / "holes.png", energy.MISSING) > near(tmp_path / "whole.png", energy.MISSING) + 5_000
    assert near(tmp_path / "whole.png", style.BLUE) > 100
    assert near(tmp_path / "whole.png", style.ORANGE) > 100


def test_the_log_may_be_a_file(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, "epoch": 1, "evaluation": {"seen": -2.0}}) + "\n")
    machine(tmp_path / "m.png", log=tmp_path / "metrics.jsonl")
    assert near(tmp_path / "m.png", style.ORANGE) > 20


def test_images_without_captions(tmp_path):
    plots.image_grid(torch.rand(3, 4, 4), tmp_path / "p.png")
    assert (tmp_path / "p.png").exists()


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda p: film(p, states=torch.ones(5, 3, 3)), "states must have shape"),
        (lambda p: film(p, energies=torch.ones(4, 2)), "energies must have 5 moments"),
        (lambda p: film(p, floors=torch.ones(3)), r"floors must have shape \(2,\), got \(3,\)"),
        (lambda p: film(p, shown=(0, 5)), r"shown must lie in \[0, 4\]"),
        (lambda p: plots.recall_against_load((0.1,), {"a": [[1.0, 2.0]]}, p), r"a must be \(seeds, 1\), got \(1, 2\)"),
        (lambda p: machine(p, samples=torch.rand(9, 64)), "samples must have shape"),
        (lambda p: machine(p, repairs={"true": torch.rand(9, 64)}), "true must have shape"),
    ],
)
def test_what_cannot_be_drawn(tmp_path, draw, words):
    with pytest.raises(ValueError, match=words):
        draw(tmp_path / "p.png")
    assert not (tmp_path / "p.png").exists()
