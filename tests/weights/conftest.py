"""Published weights of the tests' own, in place of the world's."""

import pytest
from pretrained_toy import row

from groundup.weights import registry


@pytest.fixture
def publish(monkeypatch):
    """publish(row, ...): from now on, only these rows are published."""

    def publish(*rows):
        monkeypatch.setattr(registry, "published_weights", lambda: tuple(rows))

    publish(row(), row("zoo/small_wide", "wide"))
    return publish


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """Nothing is read from, nor written to, the caches of whoever runs the tests; the hub is not asked."""
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
