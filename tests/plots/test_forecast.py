"""The forecast's page is written, and says what does not fit."""

import pytest
import torch

from groundup.plots import forecast_page


def test_a_page_is_written(tmp_path):
    imread = pytest.importorskip("matplotlib.image").imread
    series = torch.sin(torch.arange(40.0))
    forecast_page(series, series, series + 0.1, torch.logspace(-5, -1, 30), tmp_path / "f.png", (8, 1e-4, "Someone"))
    assert imread(tmp_path / "f.png")[..., :3].std() > 0.05


def test_what_does_not_fit_is_said(tmp_path):
    series = torch.ones(4)
    with pytest.raises(ValueError, match="forecast must have truth's 4 steps, got 3"):
        forecast_page(series, series, series[:3], series, tmp_path / "f.png")
