"""The checks themselves: what passes comes back settled, what does not is named."""

import numpy as np
import pytest
import torch

from groundup import checks

pytestmark = pytest.mark.usefixtures("untyped")


def test_what_passes_comes_back_settled():
    assert checks.integer("n", np.int64(3)) == 3
    assert type(checks.integer("n", np.int64(3))) is int
    assert checks.integers("d", [3, np.int64(0)], 2, 0) == (3, 0)
    assert checks.real("r", 2) == 2.0
    assert checks.pair("k", 3) == (3, 3)
    assert checks.pair("k", [1, 2]) == (1, 2)
    assert checks.probability("p", 1) == 1.0
    assert checks.choice("c", "a", ("a", "b")) == "a"
    x = torch.zeros(2, 3)
    assert checks.floating("x", checks.rank("x", x, 2, layout="(N, C)")) is x
    assert checks.size("x", x, 1, 3, "features") is x
    i = torch.tensor([0, 2])
    assert checks.indices("i", i, 3, "num_items") is i
    checks.indices("i", i[:0], 0, "num_items")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: checks.integer("n", True), TypeError, "n must be an int, got True"),
        (lambda: checks.integer("n", 0), ValueError, "n must be at least 1, got 0"),
        (lambda: checks.integer("n", 1.0), TypeError, "n must be an int, got 1.0"),
        (lambda: checks.integers("d", 3, 4), TypeError, "d must be 4 ints, got 3 (int)"),
        (
            lambda: checks.integers("d", (1, 2), 4, each="one per layer"),
            ValueError,
            "4 ints, one per layer, got (1, 2)",
        ),
        (lambda: checks.integers("d", (1, 0), 2), ValueError, "d must be at least 1, got 0"),
        (lambda: checks.real("r", float("nan")), ValueError, "r must be a finite number"),
        (lambda: checks.real("r", True), TypeError, "r must be a number"),
        (lambda: checks.pair("k", (1, 2, 3)), TypeError, "k must be an int or a pair"),
        (lambda: checks.pair("k", (1, 0)), ValueError, "k must be at least 1, got 0"),
        (lambda: checks.pair("k", "33"), TypeError, "k must be an int or a pair"),
        (lambda: checks.pair("k", True), TypeError, "k must be an int"),
        (lambda: checks.choice("c", "z", ("a", "b")), ValueError, "c must be one of 'a', 'b', got 'z'"),
        (
            lambda: checks.rank("x", torch.zeros(2), 2, 3, layout="(N, C)"),
            ValueError,
            "x must have shape (N, C), got 1",
        ),
        (lambda: checks.size("x", torch.zeros(2), 0, 3, "rows"), ValueError, "x must have 3 rows (axis 0), got 2"),
        (lambda: checks.indices("i", [0], 3, "n"), TypeError, "i must be a torch.Tensor, got list"),
        (lambda: checks.indices("i", torch.ones(2), 3, "n"), TypeError, "i must be int64 or int32, got torch.float32"),
        (lambda: checks.indices("i", torch.tensor([3]), 3, "n"), ValueError, "i must lie in [0, 2], n being 3, got 3"),
        (lambda: checks.indices("i", torch.tensor([-1, 2]), 3, "n"), ValueError, "n being 3, got -1"),
        (
            lambda: checks.labels("y", torch.tensor([0, 4]), 3),
            ValueError,
            "y holds the label 4, but there are 3 classes",
        ),
    ],
)
def test_what_does_not_pass_is_named(call, error, words):
    with pytest.raises(error) as raised:
        call()
    assert words in str(raised.value)


def test_values_are_read_only_where_it_is_cheap():
    """Not on meta tensors, not while compiling, not under vmap."""
    bad = torch.tensor([7])
    assert checks.can_read_values(bad)
    assert not checks.can_read_values(bad.to("meta"))
    assert checks.labels("y", bad.to("meta"), 3).is_meta
    torch.vmap(lambda y: checks.labels("y", y, 3))(bad[None])
    torch.compile(lambda y: checks.labels("y", y, 3) + 1, fullgraph=True, backend="eager")(bad)
