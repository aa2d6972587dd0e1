"""Laws of layer, RMS and local response normalisation, and the mistakes that others made with them."""

from math import sqrt

import pytest
import torch

from groundup import UnsupportedCall, backend
from groundup import functional as G
from groundup import layers as L
from parity import seeded_randn

MODES = pytest.mark.parametrize("mode", ["reference", "auto"])


@MODES
def test_layer_norm_gives_mean_zero_and_biased_variance_one(mode):
    x = seeded_randn(3, 7)
    with backend(mode):
        y = G.layer_norm(x, (7,), eps=0.0)
    torch.testing.assert_close(y.mean(1), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-14)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-13)


@MODES
def test_layer_norm_is_invariant_to_scale_and_shift(mode):
    """x -> a x + b, a > 0, each sample its own, as ε -> 0."""
    x = seeded_randn(3, 7)
    a, b = torch.tensor([[0.01], [1.0], [300.0]]), torch.tensor([[5.0], [-2.0], [0.1]])
    with backend(mode):
        torch.testing.assert_close(G.layer_norm(a * x + b, (7,), eps=0.0), G.layer_norm(x, (7,), eps=0.0))


@MODES
def test_layer_norm_with_a_large_offset(mode):
    """Mean 1e4 with deviation 1 must still come out as mean 0 with deviation 1, in float32."""
    x = (seeded_randn(64, 256) + 1e4).float()
    with backend(mode):
        y = G.layer_norm(x, (256,))
    expected = torch.nn.functional.layer_norm(x.double(), (256,))
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=2e-3)


@MODES
@pytest.mark.parametrize("norm", [G.layer_norm, G.rms_norm])
def test_statistics_do_not_overflow_half_precision(norm, mode):
    """The square of 300 is no float16."""
    x = (300 * seeded_randn(4, 64)).half()
    with backend(mode):
        y = norm(x, (64,), eps=1e-5)
    assert y.dtype == torch.float16
    torch.testing.assert_close(y.double(), norm(x.double(), (64,), eps=1e-5), rtol=0, atol=3e-3)


@MODES
def test_rms_norm_is_invariant_to_scale_only(mode):
    x = seeded_randn(3, 7)
    with backend(mode):
        y = G.rms_norm(x, (7,), eps=0.0)
        torch.testing.assert_close(G.rms_norm(1e-3 * x, (7,), eps=0.0), y, rtol=0, atol=1e-12)
        assert (G.rms_norm(x + 1, (7,), eps=0.0) - y).abs().max() > 0.1
    torch.testing.assert_close(y.square().mean(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-13)


@MODES
def test_rms_norm_adds_eps_inside_the_root(mode):
    """At activations of 1e-3 and ε = 1e-5 it makes the difference between 0.30 and nearly 1."""
    x = torch.full((1, 8), 1e-3, dtype=torch.float64)
    with backend(mode):
        y = L.RMSNorm(8, eps=1e-5, dtype=torch.float64)(x)
    torch.testing.assert_close(y, torch.full_like(x, 1e-3 / sqrt(1e-6 + 1e-5)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@MODES
def test_rms_norm_takes_the_epsilon_of_its_statistics(mode, dtype):
    """eps=None: the machine epsilon of float64, and of float32 for all that is narrower."""
    x = torch.full((1, 4), 2.0**-13, dtype=dtype)
    eps = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    with backend(mode):
        y = G.rms_norm(x, (4,))
    assert y[0, 0].item() == pytest.approx(2.0**-13 / sqrt(2.0**-26 + eps), rel=torch.finfo(dtype).eps)


def test_partial_rms_norm_looks_at_the_first_features_only():
    """6.25 % of 32 features are two of them; the rest are scaled, and do not matter."""
    layer = L.RMSNorm(32, eps=0.0, partial=0.0625, dtype=torch.float64)
    x = seeded_randn(3, 32)
    y = layer(x)
    torch.testing.assert_close(y, x / x[:, :2].square().mean(1, keepdim=True).sqrt(), rtol=1e-12, atol=0)
    x[:, 2:] = 7.0
    assert torch.equal(layer(x)[:, :2], y[:, :2])
    assert "partial=0.0625" in repr(layer)
    with backend("fused"), pytest.raises(UnsupportedCall, match=r"partial=0\.0625"):
        layer(x)


@pytest.mark.parametrize(("partial", "first"), [(0.07, 7), (0.29, 29), (0.001, 1), (1.0, 100)])
def test_partial_counts_are_not_rounded_up_by_rounding(partial, first):
    """0.07 · 100 is 7.000000000000001 in floating point."""
    x = seeded_randn(1, 100)
    expected = x / x[:, :first].square().mean().sqrt()
    torch.testing.assert_close(G.rms_norm(x, (100,), eps=0.0, partial=partial), expected, rtol=1e-12, atol=0)


@MODES
def test_local_response_norm_is_alexnets_with_five_times_its_alpha(mode):
    """b_i = a_i / (k + α Σ_{j = max(0, i - n/2)}^{min(N - 1, i + n/2)} a_j²)^β, as the paper prints it, by loops."""
    n, k, alpha, beta, channels = 5, 2, 1e-4, 0.75, 9
    a = 30 * seeded_randn(2, channels, 3, 2)
    b = torch.empty_like(a)
    for i in range(channels):
        total = sum(a[:, j] ** 2 for j in range(max(0, i - n // 2), min(channels - 1, i + n // 2) + 1))
        b[:, i] = a[:, i] / (k + alpha * total) ** beta
    with backend(mode):
        ours = L.LocalResponseNorm(n, alpha=n * alpha, beta=beta, k=float(k))(a)
    torch.testing.assert_close(ours, b, rtol=1e-12, atol=1e-12)
    assert (b - a / k**beta).abs().max() > 0.1  # the sum matters here


def test_local_response_norm_of_any_layout():
    x = seeded_randn(2, 3, 4, 5, 6)
    expected = L.LocalResponseNorm(3, alpha=0.5)(x)
    for mode in ("reference", "auto"):
        with backend(mode):
            turned = x.transpose(2, 4).contiguous().transpose(2, 4)
            torch.testing.assert_close(L.LocalResponseNorm(3, alpha=0.5)(turned), expected, rtol=0, atol=1e-14)


def test_what_they_print():
    assert repr(L.LayerNorm((2, 3))) == "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True)"
    assert repr(L.RMSNorm(4)) == "RMSNorm((4,), eps=None, elementwise_affine=True)"
    assert repr(L.LocalResponseNorm(5)) == "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)"


@pytest.mark.body("auto")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_the_response_norm_under_transformations_and_in_a_trace(tmp_path, untyped):
    """Neither torch.func nor TorchScript can look into a function with a backward pass of its own."""
    x, direction = seeded_randn(2, 7, 3, 2), seeded_randn(2, 7, 3, 2)
    norm = L.LocalResponseNorm(4, alpha=0.7)
    with backend("fused"):
        y, slope = torch.func.jvp(norm, (x,), (direction,))
        torch.testing.assert_close(slope, (norm(x + 1e-6 * direction) - norm(x - 1e-6 * direction)) / 2e-6)
        torch.testing.assert_close(torch.vmap(norm)(x[:, None]), y[:, None])
        each = torch.vmap(torch.func.grad(lambda x: norm(x[None]).sin().sum()))(x)
        leaf = x.clone().requires_grad_()
        torch.testing.assert_close(each, torch.autograd.grad(norm(leaf).sin().sum(), leaf)[0])
        torch.jit.trace(norm, leaf).save(tmp_path / "norm.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "norm.pt")(x), y)
