"""Weights laid out ahead of time: the same products, only within, only without a gradient, only while they hold."""

from contextlib import suppress

import pytest
import torch
import torch.nn.functional as F

from groundup import backend
from groundup.functional import linear
from groundup.generation import generate
from groundup.kernels import linear as kernels
from groundup.kernels.linear import pack_weights
from groundup.models.transformer_networks import GPT2, LLaMA2

pytestmark = pytest.mark.body("auto")


@pytest.fixture(autouse=True)
def _kernels():
    with backend("auto"):
        yield


@pytest.fixture
def copies(monkeypatch):
    """How many products were made with a copy."""
    made = []
    product = kernels._product
    monkeypatch.setattr(kernels, "_product", lambda x, w, b=None: made.append(w.is_mkldnn) or product(x, w, b))
    return lambda: sum(made)


@pytest.mark.parametrize("rows", [2, 8, 64])
@pytest.mark.parametrize("shape", [(320, 256), (1000, 70), (256, 1024)], ids=str)
@pytest.mark.parametrize("with_bias", [False, True])
def test_equals_pytorchs(copies, rows, shape, with_bias):
    weight, bias = torch.randn(shape).requires_grad_(), torch.randn(shape[0]) if with_bias else None
    with pack_weights([weight], rows), torch.no_grad():
        for size in ((rows, 1), (1,), (3, 5), (rows,), ()):
            x = torch.randn(*size, shape[1])
            torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias), rtol=1e-4, atol=1e-4)
        assert copies() == 5
        linear(torch.randn(65, shape[1]), weight, bias)  # more rows than it is for
        assert linear(torch.randn(0, shape[1]), weight, bias).shape == (0, shape[0])
        assert copies() == 5
    assert not kernels._packed


def test_only_within_and_while_it_holds(copies):
    weight, x = torch.randn(400, 300).requires_grad_(), torch.randn(4, 300)
    with pack_weights([weight], 4):
        linear(x, weight).sum().backward()  # a gradient is asked for
        with torch.no_grad(), backend("reference"):
            linear(x, weight)
        assert copies() == 0
        with torch.no_grad():
            linear(x, weight)
            assert copies() == 1
            weight.mul_(2)  # the copy is of what it was
            torch.testing.assert_close(linear(x, weight), F.linear(x, weight))
            assert copies() == 1
    with torch.no_grad():
        linear(x, weight)
    assert copies() == 1


def test_nested_and_left_by_an_error(copies):
    one, other = torch.randn(300, 300), torch.randn(300, 300)
    with torch.no_grad(), pack_weights([one], 4):
        with suppress(RuntimeError), pack_weights([one, other], 4):
            assert len(kernels._packed) == 2
            raise RuntimeError
        linear(torch.randn(4, 300), one)
        linear(torch.randn(4, 300), other)
    assert copies() == 1
    assert not kernels._packed


@pytest.mark.parametrize(
    "weight",
    [
        torch.randn(100, 100),  # small
        torch.randn(400, 300, dtype=torch.float64),
        torch.randn(400, 300).bfloat16(),
        torch.randn(300, 400).mT,
        torch.randn(400, 300, device="meta"),
    ],
)
def test_what_is_left_as_it_lies(weight):
    with pack_weights([weight], 4):
        assert not kernels._packed


def test_no_more_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(kernels, "PACK_MAX_BYTES", 4 * 300 * 300 * 2)
    weights = [torch.randn(300, 300) for _ in range(3)]
    for rows, count in ((4, 2), (1, 0), (65, 0)):
        with pack_weights(weights, rows):
            assert len(kernels._packed) == count


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("model", [
    lambda: GPT2(1000, 64, 256, 2, 4),
    lambda: LLaMA2(vocab_size=1000, context=64, embed_dim=256, num_layers=2, num_heads=4),
], ids=["GPT2", "LLaMA2"])  # fmt: skip
def test_decoding_uses_them(copies, monkeypatch, model, width):
    model = model().eval()
    prompts = torch.randint(0, 1000, (4, 5))
    how = {"max_new_tokens": 20, "temperature": 0.0, "width": width, "stop": 999}
    found = generate(model, prompts, **how)
    assert copies() >= found.tokens.size(1) * 2 * 4
    assert not kernels._packed
    monkeypatch.setattr(kernels, "PACK_MAX_BYTES", 0)
    plain = generate(model, prompts, **how)
    torch.testing.assert_close(found.log_p, plain.log_p, rtol=1e-4, atol=1e-4)
    assert torch.equal(found.tokens, plain.tokens)


def test_a_model_made_in_inference_mode_decodes_too():
    """Its weights count no changes, so that a copy could not be known to hold: none is made."""
    with torch.inference_mode():
        model = GPT2(300, 32, 256, 1, 4).eval()
        inside = generate(model, [[1, 2], [3]], max_new_tokens=20, temperature=0.0)
    assert inside.tokens.shape == (2, 20)
    assert torch.equal(generate(model, [[1, 2], [3]], max_new_tokens=20, temperature=0.0).tokens, inside.tokens)
