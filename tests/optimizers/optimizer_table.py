"""Helpers of the tests of update rules; the rules and their oracles are in rows/optimizers.py."""

from contextlib import contextmanager

import pytest
import torch

import groundup.kernels.optimizers as kernels
from groundup.backend import backend
from rows.optimizers import RULES

BODIES = ("reference", "multi_tensor", "fused")


every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@contextmanager
def body(name, monkeypatch):
    """Force one of the three bodies."""
    with monkeypatch.context() as patch, backend("reference" if name == "reference" else "fused"):
        patch.setattr(kernels, "is_fusible", lambda sharded, *lists: name == "fused")
        yield


def parameters(*shapes, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in shapes]


def copies(params):
    return [torch.nn.Parameter(p.detach().clone(memory_format=torch.preserve_format)) for p in params]


def give_gradients(*lists, step, dtype=None):
    """The same random gradients to every list of parameters; what a loss would give, without one."""
    generator = torch.Generator().manual_seed(1000 + step)
    for row in zip(*lists):
        grad = torch.randn(row[0].shape, generator=generator, dtype=torch.float64)
        for p in row:
            p.grad = grad.to(p.dtype)


def distance(params, others):
    """The largest difference anywhere."""
    return max((p - q).abs().max().item() for p, q in zip(params, others) if p.numel())
