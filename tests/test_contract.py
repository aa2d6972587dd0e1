"""The contract: checks read from signatures, and calls that are remembered."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup import backend, checks
from groundup import functional as G
from groundup.backend import MAX_REMEMBERED_CALLS, checked
from groundup.contract import Contract

pytestmark = pytest.mark.usefixtures("untyped")


def everything(
    x: Float[Tensor, "N C H W"] | Float[Tensor, "C H W"],
    weight: Float[Tensor, "2*C 3"] | None = None,
    index: Int[Tensor, " N"] | None = None,
    mask: Bool[Tensor, "..."] | Float[Tensor, "..."] | None = None,
    like: Float[Tensor, "*batch W"] | None = None,
    other: Float[Tensor, "*batch H"] | None = None,
    mode: Literal["a", "b"] = "a",
    p: Annotated[float, checks.probability] = 0.5,
    count: int = 1,
    eps: float = 1e-5,
    flag: bool = False,
) -> None:
    """Every kind of annotation that the contract reads."""


X = torch.zeros(2, 5, 4, 3)
WRONG = [
    ({"x": [1.0]}, TypeError, "x must be a torch.Tensor, got list; convert with torch.as_tensor"),
    ({"x": X.long()}, TypeError, "x must be a floating-point tensor, got torch.int64; convert with x.float()"),
    ({"x": X[0, 0]}, ValueError, "x must have shape (N, C, H, W) or (C, H, W), got 2 axes: (4, 3)"),
    ({"weight": torch.zeros(9, 3)}, ValueError, "weight must have shape (2*C, 3) with C = 5, as x has, got (9, 3)"),
    ({"weight": torch.zeros(10, 4)}, ValueError, "weight must have shape (2*C, 3), got (10, 4)"),
    ({"index": torch.zeros(3).long()}, ValueError, "index must have shape (N,) with N = 2, as x has, got (3,)"),
    ({"index": torch.zeros(2, 1).long()}, ValueError, "index must have shape (N,) with N = 2, got 2 axes: (2, 1)"),
    (
        {"index": torch.zeros(2)},
        TypeError,
        "index must be an integer tensor, got torch.float32; convert with index.lon",
    ),
    ({"mask": torch.zeros(2).long()}, TypeError, "mask must be a boolean or a floating-point tensor, got torch.int64"),
    ({"like": torch.zeros(2, 2)}, ValueError, "like must have shape (..., W) with W = 3, as x has, got (2, 2)"),
    (
        {"like": torch.zeros(2, 3), "other": torch.zeros(1, 4)},
        ValueError,
        "other must have leading axes (2,), as like has, got shape (1, 4)",
    ),
    ({"mode": "c"}, ValueError, "mode must be one of 'a', 'b', got 'c'"),
    ({"p": 2.0}, ValueError, "p must be a finite number in [0.0, 1.0], got 2.0"),
    ({"count": 1.0}, TypeError, "count must be an int, got 1.0 (float)"),
    ({"count": True}, TypeError, "count must be an int, got True (bool)"),
    ({"eps": "small"}, TypeError, "eps must be a number, got 'small' (str)"),
    ({"flag": 1}, TypeError, "flag must be True or False, got 1 (int)"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), WRONG, ids=[row[2][:40] for row in WRONG])
def test_a_wrong_argument_is_named(arguments, error, words):
    function = checked()(everything)
    with pytest.raises(error) as caught:
        function(**{"x": X, **arguments})
    assert words in str(caught.value)


def test_a_right_call_passes():
    function = checked()(everything)
    function(X)
    function(X[0], torch.zeros(10, 3), None, torch.zeros(1), torch.zeros(7, 3), torch.zeros(7, 4), "b", 1, 2, 3, True)


def test_the_parameter_of_a_layer_is_never_blamed():
    weight = torch.nn.Parameter(torch.zeros(4, 3))
    with pytest.raises(
        ValueError, match=r"x must have 3 features \(axis -1\), as weight .* has, got 2: shape \(5, 2\)"
    ):
        G.linear(torch.zeros(5, 2), weight)


@pytest.fixture
def counted():
    """A checked function, and the list of the calls that its rule saw."""
    asked = []

    @checked(asked.append)
    def function(x: Float[Tensor, "N C"], size: tuple[int, ...] = (1,), scale: float = 1.0) -> Tensor:
        return x * scale

    return function, asked


def test_a_right_call_is_asked_once(counted):
    function, asked = counted
    for _ in range(3):
        function(torch.zeros(2, 3))
        function(torch.ones(2, 3))  # the same but for its elements
    assert len(asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda f: f(torch.zeros(3, 3)),
        lambda f: f(torch.zeros(2, 3, dtype=torch.float64)),
        lambda f: f(torch.zeros(2, 3, device="meta")),
        lambda f: f(torch.zeros(2, 3), (2,)),
        lambda f: f(torch.zeros(2, 3), scale=1),  # 1 == 1.0, but an int is not a float
    ],
)
def test_another_call_is_asked_again(counted, other):
    function, asked = counted
    function(torch.zeros(2, 3))
    other(function)
    assert len(asked) == 2


def test_a_wrong_call_is_wrong_every_time(counted):
    function, _ = counted
    for _ in range(2):
        with pytest.raises(ValueError, match="x must have shape"):
            function(torch.zeros(3))


def test_what_no_check_sees_is_not_remembered(counted):
    """A list may change between two calls; a subclass of Tensor may mean anything."""
    function, asked = counted

    class Other(torch.Tensor):
        pass

    for _ in range(2):
        function(torch.zeros(2, 3), [1])
        function(torch.zeros(2, 3).as_subclass(Other))
        function(torch.zeros(2, 3), (torch.zeros(1),))
    assert len(asked) == 6


def test_changing_shapes_fill_no_memory(counted):
    function, asked = counted
    for n in range(MAX_REMEMBERED_CALLS + 10):
        function(torch.empty(n, 1, device="meta"))
    function(torch.empty(MAX_REMEMBERED_CALLS + 9, 1, device="meta"))
    assert len(asked) == MAX_REMEMBERED_CALLS + 10  # the last is remembered still


def test_no_tensor_is_kept_alive():
    import weakref

    x = torch.zeros(2, 3)
    alive = weakref.ref(x)
    G.softmax(x)
    del x
    assert alive() is None


def test_no_tensor_in_a_tuple_is_kept_alive(counted):
    import weakref

    function, _ = counted
    held = torch.zeros(1)
    alive = weakref.ref(held)
    function(torch.zeros(2, 3), (held,))
    counted[1].clear()  # the bound call, which the fixture keeps
    del held
    assert alive() is None


def test_the_mode_is_part_of_what_is_remembered():
    x = torch.zeros(2, 3)
    for mode, name in (("auto", "SoftmaxBackward0"), ("reference", "DivBackward0"), ("auto", "SoftmaxBackward0")):
        with backend(mode):
            assert type(G.softmax(x.requires_grad_()).grad_fn).__name__ == name


def test_a_compiled_function_is_checked_while_it_is_traced():
    def loss(x, y):
        return G.mse_loss(x, y)

    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(torch.ones(3), torch.zeros(3)), torch.tensor(1.0))
    with pytest.raises(Exception, match="target must have input's shape"):  # from the compiler, which wraps it
        compiled(torch.ones(3, 1), torch.zeros(3))


def test_hints_of_all_functions_are_read():
    """Every tensor of a function's signature has a layout, and nothing else has one."""
    contract = Contract(everything)
    assert [name for _, name, _, _ in contract.tensors] == ["x", "weight", "index", "mask", "like", "other"]
    assert [name for _, name, _, _ in contract.values] == ["mode", "p", "count", "eps", "flag"]
