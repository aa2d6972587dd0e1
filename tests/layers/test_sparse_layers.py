"""The sparse layers' weights, heads and causality, against the sets of the paper."""

import pytest
import torch

from groundup import layers as L
from parity import assert_same, randomise, run, seeded_randn
from rows.oracles.attention import pattern

KINDS = pytest.mark.parametrize("name", ["fixed", "strided"])


def sparse(*arguments):
    return randomise(L.SparseMultiHeadAttention(16, 4, *arguments)).double().eval()


@KINDS
@pytest.mark.parametrize("n", [1, 8, 11])
def test_every_row_of_weights_sums_to_one(name, n):
    """Not to 2, as when two softmaxes are added; and nothing outside the union has any."""
    layer, x = sparse(4, 2, name), seeded_randn(2, n, 16)
    y, weights = layer(x, need_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, n, dtype=torch.float64), rtol=0, atol=1e-12)
    allowed = pattern(name, "union", n, 4, 2)
    assert ((weights > 0) == allowed).all()
    torch.testing.assert_close(layer(x), y, rtol=0, atol=1e-12)


@KINDS
def test_a_pattern_a_head(name):
    """The first half of the heads has A1, the second A2."""
    _, weights = sparse(4, 1, name, "heads")(seeded_randn(2, 11, 16), need_weights=True)
    assert ((weights[:, :2] > 0) == pattern(name, "local", 11, 4, 1)).all()
    assert ((weights[:, 2:] > 0) == pattern(name, "column", 11, 4, 1)).all()


@KINDS
@pytest.mark.parametrize("combine", ["merged", "heads"])
def test_the_future_changes_nothing(name, combine):
    layer, x = sparse(4, 2, name, combine), seeded_randn(2, 11, 16)
    before = layer(x)
    x[:, 6:] += 10
    after = layer(x)
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])


@pytest.mark.parametrize("layer", [L.DiagBlockAttention(4), L.ColumnBlockAttention(4, 2)], ids=["diag", "column"])
def test_block_layers_give_weights_of_the_same_function(layer):
    q, k, v = (seeded_randn(2, 3, 11, 4, seed=s) for s in (2, 3, 4))
    y, weights = layer(q, k, v, need_weights=True)
    assert ((weights > 0) == pattern("fixed", layer.part, 11, 4, 2)).all()
    plain = run(layer, [q, k, v])
    dense = run(lambda *a: layer(*a, need_weights=True)[0], [q, k, v])
    assert_same(plain, dense, torch.float64)
    torch.testing.assert_close(weights @ v, y, rtol=0, atol=1e-12)


@KINDS
def test_a_block_as_long_as_the_sequence_is_dense_attention(name):
    """With l ≥ n both parts allow all of the past."""
    layer, x = sparse(16, 16, name), seeded_randn(2, 11, 16)
    dense = L.MultiHeadAttention(16, 4).double().eval()
    dense.load_state_dict(layer.state_dict(), strict=True)
    torch.testing.assert_close(layer(x), dense(x, is_causal=True), rtol=0, atol=1e-12)


@pytest.mark.parametrize("combine", ["merged", "heads", "local"])
def test_behind_padding_a_row_is_as_alone(combine):
    layer, x, padding = sparse(4, 1, "strided", combine), seeded_randn(2, 11, 16), 3
    mask = torch.arange(11) >= torch.tensor([[0], [padding]])
    y = layer(x, mask=mask[:, None, None])
    torch.testing.assert_close(y[:1], layer(x[:1]), rtol=0, atol=1e-12)
    torch.testing.assert_close(y[1:, padding:], layer(x[1:, padding:]), rtol=0, atol=1e-12)
    assert y.isfinite().all()


@pytest.mark.usefixtures("untyped")
def test_masks_that_are_refused():
    x = seeded_randn(2, 11, 16)
    with pytest.raises(ValueError, match='mask takes pattern="strided", got "fixed"'):
        sparse(4, 1, "fixed")(x, mask=torch.ones(2, 1, 1, 11, dtype=torch.bool))
    for wrong in (torch.ones(1, 1, 1, 11, dtype=torch.bool), torch.ones(2, 1, 1, 11)):
        with pytest.raises(ValueError, match=r"mask must be boolean, \(2, 1, 1, 11\), got"):
            sparse(4, 1, "strided")(x, mask=wrong)
