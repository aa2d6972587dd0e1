"""The suite's frame: shapes enforced everywhere, one thread a worker, seeds, and GPU tests skipped without a GPU."""

import os

import jaxtyping
import pytest
import torch
from benchmarks.peers import ready_torchvision

pytest_plugins = ["parity_table"]

# Every annotation in groundup is enforced while the suite runs (and only then).
jaxtyping.install_import_hook("groundup", "beartype.beartype")

ready_torchvision()


def pytest_configure(config):
    if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores; more threads than cores only wait
        torch.set_num_threads(1)


def pytest_collection_modifyitems(config, items):
    run = os.environ.get("GROUNDUP_BACKEND")
    if run in ("auto", "reference"):  # of the two runs of `make test`, each has what it alone can say
        other = [item for item in items if chosen_body(item) not in (None, run)]
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if chosen_body(item) in (None, run)]
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def chosen_body(item):
    """The backend that a test chooses for itself, whatever the suite runs under, if it does: by a parameter called
    "mode", or by the marker `body`. "fused" counts as "auto"."""
    marker = item.get_closest_marker("body")
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    chosen = marker.args[0] if marker else parameters.get("mode")
    return {"auto": "auto", "fused": "auto", "reference": "reference"}.get(chosen) if isinstance(chosen, str) else None


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture
def untyped():
    """Switch the enforced annotations off: for tests of our own error messages, and of tracing."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
