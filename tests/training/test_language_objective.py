"""The objective of language models: the mean of what is counted, whatever is left out."""

import torch
import torch.nn.functional as F

from groundup.data import Loader, TokenWindows
from groundup.models.transformer_networks import GPT2
from groundup.training import language_model, perplexity


def test_it_sums_over_what_counts():
    model = GPT2(11, 16, 8, 1, 2, dropout=0.0)
    x, y = torch.randint(0, 11, (2, 6)), torch.randint(0, 11, (2, 6))
    y[0, :3] = -100
    total, count = language_model()(model, (x, y))
    assert int(count) == 9
    expected = F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum")
    torch.testing.assert_close(total, expected)
    gradients = torch.autograd.grad(total, list(model.parameters()))
    for ours, theirs in zip(gradients, torch.autograd.grad(expected, list(model.parameters()))):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_perplexity_is_that_of_all_tokens():
    model = GPT2(11, 4, 8, 1, 2, dropout=0.0).eval()
    tokens = torch.randint(0, 11, (23,))
    with torch.no_grad():
        found = perplexity(Loader(TokenWindows(tokens, 4), 2), language_model())(model)
        windows = TokenWindows(tokens, 4).batch(torch.arange(5))
        expected = F.cross_entropy(model(windows[0]).flatten(0, 1), windows[1].flatten())
    assert abs(found["loss"] - float(expected)) < 1e-5
