"""Products so large that oneDNN makes them: the same numbers, derivatives of every kind, and nothing in the way."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import forward_ad

from groundup import backend
from groundup.functional import linear
from groundup.kernels import linear as kernels

O, I, ROWS = 512, 640, 512  # 2²⁷ · 1.25 multiply-adds


pytestmark = pytest.mark.body("auto")  # of a kernel


@pytest.fixture(autouse=True)
def _kernels():
    with backend("auto"):
        yield


@pytest.fixture
def operands(untyped):
    generator = torch.Generator().manual_seed(0)
    shapes = ((ROWS, I), (O, I), (O,))
    return [torch.randn(s, generator=generator).requires_grad_() for s in shapes]


@pytest.fixture
def used(monkeypatch):
    """How often oneDNN was asked."""
    calls = []
    product = kernels._product
    monkeypatch.setattr(kernels, "_product", lambda *a: calls.append(1) or product(*a))
    return calls


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=2e-6 * float(b.detach().abs().max()) + 1e-6)


@pytest.mark.parametrize("shape", [(I,), (1, I), (3, 64, I), (2, 0, I), (ROWS, I)], ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_equals_pytorchs(operands, used, shape, with_bias):
    _, weight, bias = operands
    x, bias = torch.randn(shape), bias if with_bias else None
    with torch.no_grad():
        actual = linear(x, weight, bias)
        assert bool(used) == (x.numel() > 0)
        close(actual, F.linear(x, weight, bias)) if x.numel() else None
        assert actual.shape == (*shape[:-1], O)
        strided = torch.stack([x, x], -1)[..., 0]
        close(linear(strided, weight, bias), F.linear(x, weight, bias)) if x.numel() else None
        close(linear(x, weight.mT.contiguous().mT, bias), F.linear(x, weight, bias)) if x.numel() else None


@pytest.mark.parametrize("constant", [None, 0, 1, 2])
def test_first_and_second_derivatives(operands, used, constant):
    if constant is not None:
        operands[constant].requires_grad_(False)
    leaves = [t for t in operands if t.requires_grad]
    g = torch.randn(ROWS, O, requires_grad=True)

    def derivatives(function):
        first = torch.autograd.grad(function(*operands), leaves, g, create_graph=True)
        second = torch.autograd.grad(sum(t.square().sum() for t in first), [g, *leaves], allow_unused=True)
        plain = torch.autograd.grad(function(*operands), leaves, g)
        return [*first, *plain, *(t for t in second if t is not None)]

    actual = derivatives(linear)
    assert used
    for a, b in zip(actual, derivatives(F.linear), strict=True):
        close(a, b)


def test_transforms_go_past_it(operands, used):
    x, weight, bias = (t.detach() for t in operands)
    close(torch.vmap(linear, (0, None, None))(x, weight, bias), F.linear(x, weight, bias))
    _, tangent = torch.func.jvp(lambda w: linear(x, w, bias), (weight,), (weight,))
    close(tangent, F.linear(x, weight))
    close(torch.vmap(linear, (None, 0))(x, torch.stack([weight, -weight]))[1], -F.linear(x, weight))
    slope = torch.func.grad(lambda w: linear(x, w, bias).square().sum() / 2)(weight)
    close(slope, F.linear(x, weight, bias).mT @ x)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, x)
        close(forward_ad.unpack_dual(linear(dual, weight)).tangent, F.linear(x, weight))
    assert linear(x.to("meta"), weight.to("meta")).shape == (ROWS, O)
    with warnings.catch_warnings():  # the checks of sizes are not traced, which it says
        warnings.simplefilter("ignore")
        assert "mkldnn" not in str(torch.jit.trace(linear, (x, weight, bias), check_trace=False).graph)
    assert torch.compile(linear, fullgraph=True)(x, weight, bias).shape == (ROWS, O)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight, bias).dtype == torch.bfloat16
    torch._C._set_mkldnn_enabled(False)
    try:
        linear(x, weight, bias)
    finally:
        torch._C._set_mkldnn_enabled(True)
    assert not used
