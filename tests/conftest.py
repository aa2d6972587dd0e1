"""The suite's frame: bodies, enforced shapes, one thread, seeds, the order of tests, and what is skipped."""

import gc
import os
from pathlib import Path

import jaxtyping
import pytest
import torch

from annotations import enforce_annotations
from rows.peers import ready_torchvision

pytest_plugins = ["parity_table"]

enforce_annotations()

ready_torchvision()


torch.set_num_threads(1)  # also with one worker: sums are then taken in the same order everywhere

TESTS = Path(__file__).parent
#: Where functions with two bodies are tested, and in the sweeps every component that computes through them. A test here
#: runs under each body, unless it chooses: by a parameter called "mode", or by the marker `body`. All others run under
#: "auto": what they add to the sweeps is the same in both.
IN_BOTH_BODIES = ("functional", "layers", "optimizers", "test_components.py", "test_functions.py", "test_inspect.py")
#: Files whose tests take longest. They start first, so that no worker is left with one of them at the end, and so that
#: what the tests of a file share, as the runs of several processes, is made by one worker (`--dist worksteal`).
LONGEST_FIRST = (
    *("training/test_distributed.py", "training/test_faults.py", "training/test_kill.py"),
    *("test_examples.py", "test_pages.py", "test_components.py", "weights", "models"),
)
BODIES = ("auto", "reference")


def inside(path, names):
    """Which of `names`, files or folders in tests/, holds the file at `path`; len(names) if none does."""
    place = path.relative_to(TESTS).parts
    found = (i for i, name in enumerate(names) if place[: name.count("/") + 1] == tuple(name.split("/")))
    return next(found, len(names))


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("body")
    bodies = BODIES if inside(metafunc.definition.path, IN_BOTH_BODIES) < len(IN_BOTH_BODIES) else ()
    if marker or (bodies and "mode" not in metafunc.fixturenames):
        metafunc.parametrize("_body", marker.args if marker else bodies, indirect=True, ids=lambda body: body)


@pytest.fixture(autouse=True)
def _body(request):
    from groundup import backend  # not at the top: what is imported before the hook is not checked

    with backend(getattr(request, "param", "auto")):
        yield


def pytest_collection_modifyitems(config, items):
    if (run := os.environ.get("GROUNDUP_BACKEND")) in BODIES:  # one body alone
        other = [item for item in items if body_of(item) not in (None, run)]
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if body_of(item) in (None, run)]
    for item in items:
        if is_left_to_slow(item):
            item.add_marker("slow")
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
    items.sort(key=lambda item: inside(item.path, LONGEST_FIRST))


def pytest_collection_finish():
    """Let the garbage collector pass over what was imported, a million objects: only what tests make is searched."""
    gc.collect()
    gc.freeze()


def is_left_to_slow(item):
    """Return True for an item of the component sweep that repeats what others show.

    A component's definition is compared with its oracle in float64; test_functions.py has every function in the other
    precisions, in both bodies. A network's layers are compared in float32, the network in float64 and in bfloat16. The
    layout of inputs is varied for layers, and under the definitions not again for the networks made of them.
    """
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    case, is_definition = parameters.get("case"), parameters.get("_body") == "reference"
    if item.originalname == "test_parity":
        dtype = parameters["dtype"]
        return (is_definition and dtype != torch.float64) or (case.network and dtype == torch.float32)
    return item.originalname == "test_layout_does_not_matter" and is_definition and case.network


def body_of(item):
    """The body that a test runs under or chooses for itself, or None. "fused" counts as "auto"."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    chosen = parameters.get("_body", parameters.get("mode"))
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
