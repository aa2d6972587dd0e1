"""Peak memory, measured by the counter of the benchmarks."""

from itertools import accumulate

import torch

from benchmarks import memory


def peak(function, *shapes, backward=True):
    """The most bytes alive while `function` of normal inputs runs, with its gradients if asked, inputs included."""

    def build():
        return [torch.randn(shape, requires_grad=backward) for shape in shapes]

    def work():
        y = function(*inputs)
        return torch.autograd.grad(y.sum(), inputs) if backward else y

    held, inputs = memory.cpu_events(build)
    events, _ = memory.cpu_events(work)
    return sum(held) + max(accumulate(events, initial=0))


def kept(function):
    """How many bytes are alive after `function()`, with what it returned: the graph, and all that hangs on it."""
    events, result = memory.cpu_events(function)
    assert result is not None
    return sum(events)
