"""The function sweep: both bodies of every registered function against PyTorch, forward and backward."""

import math

import pytest
import torch

from groundup import UnsupportedCall, backend
from groundup import functional as G
from groundup.backend import registry
from parity import TOLERANCES, assert_same, run, seeded_randn
from rows.feedforward import ELEMENTWISE, wide_range
from rows.registry import FUNCTION_CASES

by_id = {"ids": lambda value: value.id if hasattr(value, "id") else None}
GRAD_SMOOTH = [case for case in FUNCTION_CASES if case.smooth]


def test_every_two_bodied_function_has_cases():
    """Optimizer steps work in place on lists; tests/optimizers has their sweep."""
    mathematics = {n for n, f in registry.items() if f.reference.__module__.startswith("groundup.functional")}
    assert mathematics <= {case.function.__name__ for case in FUNCTION_CASES}


def call(case, dtype, function, mode="auto"):
    arguments, kwargs = case.make(dtype)
    torch.manual_seed(7)  # for dropout
    with backend(mode):
        return run(lambda *a: function(*a, **kwargs), arguments, constants=case.constants)


@pytest.mark.parametrize("mode", ["reference", "fused"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", FUNCTION_CASES, **by_id)
def test_against_pytorch(case, dtype, mode, measured):
    if case.oracle is None:
        pytest.skip("no oracle")
    try:
        actual = call(case, dtype, case.function, mode)
    except UnsupportedCall as refusal:
        pytest.skip(str(refusal))
    errors = assert_same(actual, call(case, dtype, case.oracle), dtype)
    assert all(output.dtype == dtype for output in actual.outputs)
    measured(f"functional.{case.function.__name__}", dtype, errors)


@pytest.mark.body("reference")
@pytest.mark.parametrize("case", GRAD_SMOOTH, **by_id)
def test_gradcheck_of_the_definition(case):
    arguments, kwargs = case.make(torch.float64)
    arguments = [a.requires_grad_() if torch.is_tensor(a) and a.is_floating_point() else a for a in arguments]
    with backend("reference"):
        assert torch.autograd.gradcheck(lambda *a: case.function(*a, **kwargs), arguments, fast_mode=True)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("mode", ["reference", "auto"])
@pytest.mark.parametrize("case", list({c.function: c for c in FUNCTION_CASES}.values()), **by_id)
def test_compiles_whole(case, mode):
    """torch.compile(fullgraph=True), forward and backward; with autograd's graph for the body that runs by default."""
    if case.function is G.dropout:
        pytest.skip("random streams differ under the compiler")
    torch._dynamo.reset()
    arguments, kwargs = case.make(torch.float32)
    compiler = "aot_eager" if mode == "auto" else "eager"
    with backend(mode):
        compiled = torch.compile(lambda *a: case.function(*a, **kwargs), fullgraph=True, backend=compiler)
        assert_same(
            run(compiled, arguments, constants=case.constants),
            call(case, torch.float32, case.function, mode),
            torch.float32,
        )


# ---- laws and the mistakes that others made ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["reference", "fused"])
@pytest.mark.parametrize(("function", "oracle"), ELEMENTWISE, ids=lambda f: getattr(f, "__name__", ""))
def test_derivative_at_zero_and_at_the_ends(function, oracle, mode):
    """No subgradient of abs or clamp is taken for the derivative, and nothing overflows."""
    x = wide_range.double().requires_grad_()
    with backend(mode):
        (grad,) = torch.autograd.grad(function(x).sum(), x)
    (expected,) = torch.autograd.grad(oracle(x).sum(), x)
    torch.testing.assert_close(grad, expected, rtol=1e-12, atol=1e-12)


def test_known_derivatives_at_zero():
    with backend("reference"):
        for function, derivative in ((G.sigmoid, 0.25), (G.tanh, 1.0), (G.relu, 0.0), (G.softplus, 0.5), (G.gelu, 0.5)):
            x = torch.zeros((), dtype=torch.float64, requires_grad=True)
            assert torch.autograd.grad(function(x), x)[0].item() == pytest.approx(derivative, abs=1e-15)


def test_relu_keeps_nan_and_works_in_place():
    for mode in ("reference", "fused"):
        x = torch.tensor([torch.nan, -1.0, 2.0])
        with backend(mode):
            assert G.relu(x).isnan().tolist() == [True, False, False]
            assert G.relu(x, inplace=True) is x
        assert x[1:].tolist() == [0.0, 2.0]


def test_scaled_tanh_maps_one_to_one():
    """f(±1) = ±1, LeCun et al. 1998, appendix A."""
    torch.testing.assert_close(G.scaled_tanh(torch.tensor([-1.0, 1.0])), torch.tensor([-1.0, 1.0]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("mode", ["reference", "fused"])
def test_softmax_of_a_masked_row_is_zero_with_zero_gradient(mode):
    x = seeded_randn(3, 4).requires_grad_()
    mask = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4])
    with backend(mode):
        p, log_p, lse = (f(x, -1, mask) for f in (G.softmax, G.log_softmax, G.logsumexp))
        bare = G.softmax(torch.full((2, 3), -torch.inf))
    assert p[1].tolist() == [0.0] * 4
    assert bare.tolist() == [[0.0] * 3] * 2
    assert (log_p[1] == -torch.inf).all()
    assert lse[1] == -torch.inf
    torch.testing.assert_close(p.sum(1), torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64))
    assert (p[~mask] == 0).all()
    for value in (p, torch.where(log_p == -torch.inf, 0, log_p), lse):
        (grad,) = torch.autograd.grad(value.sum(), x, retain_graph=True)
        assert grad.isfinite().all()
        assert (grad[~mask] == 0).all()


@pytest.mark.parametrize("mode", ["reference", "fused"])
def test_softmax_is_stable_and_shift_invariant(mode):
    x = seeded_randn(4, 6)
    with backend(mode):
        torch.testing.assert_close(G.softmax(x + 1e4), G.softmax(x), rtol=1e-9, atol=1e-9)
        assert G.softmax(x * 1e4).isfinite().all()
        torch.testing.assert_close(G.logsumexp(x + 1e4), G.logsumexp(x) + 1e4, rtol=1e-12, atol=0)


@pytest.mark.parametrize("mode", ["reference", "fused"])
def test_losses_are_finite_at_saturation(mode):
    """|z| = 1e4: the loss is the margin, not inf or NaN."""
    with backend(mode):
        z = torch.tensor([1e4, -1e4])
        assert G.binary_cross_entropy_with_logits(z, torch.tensor([0.0, 1.0]), reduction="none").tolist() == [1e4, 1e4]
        logits = torch.tensor([[1e4, -1e4], [1e4, -1e4]])
        assert G.cross_entropy(logits, torch.tensor([0, 1]), reduction="none").tolist() == [0.0, 2e4]


@pytest.mark.parametrize("mode", ["reference", "fused"])
def test_batch_norm_with_a_large_offset(mode):
    """Mean 1e4 with deviation 1 must still come out as mean 0 with deviation 1, in float32."""
    x = (seeded_randn(64, 3, 8, 8) + 1e4).float()
    with backend(mode):
        y = G.batch_norm(x, None, None, training=True)
    expected = torch.nn.functional.batch_norm(x.double(), None, None, training=True)
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=2e-3)


def test_batch_norm_statistics():
    """Biased variance normalises, unbiased variance is stored."""
    x = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    mean, var = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    for mode in ("reference", "fused"):
        with backend(mode):
            y = G.batch_norm(x, mean.zero_(), var.fill_(1), training=True, momentum=1.0, eps=1e-14)
        assert y.flatten().tolist() == pytest.approx([-1.0, 1.0], abs=1e-12)
        assert (mean.item(), var.item()) == (2.0, 2.0)


def test_dropout_moments():
    """On ones: mean 1, variance p / (1 - p)."""
    for mode in ("reference", "fused"):
        with backend(mode):
            y = G.dropout(torch.ones(1_000_000), 0.3)
        assert y.mean().item() == pytest.approx(1.0, abs=5e-3)
        assert y.var().item() == pytest.approx(0.3 / 0.7, abs=5e-3)


def test_dropout_with_a_generator():
    """Its own generator makes it deterministic, and leaves the global one alone."""
    x, state = torch.ones(100), torch.get_rng_state()
    draws = [G.dropout(x, 0.5, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), state)
    with backend("fused"), pytest.raises(UnsupportedCall, match=r"dropout.*generator"):
        G.dropout(x, 0.5, generator=torch.Generator())


def test_dropout_of_one_keeps_no_nan():
    assert G.dropout(torch.ones(4), 1.0).tolist() == [0.0] * 4


@pytest.mark.parametrize("mode", ["reference", "fused"])
def test_max_pool_never_shows_its_border(mode):
    with backend(mode):
        y = G.max_pool2d(-torch.ones(1, 1, 4, 4), 3, stride=2, padding=1, ceil_mode=True)
    assert (y == -1).all()


def test_ceil_mode_is_caffe_padding():
    """MaxPool2d(3, 2, ceil_mode=True) is a pad of one at the far sides: what Caffe's networks used."""
    x = seeded_randn(1, 2, 6, 6)
    far = torch.nn.functional.pad(x, (0, 1, 0, 1), value=-torch.inf)
    assert torch.equal(G.max_pool2d(x, 3, 2, ceil_mode=True), torch.nn.functional.max_pool2d(far, 3, 2))


def test_grouped_convolution_is_convolutions_side_by_side():
    x, w = seeded_randn(2, 6, 5, 5), seeded_randn(4, 3, 3, 3)
    apart = [G.conv2d(x[:, 3 * g : 3 * g + 3], w[2 * g : 2 * g + 2]) for g in range(2)]
    torch.testing.assert_close(G.conv2d(x, w, groups=2), torch.cat(apart, 1), rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
def test_same_padding_honours_dilation_and_even_kernels():
    for kernel in (2, 3, 4):
        for dilation in (1, 2, 3):
            y = G.conv2d(seeded_randn(1, 1, 16, 16), seeded_randn(1, 1, kernel, kernel), None, 1, "same", dilation)
            assert y.shape == (1, 1, 16, 16)


def test_map_loss_is_equation_9():
    """y_D + log(exp(-j) + Σ exp(-y_i)), computed in the plain way in float64."""
    y = seeded_randn(4, 3).abs()
    target = torch.tensor([0, 2, 1, 1])
    expected = y.gather(1, target[:, None])[:, 0] + torch.log(math.exp(-0.5) + torch.exp(-y).sum(1))
    torch.testing.assert_close(G.map_loss(-y, target, j=0.5, reduction="none"), expected, rtol=1e-12, atol=1e-12)


def test_hinge_loss_against_scikit_learn():
    from sklearn.metrics import hinge_loss

    scores, target = seeded_randn(20), torch.where(seeded_randn(20, seed=9) > 0, 1, -1)
    assert G.hinge_loss(scores, target).item() == pytest.approx(hinge_loss(target.numpy(), scores.numpy()), abs=1e-12)


def test_per_sample_gradients_by_vmap():
    """Label checks do not stop torch.func: per-sample gradients equal a loop's."""
    weight, x, y = seeded_randn(3, 5), seeded_randn(4, 5), torch.tensor([0, 1, 2, 0])

    def loss(w, a, b):
        return G.cross_entropy(G.linear(a[None], w), b[None])

    together = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weight, x, y)
    for i in range(4):
        torch.testing.assert_close(
            together[i], torch.func.grad(loss)(weight, x[i], y[i]), rtol=0, atol=TOLERANCES[torch.float64]
        )
