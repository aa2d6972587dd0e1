"""Embedding, PatchEmbedding, SEGate and the gated activations: their start, their order, and others' mistakes."""

from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from groundup import backend
from groundup import functional as G
from groundup import layers as L
from parity import seeded_randn

MODES = pytest.mark.parametrize("mode", ["reference", "auto"])
tokens = torch.tensor([[1, 4, 1, 0], [3, 1, 4, 2]])


# ---- Embedding ----------------------------------------------------------------------------------------------------


def test_an_embedding_begins_as_pytorchs():
    """N(0, 1), the padding row at zero, for the same seed."""
    for padding_idx in (None, 2, -1):
        torch.manual_seed(1)
        ours = L.Embedding(1000, 30, padding_idx)
        torch.manual_seed(1)
        theirs = nn.Embedding(1000, 30, padding_idx)
        assert torch.equal(ours.weight, theirs.weight)
        assert ours.padding_idx == theirs.padding_idx
    assert (ours.weight[-1] == 0).all()
    assert ours.weight.std().item() == pytest.approx(1.0, abs=0.02)


@MODES
def test_the_padding_row_gets_no_gradient(mode):
    layer = L.Embedding(6, 3, padding_idx=1)
    with backend(mode):
        layer(tokens).sum().backward()
    assert layer.weight.grad[:, 0].tolist() == [1, 0, 1, 1, 2, 0]


@pytest.mark.usefixtures("untyped")
@MODES
def test_a_negative_index_does_not_wrap(mode):
    with backend(mode), pytest.raises(ValueError, match=r"indices must lie in \[0, 5\].*got -1"):
        L.Embedding(6, 3)(torch.tensor([2, -1]))


@MODES
def test_the_gradient_is_divided_by_the_frequency(mode):
    layer = L.Embedding(6, 3, scale_grad_by_freq=True)
    with backend(mode):
        layer(tokens).sum().backward()
    torch.testing.assert_close(layer.weight.grad[:, 0], torch.tensor([1.0, 1, 1, 1, 1, 0]))


@MODES
def test_max_norm_shrinks_what_is_looked_up_and_nothing_else(mode):
    layer = L.Embedding(6, 3, max_norm=0.5)
    layer.weight.data.copy_(torch.arange(18.0).view(6, 3))
    layer.weight.data[0] = 0.1
    before = layer.weight.detach().clone()
    with backend(mode):
        y = layer(tokens)
    assert torch.equal(layer.weight[tokens], y)
    assert torch.equal(layer.weight[[0, 5]], before[[0, 5]])  # small enough, and not looked up
    torch.testing.assert_close(layer.weight[1:5].norm(dim=1), torch.full((4,), 0.5))
    torch.testing.assert_close(F.normalize(layer.weight[1:5]), F.normalize(before[1:5]))


def test_sparse_gradients_hold_the_same_numbers():
    gradients = []
    for mode in ("reference", "fused"):
        torch.manual_seed(1)
        layer = L.Embedding(6, 3, padding_idx=4, sparse=True)
        with backend(mode):
            (layer(tokens) ** 2).sum().backward()
        gradients.append(layer.weight.grad)
    assert [g.is_sparse for g in gradients] == [False, True]
    torch.testing.assert_close(gradients[1].to_dense(), gradients[0])


@MODES
def test_an_embedding_is_a_product_with_one_hot_vectors_and_can_be_tied(mode):
    layer = L.Embedding(6, 3, dtype=torch.float64)
    one_hot = F.one_hot(tokens, 6).double()
    with backend(mode):
        y = layer(tokens.int())
        torch.testing.assert_close(y, one_hot @ layer.weight)
        torch.testing.assert_close(G.linear(y, layer.weight), y @ layer.weight.T)


def test_indices_are_trusted_where_they_cannot_be_read():
    """Per-sample gradients by vmap go through the check."""
    weight = seeded_randn(6, 3)
    for mode in ("reference", "auto"):
        with backend(mode):
            together = torch.func.vmap(lambda i: G.embedding(i, weight))(tokens)
        assert torch.equal(together, weight[tokens])


# ---- gated activations --------------------------------------------------------------------------------------------


@MODES
def test_the_second_half_gates_the_first(mode):
    """F.glu's order: a gate of -∞ closes, one of +∞ opens."""
    x = torch.tensor([[3.0, 5.0, -1e4, 1e4]])
    with backend(mode):
        assert G.glu(x).tolist() == [[0.0, 5.0]]


def test_glu_loads_a_linear_followed_by_glu():
    theirs = nn.Sequential(nn.Linear(5, 6), nn.GLU())
    ours = L.GLU(5, 3)
    ours.proj.load_state_dict(theirs[0].state_dict(), strict=True)
    x = torch.randn(4, 5)
    torch.testing.assert_close(ours(x), theirs(x))
    w, v = ours.proj.weight.chunk(2)
    b, c = ours.proj.bias.chunk(2)
    torch.testing.assert_close(ours(x), (x @ w.T + b) * torch.sigmoid(x @ v.T + c))


@pytest.mark.parametrize("layer", [L.GLU(5, 8), L.SwiGLU(5, 8)])
def test_out_features_is_what_comes_out(layer):
    assert layer(torch.ones(2, 5)).shape == (2, layer.out_features) == (2, 8)


def test_swiglu_activates_the_gate():
    """LLaMA's gate_proj is Shazeer's W, the activated one, and up_proj is V; no biases unless asked for."""
    layer = L.SwiGLU(5, 3)
    assert set(layer.state_dict()) == {"gate_proj.weight", "up_proj.weight"}
    x = torch.randn(4, 5)
    expected = F.silu(x @ layer.gate_proj.weight.T) * (x @ layer.up_proj.weight.T)
    torch.testing.assert_close(layer(x), expected)
    assert "up_proj.bias" in L.SwiGLU(5, 3, bias=True).state_dict()


def test_gelu_knows_both_forms():
    x = torch.tensor([2.0])
    assert L.GELU()(x).item() == pytest.approx(1.9544997, abs=1e-6)
    assert L.GELU("tanh")(x).item() == pytest.approx(1.9545977, abs=1e-6)
    assert repr(L.GELU("tanh")) == "GELU(approximate='tanh')"


# ---- SEGate -------------------------------------------------------------------------------------------------------


def test_each_matrix_of_a_gate_begins_with_its_own_fan_in():
    """At C = 256, r = 16: √(2/256) = .088 for the first, √(2/16) = .354 for the second."""
    gate = L.SEGate(256)
    assert gate.fc1.weight.std().item() == pytest.approx(sqrt(2 / 256), rel=0.05)
    assert gate.fc2.weight.std().item() == pytest.approx(sqrt(2 / 16), rel=0.05)
    assert not gate.fc1.bias.any()
    assert not gate.fc2.bias.any()


def test_parameters_of_a_gate():
    """2 C² / r, and C + C / r biases."""
    count = [sum(p.numel() for p in L.SEGate(64, 16, bias).parameters()) for bias in (False, True)]
    assert count == [2 * 64**2 // 16, 2 * 64**2 // 16 + 64 + 64 // 16]


def test_a_gate_of_zeros_halves():
    """σ(0) = 1/2 for every channel."""
    gate = L.SEGate(16)
    for p in gate.parameters():
        nn.init.zeros_(p)
    x = torch.randn(2, 16, 3, 4)
    torch.testing.assert_close(gate(x), x / 2)


# ---- PatchEmbedding -----------------------------------------------------------------------------------------------


def test_patches_of_a_vision_transformer():
    """224 / 16 -> 196 tokens of (3 · 16² + 1) E parameters."""
    layer = L.PatchEmbedding(3, 32, 16)
    assert layer(torch.zeros(1, 3, 224, 224)).shape == (1, 196, 32)
    assert sum(p.numel() for p in layer.parameters()) == (3 * 16**2 + 1) * 32


def test_patches_come_row_by_row_and_images_need_not_be_square():
    """Token t is the patch at (t // w, t % w): the mean of each patch tells."""
    layer = L.PatchEmbedding(1, 1, (2, 3))
    layer.proj.weight.data.fill_(1 / 6)
    layer.proj.bias.data.zero_()
    image = torch.arange(6.0).view(2, 3).repeat_interleave(2, 0).repeat_interleave(3, 1)  # 4 × 9: 2 × 3 patches
    torch.testing.assert_close(layer(image[None, None])[0, :, 0], torch.arange(6.0))
    grid = L.PatchEmbedding(1, 1, (2, 3), flatten=False)
    grid.load_state_dict(layer.state_dict())
    torch.testing.assert_close(grid(image[None, None])[0, 0], torch.arange(6.0).view(2, 3))


@pytest.mark.usefixtures("untyped")
def test_an_image_that_is_not_a_multiple_is_refused():
    """Rather than losing its last rows."""
    for height, width, axis in ((225, 224, "height"), (224, 230, "width"), (0, 224, "height")):
        with pytest.raises(ValueError, match=f"x's {axis} must be a multiple of the patch's 16, got"):
            L.PatchEmbedding(3, 8, 16)(torch.zeros(1, 3, height, width))
