"""Two image classifiers are one function: scores, every gradient and every buffer, in float64, at full size."""

import torch

from groundup.weights import to_ours, to_theirs
from parity import seeded_randn
from rows.oracles.residual import randomise_norms


def assert_equal_networks(ours, oracle, table, size=(64, 64), tolerance=1e-10):
    """`oracle()`'s random weights, carried over by `table`; one step in either mode, and back."""
    torch.manual_seed(0)
    oracle = randomise_norms(oracle().double())
    ours.load_state_dict(to_ours(table, oracle.state_dict(), ours.state_dict()), strict=True)
    x = seeded_randn(2, 3, *size)
    for train in (True, False):
        a, b = ours.train(train)(x), oracle.train(train)(x)
        scale = max(1.0, b.abs().max().item())
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * scale)
        upstream = seeded_randn(*b.shape, seed=3)
        ours_grads = torch.autograd.grad(a, list(ours.parameters()), upstream)
        their_grads = torch.autograd.grad(b, list(oracle.parameters()), upstream)
        translated = to_theirs(table, dict(zip((name for name, _ in ours.named_parameters()), ours_grads)))
        translated = {name: grad for name, grad in translated.items() if grad.is_floating_point()}  # no indices
        expected = dict(zip((name for name, _ in oracle.named_parameters()), their_grads))
        assert translated.keys() == expected.keys()
        for name, grad in expected.items():
            scale = max(1.0, grad.abs().max().item())
            torch.testing.assert_close(
                translated[name], grad, rtol=0, atol=tolerance * scale, msg=lambda m, n=name: f"{n}: {m}"
            )
    exported = to_theirs(table, ours.state_dict())
    for name, value in oracle.state_dict().items():  # the running statistics among them
        torch.testing.assert_close(exported[name], value, rtol=0, atol=tolerance * max(1.0, value.abs().max().item()))
    oracle.load_state_dict(exported, strict=True)
