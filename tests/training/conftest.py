"""Most runs of these tests are not worth a picture: curves.png is drawn where a test asks for `pictures`."""

import pytest

import groundup.plots


@pytest.fixture
def pictures():
    """Let curves.png be drawn."""


@pytest.fixture(autouse=True)
def _no_pictures(request, monkeypatch):
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr(groundup.plots, "curves", lambda log, path: None)
