"""Steps taken a block at a time: cut anywhere, also through a tensor, they are the same step."""

import pytest
import torch

from groundup import optimizers
from groundup.kernels import optimizers as kernels
from parity import seeded_randn

SHAPES = [(3, 4), (), (5,), (0, 2), (2, 3, 2), (1, 2, 3, 3)]


def trained(monkeypatch, block, make):
    monkeypatch.setattr(kernels, "BLOCK_ELEMENTS", block)
    parameters = [torch.nn.Parameter(seeded_randn(*shape, seed=i)) for i, shape in enumerate(SHAPES)]
    parameters[-1].data = parameters[-1].data.to(memory_format=torch.channels_last)  # cannot be cut
    optimizer = make(parameters)
    for step in range(3):
        for i, p in enumerate(parameters):
            p.grad = torch.empty_like(p).copy_(seeded_randn(*p.shape, seed=10 * step + i))
        optimizer.step()
    return [p.detach() for p in parameters]


@pytest.mark.parametrize("block", [1, 4, 7, 12])
@pytest.mark.parametrize(
    "make",
    [
        lambda p: optimizers.RMSProp(p, weight_decay=0.1),
        lambda p: optimizers.RMSProp(p, momentum=0.9, centered=True, maximize=True),
        lambda p: optimizers.AdaDelta(p, weight_decay=0.1),
    ],
    ids=["RMSProp", "RMSProp, all options", "AdaDelta"],
)
def test_blocks_change_nothing(make, block, monkeypatch):
    whole, cut = trained(monkeypatch, 10**9, make), trained(monkeypatch, block, make)
    for a, b in zip(whole, cut):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-14)
