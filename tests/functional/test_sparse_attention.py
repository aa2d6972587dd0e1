"""Sparse patterns against dense attention under the mask of their sets, at every length; and how little they hold."""

import pytest
import torch

from groundup import backend
from groundup import functional as G
from parity import assert_same, run, seeded_randn
from peak import peak
from rows.oracles.attention import attention_oracle, pattern

PATTERNS = pytest.mark.parametrize("name", ["fixed", "strided"])
FORMS = {
    "local": lambda q, k, v, l, c, name, p=0.0: G.local_attention(q, k, v, l, name, p),
    "column": G.column_attention,
    "union": G.merged_attention,
}
PARTS = pytest.mark.parametrize("part", FORMS)


def qkv(n, dtype=torch.float64, features=4):
    return [seeded_randn(2, 3, n, features, dtype=dtype, seed=s) for s in (2, 3, 4)]


def dense(q, k, v, mask):
    """Rows without a key, which the oracle makes NaN, give zeros."""
    empty = ~mask.any(-1, keepdim=True)
    return attention_oracle(q, k, v, mask | empty).masked_fill(empty, 0)


@PATTERNS
@PARTS
@pytest.mark.parametrize("l", [1, 2, 3, 4, 16])
def test_equals_dense_attention_under_the_mask(name, part, l):
    """Forward and backward, for lengths that divide and that do not, down to one token and one block."""
    for c in {1, (l + 1) // 2, l}:
        for n in (1, 2, 3, 4, 7, 8, 12, 13):
            mask = pattern(name, part, n, l, c)
            expected = run(lambda q, k, v, m=mask: dense(q, k, v, m), qkv(n))
            for mode in ("auto", "reference"):
                with backend(mode):
                    actual = run(lambda q, k, v, c=c: FORMS[part](q, k, v, l, c, name), qkv(n))
                assert_same(actual, expected, torch.float64, f"n={n}, c={c}, {mode}: ")


@PATTERNS
@PARTS
def test_the_mask_is_the_papers_sets(name, part):
    for n, l, c in ((9, 3, 1), (10, 4, 2), (5, 8, 8)):
        i = torch.arange(n)
        assert torch.equal(G.sparse_mask(i, i, l, c, name, part), pattern(name, part, n, l, c))
        assert torch.equal(G.sparse_mask(i[3:], i, l, c, name, part), pattern(name, part, n, l, c)[3:])


@PATTERNS
def test_one_softmax_over_the_union(name):
    """With values of 1 each row gives the sum of its weights: 1, not the 2 of two softmaxes; no key counts twice."""
    for n, l in ((12, 4), (11, 4), (5, 1)):
        q, k, _ = qkv(n)
        ones = torch.ones_like(q)
        torch.testing.assert_close(G.merged_attention(q, k, ones, l, 1, name), ones, rtol=0, atol=1e-12)
        # with equal scores the output is the plain mean over the set
        v = seeded_randn(2, 3, n, 4, seed=6)
        mask = pattern(name, "union", n, l, 1).double()
        mean = (mask / mask.sum(-1, keepdim=True)) @ v
        torch.testing.assert_close(G.merged_attention(q, torch.zeros_like(k), v, l, 1, name), mean, rtol=0, atol=1e-12)


@PATTERNS
@PARTS
def test_no_token_sees_what_is_not_in_its_set(name, part):
    """Each key and value disturbed in turn: exactly the queries whose set holds it change."""
    n, l, c = 11, 4, 2
    q, k, v = qkv(n)
    before, mask = FORMS[part](q, k, v, l, c, name), pattern(name, part, n, l, c)
    for j in range(n):
        k2, v2 = k.clone(), v.clone()
        k2[:, :, j] += 1
        v2[:, :, j] += 1
        changed = (FORMS[part](q, k2, v2, l, c, name) != before).any(-1).any(0).any(0)
        assert torch.equal(changed, mask[:, j])


def test_rows_without_a_column_are_zero():
    """Before the first column there is no key: zeros, and no gradient that is not a number."""
    inputs = [x.requires_grad_() for x in qkv(9)]
    y = G.column_attention(*inputs, block_size=4, columns=1)
    assert (y[:, :, :3] == 0).all()
    assert (y[:, :, 3:] != 0).all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(y.sum(), inputs))


@PATTERNS
@PARTS
def test_bfloat16_and_extreme_scores(name, part):
    q, k, v = qkv(11)
    mask = pattern(name, part, 11, 4, 2)
    y = FORMS[part](q.bfloat16(), k.bfloat16(), v.bfloat16(), 4, 2, name)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.double(), dense(q, k, v, mask), rtol=0, atol=0.03)
    y = FORMS[part](100 * q.float(), 100 * k.float(), v.float(), 4, 2, name)
    torch.testing.assert_close(y.double(), dense(100 * q, 100 * k, v, mask), rtol=0, atol=1e-2)


@PATTERNS
@PARTS
def test_dropout_is_on_the_weights(name, part):
    n = 2000
    q = torch.zeros(1, 1, n, 2)
    y = FORMS[part](q, q, torch.ones_like(q), 50, 1, name, 0.3)
    assert y[:, :, 100:].mean().item() == pytest.approx(1.0, abs=0.02)
    assert y[:, :, 100:].std() > 0.02


@PATTERNS
def test_memory_at_4096_is_below_a_quarter_of_dense(name):
    """The same function by dense attention, with the union's mask; forward and backward, one head of 32 features."""
    n, l = 4096, 64
    i = torch.arange(n)
    mask = G.sparse_mask(i, i, l, 1, name)
    shapes = [(1, 1, n, 32)] * 3

    def dense(q, k, v):
        return G.scaled_dot_product_attention(q, k, v, mask)

    def sparse(q, k, v):
        return G.merged_attention(q, k, v, l, 1, name)

    for mode in ("fused", "reference"):  # the fused dense body holds no weights, but the mask as numbers
        with backend(mode):
            assert peak(sparse, *shapes) < peak(dense, *shapes) / 4


@PATTERNS
@PARTS
def test_memory_grows_as_n_times_root_n(name, part):
    """With l = √n, four times the tokens take at most about eight times the memory, not sixteen."""

    def at(n, l):
        return peak(lambda q, k, v: FORMS[part](q, k, v, l, 1, name), *[(1, 1, n, 8)] * 3)

    assert at(1024, 32) < 9 * at(256, 16)
