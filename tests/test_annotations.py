"""The suite enforces the annotations of groundup: shapes, types and results."""

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from annotations import decorate
from groundup import functional as G


def multiply(x: Float[Tensor, "n k"], y: Float[Tensor, "k m"], fails: bool = False) -> Float[Tensor, "n m"]:
    return x @ y if not fails else y


def repeat(x: Float[Tensor, " n"], times: int) -> Float[Tensor, " {2*times}"]:
    return x.repeat(times)


def halve(count: int) -> int:
    return count / 2


def refuses(*words):
    return pytest.raises(TypeCheckError, match="(?s)" + ".*".join(words))


def test_axes_of_one_name_are_equal():
    function = decorate(multiply, typechecker=None)
    x, y = torch.ones(2, 3), torch.ones(3, 4)
    assert function(x, y).shape == (2, 4)
    with refuses("y", "violates type hint"):
        function(x, y.T)
    with refuses("x", "violates type hint"):
        function(x.int(), y)
    with refuses("return", "violates type hint"):
        function(x, y, fails=True)


def test_axes_that_are_computed():
    assert decorate(repeat, typechecker=None)(torch.ones(2), 3).shape == (6,)
    with refuses("return", "violates type hint"):
        decorate(repeat, typechecker=None)(torch.ones(3), times=3)


def test_plain_types_are_checked():
    with refuses("return", "violates type hint"):
        decorate(halve, typechecker=None)(4)
    with refuses("count", "violates type hint"):
        decorate(halve, typechecker=None)("4")


def test_the_hook_is_installed():
    with refuses("violates type hint"):
        G.relative_index("2", 2)


def test_a_test_may_switch_it_off(untyped):
    assert decorate(halve, typechecker=None)(4) == 2.0
