"""What torch.compile's own code generator makes of the definitions: two of its faults that were met, and stay out."""

import shutil

import pytest
import torch

from groundup import backend, optimizers
from groundup import layers as L

pytestmark = [
    pytest.mark.usefixtures("untyped"),
    pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler"),
]


def test_momentum_does_not_become_the_gradient():
    """The first step's 0 · μ + g was taken for g itself, and kept as the momentum buffer."""
    torch._dynamo.reset()
    grads = [torch.randn(3) for _ in range(3)]
    after = []
    for compiled in (True, False):
        p = torch.nn.Parameter(torch.ones(3))
        optimizer = optimizers.SGD_Momentum([p], lr=0.1)
        step = torch.compile(optimizer.step, fullgraph=True) if compiled else optimizer.step
        p.grad = torch.empty(3)
        with backend("reference"):
            for grad in grads:
                p.grad.copy_(grad)
                step()
        after.append(p.detach())
    torch.testing.assert_close(*after)


def test_a_kernel_as_large_as_its_image_has_a_derivative():
    """The compiled derivative of a single window was wrong, and wrote past its memory."""
    torch._dynamo.reset()
    net = torch.nn.Sequential(L.AvgPool2d(2), L.Conv2d(3, 4, 5))
    x = torch.randn(8, 3, 10, 10)
    gradients = []
    with backend("reference"):
        for function in (torch.compile(net, fullgraph=True), net):
            leaf = x.clone().requires_grad_()
            gradients.append(torch.autograd.grad(function(leaf).square().sum(), leaf)[0])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
