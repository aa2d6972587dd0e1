"""The average pool with a backward pass of its own: every kind of derivative, and what it keeps."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from groundup import backend
from groundup.functional import avg_pool2d
from groundup.kernels import images as kernels
from groundup.layers import AvgPool2d

pytestmark = pytest.mark.body("auto")

HOW = [
    (2,),
    (3, 2, 1),
    ((3, 2), (2, 1), (1, 0)),
    (3, 2, 1, True),
    (3, 2, 1, True, False),
    (2, None, 0, False, True, 3),
]


@pytest.fixture(autouse=True)
def _large(monkeypatch):
    monkeypatch.setattr(kernels, "RECOMPUTE_MIN_ELEMENTS", 0)
    with backend("fused"):
        yield


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (3, 6, 5)], ids=str)
def test_every_derivative(shape, how):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: avg_pool2d(x, *how), x, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(lambda x: avg_pool2d(x, *how), x)


@pytest.mark.parametrize("how", HOW, ids=str)
def test_per_sample_gradients(how):
    def gradients(pool):
        return torch.func.vmap(torch.func.grad(lambda x: (pool(x, *how) ** 2).sum()))(x)

    x = torch.randn(4, 3, 7, 9, dtype=torch.float64)
    torch.testing.assert_close(gradients(avg_pool2d), gradients(F.avg_pool2d))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_has_the_layout_of_the_image(layout):
    x = torch.randn(2, 8, 6, 6).contiguous(memory_format=layout).requires_grad_()
    y = avg_pool2d(x, 2)
    y.backward(torch.ones_like(y))
    assert x.grad.is_contiguous(memory_format=layout)
    assert y.is_contiguous(memory_format=layout)


def test_nothing_of_the_image_is_kept():
    kept = []
    x = torch.randn(2, 8, 6, 6, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda _: None):
        avg_pool2d(x, 2)
    assert kept == []


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_has_the_kernel_in_it(untyped, tmp_path):
    """TorchScript cannot hold a function that is written in Python."""

    class Pool(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, x):
            return avg_pool2d(self.scale * x, 2)

    x = torch.randn(1, 3, 6, 6)
    torch.jit.trace(Pool(), x).save(tmp_path / "pool.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "pool.pt")(x), F.avg_pool2d(x, 2))


@pytest.mark.parametrize("size", [np.int64(2), (np.int64(2), np.int64(2))], ids=["one", "a pair"])
def test_numpys_numbers_are_sizes(untyped, size):
    x = torch.randn(1, 2, 6, 6, requires_grad=True)
    (g,) = torch.autograd.grad(avg_pool2d(x, size).sum(), x)
    torch.testing.assert_close(g, torch.full_like(x, 0.25))


def test_an_exported_pool_takes_any_number_of_images(monkeypatch, untyped):
    """What is large is not asked while the sizes are symbols: the answer would hold of the program for good."""
    monkeypatch.setattr(kernels, "RECOMPUTE_MIN_ELEMENTS", 2**21)
    pool = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), AvgPool2d(2))
    x = torch.randn(2, 1, 8, 8)
    batch = torch.export.Dim("batch", min=1)
    exported = torch.export.export(pool, (x,), dynamic_shapes=({0: batch},))
    x = x.repeat(5, 1, 1, 1)
    torch.testing.assert_close(exported.module()(x), pool(x))
