"""Initialisers: the same seed gives what torch.nn.init gives, and the moments are the papers'."""

from math import sqrt

import pytest
import torch
from scipy import stats

from groundup.functional import init

PAIRS = [
    (init.xavier_uniform_, torch.nn.init.xavier_uniform_, {"gain": 1.5}),
    (init.xavier_normal_, torch.nn.init.xavier_normal_, {"gain": 1.5}),
    (init.kaiming_uniform_, torch.nn.init.kaiming_uniform_, {"a": sqrt(5)}),
    (init.kaiming_uniform_, torch.nn.init.kaiming_uniform_, {"mode": "fan_out", "nonlinearity": "relu"}),
    (init.kaiming_normal_, torch.nn.init.kaiming_normal_, {"nonlinearity": "tanh"}),
    (init.uniform_, lambda t, low, high: torch.nn.init.uniform_(t, low, high), {"low": -2.0, "high": 3.0}),
    (init.normal_, torch.nn.init.normal_, {"mean": 1.0, "std": 2.0}),
    (init.constant_, lambda t, value: torch.nn.init.constant_(t, value), {"value": 3.0}),
]


@pytest.mark.parametrize("shape", [(7, 5), (6, 4, 3, 2)])
@pytest.mark.parametrize(("ours", "theirs", "options"), PAIRS)
def test_equals_pytorch_for_the_same_seed(ours, theirs, options, shape):
    torch.manual_seed(3)
    a = ours(torch.empty(shape), **options)
    torch.manual_seed(3)
    torch.testing.assert_close(a, theirs(torch.empty(shape), **options), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("nonlinearity", ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu"])
def test_gains(nonlinearity):
    assert init.gain(nonlinearity) == pytest.approx(torch.nn.init.calculate_gain(nonlinearity))
    assert init.gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))


def test_fans():
    assert init.fans(torch.empty(6, 4, 3, 2)) == (24, 36)


def test_a_generator_is_used_and_the_global_one_left_alone():
    state = torch.get_rng_state()
    draws = [init.kaiming_normal_(torch.empty(3, 3), generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_truncated_normal():
    """Bounds hold, and the distribution is scipy's (Kolmogorov–Smirnov, p > 0.001)."""
    x = init.trunc_normal_(torch.empty(20_000), mean=0.5, std=2.0, low=-1.0, high=3.0).double()
    assert x.min() >= -1
    assert x.max() <= 3
    expected = stats.truncnorm((-1 - 0.5) / 2, (3 - 0.5) / 2, loc=0.5, scale=2.0)
    assert stats.kstest(x.numpy(), expected.cdf).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 3, 2, 2)])
def test_orthogonal(shape):
    w = init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain=2.0).flatten(1) / 2
    gram = w @ w.mT if w.size(0) <= w.size(1) else w.mT @ w
    torch.testing.assert_close(gram, torch.eye(gram.size(0), dtype=torch.float64), rtol=0, atol=1e-12)


def test_lecun_uniform_bounds_each_unit_by_its_own_fan_in():
    fan_in = torch.tensor([4.0, 100.0])
    w = init.lecun_uniform_(torch.empty(2, 10_000), fan_in[:, None])
    torch.testing.assert_close(w.abs().amax(1), 2.4 / fan_in, rtol=1e-2, atol=0)


def test_no_gradient_is_recorded():
    w = torch.nn.Parameter(torch.empty(3, 3))
    for fill in (init.xavier_uniform_, init.orthogonal_, init.trunc_normal_):
        assert fill(w) is w
        assert w.grad_fn is None


@pytest.mark.usefixtures("untyped")
def test_errors():
    with pytest.raises(ValueError, match="weight must have shape"):
        init.xavier_uniform_(torch.empty(3))
    with pytest.raises(ValueError, match="nonlinearity must be one of"):
        init.kaiming_normal_(torch.empty(3, 3), nonlinearity="swish")
    with pytest.raises(ValueError, match="low must be below high"):
        init.trunc_normal_(torch.empty(3), low=1.0, high=0.0)
    with pytest.raises(ValueError, match="no probability is left"):
        init.trunc_normal_(torch.empty(3), low=90.0, high=91.0)
