"""The switch between the two bodies."""

import contextlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import groundup
from groundup import UnsupportedCall, backend, current_backend
from groundup.backend import MODES, fused_by, registry
from groundup.kernels.support import refuses


@pytest.fixture
def doubled():
    """A two-bodied function whose bodies tell which ran, and which refuses floats' negative scales when fused."""

    def refusal(call):
        return "a negative scale" if call.scale < 0 else None

    @refuses(refusal)
    def kernel(x, scale=1):
        return x * scale + 100

    def rule(call):
        if call.scale == 0:
            raise ValueError("scale must not be 0")

    @fused_by(kernel, rule)
    def example(x, scale=1):
        return x * scale

    yield example
    del registry["example"]


def test_modes(doubled):
    with backend("reference"):
        assert doubled(1) == 1
    with backend("fused"):
        assert doubled(1) == 101
    with backend("auto"):
        assert doubled(1) == 101
        assert doubled(1, scale=-1) == -1  # falls back to the definition


def test_forced_fused_says_why_not(doubled):
    with backend("fused"), pytest.raises(UnsupportedCall, match=r"example: .* does not support a negative scale; use"):
        doubled(1, scale=-1)


def test_checks_run_in_every_mode(doubled):
    for mode in MODES:
        with backend(mode), pytest.raises(ValueError, match="scale must not be 0"):
            doubled(1, scale=0)


def test_both_bodies_are_named(doubled):
    assert (doubled.reference(1), doubled.fused(1)) == (1, 101)
    assert registry["example"] is doubled
    assert doubled.__name__ == "example"


def test_nests_and_is_restored_on_exceptions():
    before = current_backend()
    with backend("reference"):
        with contextlib.suppress(RuntimeError), backend("fused"):
            assert current_backend() == "fused"
            raise RuntimeError
        assert current_backend() == "reference"
    assert current_backend() == before


def test_one_object_may_be_entered_again():
    switch = backend("reference")
    before = current_backend()
    with switch, backend("fused"), switch:
        assert current_backend() == "reference"
    assert current_backend() == before


def test_decorates_functions_and_recursion():
    @backend("reference")
    def depth(n):
        """Doc."""
        assert current_backend() == "reference"
        return 0 if n == 0 else 1 + depth(n - 1)

    before = current_backend()
    assert depth(3) == 3
    assert depth.__doc__ == "Doc."
    assert current_backend() == before


@pytest.mark.usefixtures("untyped")
def test_unknown_mode():
    with pytest.raises(ValueError, match="backend must be one of 'auto', 'reference', 'fused', got 'fast'"):
        backend("fast")


def environment(value, code="import groundup; print(groundup.current_backend())"):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "GROUNDUP_BACKEND": value}
    )


def test_environment_sets_the_default():
    assert environment("reference").stdout.strip() == "reference"


def test_a_wrong_environment_fails_when_it_is_first_used():
    """Not at the import; a context that chooses a backend works; the command line prints one line."""
    code = """
import sys
import groundup
import torch
from groundup.cli import main
from groundup.functional import relu
with groundup.backend("reference"):
    print(relu(torch.ones(1)).item())
for use in (lambda: relu(torch.ones(1)), groundup.current_backend):
    try:
        use()
    except ValueError as error:
        print(error)
sys.argv = ["groundup", "list"]
main()
"""
    done = environment("quick", code)
    words = "GROUNDUP_BACKEND must be one of 'auto', 'reference', 'fused', got 'quick'"
    assert done.stdout.splitlines() == ["1.0", *["the environment variable " + words] * 2]
    assert done.stderr == f"groundup: the environment variable {words}\n"
    assert done.returncode == 2


def test_the_switch_is_one_per_process():
    with backend("reference"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(current_backend).result() == "reference"


@pytest.mark.usefixtures("untyped")
def test_compiled_code_follows_the_switch():
    """A compiled function is guarded on the mode: switching recompiles, switching back does not."""
    from groundup.functional import sigmoid

    torch._dynamo.reset()
    frames = []

    def spy(graph, _):
        frames.append([node.target for node in graph.graph.nodes if node.op == "call_function"])
        return graph.forward

    compiled = torch.compile(lambda x: sigmoid(x), fullgraph=True, backend=spy)
    x = torch.ones(2)
    for mode in ("auto", "reference", "auto", "reference"):
        with backend(mode):
            torch.testing.assert_close(compiled(x), torch.sigmoid(x))
    assert len(frames) == 2
    assert torch.sigmoid in frames[0]
    assert torch.sigmoid not in frames[1]


SWITCH_INSIDE = """
import torch
from groundup import backend, current_backend
from groundup.backend import MODES
from groundup.functional import linear, softmax

class Switching(torch.nn.Module):
    def __init__(self, mode):
        super().__init__()
        self.mode = mode

    def forward(self, x, w):
        with backend(self.mode):
            return softmax(linear(x, w))

x, w = torch.randn(3, 4), torch.randn(5, 4)
expected = torch.softmax(x @ w.T, -1)
for mode in MODES:
    torch._dynamo.reset()
    model = Switching(mode)
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(x, w), expected)
    torch.testing.assert_close(torch.export.export(model, (x, w)).module()(x, w), expected)
    torch.testing.assert_close(torch.export.export(model, (x, w), strict=True).module()(x, w), expected)
    assert current_backend() == "auto"
"""


def test_traces_with_the_switch_inside():
    """`with backend(...)` may stand inside what is compiled or exported (in a process without enforced annotations)."""
    done = subprocess.run(
        [sys.executable, "-c", SWITCH_INSIDE],
        capture_output=True,
        text=True,
        env={**os.environ, "GROUNDUP_BACKEND": "auto"},
    )
    assert done.returncode == 0, done.stderr


def test_importing_needs_no_extra():
    """Nothing but the base dependencies is imported by `import groundup` and the rooms that compute."""
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'PIL', 'pooch', 'sklearn', 'tensorboard', 'scipy', 'beartype'):\n"
        "    sys.modules[name] = None\n"
        "import groundup, groundup.layers, groundup.functional, groundup.optimizers, groundup.training\n"
        "import groundup.data, groundup.models.convolutional_networks, groundup.component, groundup.cli\n"
        "import groundup.tools.inspect, groundup.plots\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert groundup.__version__
