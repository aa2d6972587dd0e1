"""The Mackey-Glass series: it solves its equation, to the order of its method."""

import math

import pytest
import torch

from groundup.data import mackey_glass


def test_the_error_falls_with_the_fourth_power_of_the_step():
    exact = mackey_glass(60, step=0.03125, washout=0, seed=None)
    errors = [(mackey_glass(60, step=s, washout=0, seed=None) - exact).abs().max().item() for s in (1.0, 0.5, 0.25)]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(16, rel=0.1)
    assert errors[2] < 1e-7


def test_until_the_delay_has_passed_it_is_a_simple_decay():
    """For t ≤ τ the past is constant: x(t) = x∞ + (1.2 - x∞) exp(-γ t)."""
    x = mackey_glass(18, washout=0, seed=None)
    limit = 0.2 * 1.2 / (1 + 1.2**10) / 0.1
    expected = [limit + (1.2 - limit) * math.exp(-0.1 * t) for t in range(18)]
    torch.testing.assert_close(x, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-8)


def test_chaos_and_rest():
    """At τ = 17 two near beginnings part; at τ = 2 the series comes to rest where β / (1 + x^10) = γ, at 1."""
    a, b = (mackey_glass(2000, seed=seed)[-200:] for seed in (0, 1))
    assert (a - b).abs().max() > 0.2
    assert 0.2 < a.min() < a.max() < 1.5
    torch.testing.assert_close(mackey_glass(5, 2.0), torch.ones(5, dtype=torch.float64), rtol=0, atol=1e-6)


def test_a_seed_is_a_series():
    assert torch.equal(mackey_glass(50, seed=3), mackey_glass(50, seed=3))
    assert torch.equal(mackey_glass(80, washout=20)[30:], mackey_glass(50, washout=50))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"length": 0}, "length must be at least 1"),
        ({"length": 5, "step": 0.3}, "step must divide 1"),
        ({"length": 5, "tau": 16.95}, "step must divide tau"),
        ({"length": 5, "tau": 0.0}, "tau must be at least one step"),
        ({"length": 5, "washout": -1}, "washout must be at least 0"),
    ],
)
def test_mistakes(arguments, words):
    with pytest.raises(ValueError, match=words):
        mackey_glass(**arguments)
