"""The loss of a large vocabulary: the same in chunks, and without the memory of all scores."""

import pytest
import torch
import torch.nn.functional as F

from groundup import backend
from groundup.functional import linear_cross_entropy
from groundup.kernels import linear_cross_entropy as kernels
from parity import seeded_randn
from peak import peak


def arguments(dtype=torch.float64):
    x, weight = seeded_randn(3, 5, 4, dtype=dtype), seeded_randn(7, 4, dtype=dtype, seed=3)
    target = torch.randint(0, 7, (3, 5), generator=torch.Generator().manual_seed(1))
    target[0, 1] = target[2, 4] = -100
    return x.requires_grad_(), weight.requires_grad_(), target


@pytest.mark.parametrize("scores", [1, 14, 50, 2**24])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_any_chunk_is_the_whole(monkeypatch, scores, smoothing, reduction):
    monkeypatch.setattr(kernels, "MAX_SCORES", scores)
    x, weight, target = arguments()
    options = {"reduction": reduction, "label_smoothing": smoothing}
    expected = F.cross_entropy((x @ weight.T).flatten(0, 1), target.flatten(), **options)
    with backend("fused"):
        loss = linear_cross_entropy(x, weight, target, **options)
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(torch.autograd.grad(3 * loss, (x, weight)), torch.autograd.grad(3 * expected, (x, weight))):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_sums_in_float32(dtype):
    x, weight, target = arguments(dtype)
    loss = linear_cross_entropy(x, weight, target)
    exact = F.cross_entropy((x.double() @ weight.double().T).flatten(0, 1), target.flatten())
    assert loss.dtype == dtype
    torch.testing.assert_close(loss.double(), exact, rtol=0.02, atol=0.02)
    for g, e in zip(torch.autograd.grad(loss, (x, weight)), torch.autograd.grad(exact, (x, weight))):
        assert g.dtype == dtype
        torch.testing.assert_close(g.double(), e.double(), rtol=0.05, atol=0.02)


@pytest.mark.parametrize("mode", ["fused", "reference"])
def test_many_rows_have_a_mean_in_float16(monkeypatch, mode):
    """Whose sum, of losses or of the weight's gradients, is past 65,504."""
    monkeypatch.setattr(kernels, "MAX_SCORES", 4 * 1000)
    x = torch.ones(200_000, 4, dtype=torch.float16, requires_grad=True)
    weight = torch.zeros(4, 4, dtype=torch.float16, requires_grad=True)
    with backend(mode):
        loss = linear_cross_entropy(x, weight, torch.zeros(200_000, dtype=torch.int64))
    expected = torch.full((4, 4), 0.25)
    expected[0] = -0.75
    torch.testing.assert_close(loss.float(), torch.tensor(4.0).log(), rtol=1e-3, atol=0)
    torch.testing.assert_close(torch.autograd.grad(loss, weight)[0].float(), expected, rtol=0.01, atol=0)


def test_a_graph_that_is_kept_gives_its_gradients_again():
    x, weight, target = arguments()
    loss = linear_cross_entropy(x, weight, target)
    first = torch.autograd.grad(loss, (x, weight), retain_graph=True)
    for a, b in zip(first, torch.autograd.grad(2 * loss, (x, weight))):
        torch.testing.assert_close(2 * a, b, rtol=0, atol=1e-12)


def test_one_side_may_be_frozen():
    x, weight, target = arguments()
    linear_cross_entropy(x, weight.detach(), target).backward()
    assert x.grad is not None
    linear_cross_entropy(x.detach(), weight, target).backward()
    assert weight.grad is not None
    with torch.no_grad():
        assert linear_cross_entropy(x, weight, target).isfinite()


@pytest.mark.parametrize("mode", ["fused", "reference"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_batch_of_nothing_but_padding_moves_nothing(mode, smoothing, dtype):
    """PyTorch's law: the mean of no losses is NaN, its gradient 0. A NaN would be in every weight after one step."""
    x, weight, target = arguments(dtype)
    with backend(mode):
        loss = linear_cross_entropy(x, weight, target.fill_(-100), label_smoothing=smoothing)
    assert loss.isnan()
    assert loss.dtype == dtype
    for g in torch.autograd.grad(loss, (x, weight)):
        assert torch.equal(g, torch.zeros_like(g))


@pytest.mark.parametrize("mode", ["fused", "reference"])
def test_under_autocast_the_types_may_differ(mode):
    x, weight, target = arguments(torch.float32)
    with backend(mode), torch.autocast("cpu", torch.bfloat16):
        assert linear_cross_entropy(x.bfloat16(), weight, target).isfinite()


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_both_bodies_take_the_same_types(mode):
    x, weight, target = arguments()
    with backend(mode):
        for dtype in (torch.bool, torch.uint8, torch.int16, torch.int32, torch.float32):
            with pytest.raises(TypeError, match=f"target must be an int64 tensor, got {dtype}"):
                linear_cross_entropy(x, weight, target.clamp(min=0).to(dtype))
        with pytest.raises(TypeError, match=r"target must be a torch.Tensor, got list"):
            linear_cross_entropy(x, weight, target.tolist())
        with pytest.raises(TypeError, match=r"weight must have x's dtype torch.float64, got torch.float32"):
            linear_cross_entropy(x, weight.float(), target)


def test_memory_is_not_that_of_all_scores(monkeypatch):
    """2,000 rows of 3,000 classes are 24 MB of float32, and a plain loss holds them three times over."""
    monkeypatch.setattr(kernels, "MAX_SCORES", 300_000)
    target = torch.randint(0, 3000, (2000,))
    plain = peak(lambda x, w: F.cross_entropy(x @ w.T, target), (2000, 8), (3000, 8))
    with backend("fused"):
        ours = peak(lambda x, w: linear_cross_entropy(x, w, target), (2000, 8), (3000, 8))
    assert ours < plain / 8


@pytest.mark.usefixtures("untyped")
def test_what_does_not_fit_is_said():
    x, weight, target = arguments()
    for words, changed in (
        (r"weight must have shape \(V, E\) with E = 3, as x has", (x[..., :3], weight, target)),
        (r"target must hold a class index for each row of x: int64 of shape \(3, 5\)", (x, weight, target[0])),
        ("target holds the label 7, but there are 7 classes", (x, weight, target.clamp(min=7))),
    ):
        with pytest.raises(ValueError, match=words):
            linear_cross_entropy(*changed)
