"""Laws of attention that the sweeps cannot know, and the mistakes that others made."""

import pytest
import torch
import torch.nn.functional as F

from groundup import UnsupportedCall, backend
from groundup import functional as G
from parity import assert_same, run, seeded_randn
from peak import peak
from rows.oracles.attention import attention_oracle

BODIES = pytest.mark.parametrize("mode", ["reference", "fused"])


def qkv(T=4, S=6, batch=(2, 3), features=8, dtype=torch.float64):
    return [seeded_randn(*batch, n, features, dtype=dtype, seed=s) for s, n in ((2, T), (3, S), (4, S))]


def masks():
    """Row 1 of each allows nothing; the others are what they are."""
    allowed = seeded_randn(2, 1, 4, 6, seed=5) > -0.5
    allowed[:, :, 1] = False
    allowed[..., [0, 2, 3], 0] = True
    floats = torch.zeros(2, 1, 4, 6, dtype=torch.float64).masked_fill(~allowed, -torch.inf)
    return {"boolean": allowed, "float": floats}


@BODIES
@pytest.mark.parametrize("dropout_p", [0.0, 0.5])  # kernels of their own, on a CPU
@pytest.mark.parametrize("value", [8, 5])
@pytest.mark.parametrize("kind", ["boolean", "float", "learned float"])
def test_a_query_with_no_key_gives_zeros_and_no_gradient(kind, value, dropout_p, mode):
    """nn.MultiheadAttention gives NaN there, and a plain softmax does."""
    q, k, v = (x.requires_grad_() for x in (*qkv()[:2], seeded_randn(2, 3, 6, value, seed=4)))
    mask = masks()[kind.split()[-1]].clone().requires_grad_(kind == "learned float")
    with backend(mode):
        y = G.scaled_dot_product_attention(q, k, v, mask, dropout_p=dropout_p)
    assert (y[:, :, 1] == 0).all()
    leaves = [q, k, v, mask] if mask.requires_grad else [q, k, v]
    upstream = torch.zeros_like(y)
    upstream[:, :, 1] = 1
    assert all((g == 0).all() for g in torch.autograd.grad(y, leaves, upstream, retain_graph=True))
    grads = torch.autograd.grad(y, leaves, torch.ones_like(y))
    assert all(g.isfinite().all() for g in grads)
    assert (grads[0][:, :, 1] == 0).all()
    if dropout_p == 0:  # the other rows are what they are without it
        rest = [0, 2, 3]
        expected = attention_oracle(q[:, :, rest], k, v, mask[:, :, rest])
        torch.testing.assert_close(y[:, :, rest], expected, rtol=0, atol=1e-12)


def test_the_kernels_guard_for_other_devices_changes_nothing_here():
    """Where a kernel makes no promise about empty rows, they are let in and then wiped: the CPU can tell the result."""
    from groundup.kernels.attention import _without_empty_rows

    for mask in masks().values():
        opened, nowhere = _without_empty_rows(mask)
        q, k, v = (x.requires_grad_() for x in qkv())
        guarded = F.scaled_dot_product_attention(q, k, v, opened).masked_fill(nowhere, 0)
        plain = F.scaled_dot_product_attention(q, k, v, mask)
        torch.testing.assert_close(guarded, plain, rtol=0, atol=1e-14)
        up = seeded_randn(*plain.shape, seed=6)
        for a, b in zip(torch.autograd.grad(guarded, [q, k, v], up), torch.autograd.grad(plain, [q, k, v], up)):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-14)


@BODIES
def test_more_queries_than_keys_leaves_the_first_without_any(mode):
    """Bottom right: of 5 queries and 3 keys, the first two stand before every key."""
    q, k, v = (x.requires_grad_() for x in qkv(5, 3))
    with backend(mode):
        y = G.scaled_dot_product_attention(q, k, v, is_causal=True)
        tail = G.scaled_dot_product_attention(q[:, :, 2:], k, v, is_causal=True)
    assert (y[:, :, :2] == 0).all()
    torch.testing.assert_close(y[:, :, 2:], tail, rtol=0, atol=1e-12)
    assert all(g.isfinite().all() for g in torch.autograd.grad(y.sum(), [q, k, v]))


@BODIES
@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_the_newest_queries_see_all_that_came_before(mode, chunk):
    """With a cache, F.scaled_dot_product_attention(is_causal=True) lets a lone query see key 0 only (trap T27)."""
    q, k, v = qkv(8, 8)
    with backend(mode):
        whole = G.scaled_dot_product_attention(q, k, v, is_causal=True)
        for end in range(chunk, 9, chunk):
            new = q[:, :, end - chunk : end]
            part = G.scaled_dot_product_attention(new, k[:, :, :end], v[:, :, :end], is_causal=True)
            torch.testing.assert_close(part, whole[:, :, end - chunk : end], rtol=0, atol=1e-12)


@BODIES
def test_the_future_changes_nothing(mode):
    q, k, v = qkv(6, 6)
    with backend(mode):
        before = G.scaled_dot_product_attention(q, k, v, is_causal=True)
        for x in (k, v):
            x[:, :, 4:] += 100
        after = G.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.equal(before[:, :, :4], after[:, :, :4])
    assert not torch.allclose(before[:, :, 4:], after[:, :, 4:])


@BODIES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_scores_do_not_leak_through_a_mask(mode, dtype):
    """A forbidden score of +1e4 beside an allowed one of -1e4."""
    q = torch.ones(1, 1, 1, 1, dtype=dtype)
    k = torch.tensor([1e4, -1e4, 1e4], dtype=dtype).view(1, 1, 3, 1)
    v = torch.tensor([1.0, 2.0, 3.0], dtype=dtype).view(1, 1, 3, 1)
    allowed = torch.tensor([[False, True, False]])
    with backend(mode):
        for mask in (allowed, torch.zeros(1, 3, dtype=dtype).masked_fill(~allowed, -torch.inf)):
            assert G.scaled_dot_product_attention(q, k, v, mask).item() == 2.0


def test_an_additive_mask_may_be_learned():
    """Its gradient is that of the scores, summed where it repeats, in either body."""
    arguments = [*qkv(), seeded_randn(1, 3, 4, 6, seed=6)]
    expected = run(attention_oracle, arguments)
    for mode in ("reference", "fused"):
        with backend(mode):
            assert_same(run(G.scaled_dot_product_attention, arguments), expected, torch.float64, mode)


@pytest.mark.usefixtures("untyped")
@BODIES
def test_a_mask_of_three_axes_is_never_spread_over_heads(mode):
    """With as many heads as samples, (B, T, S) would fit by accident, and mean another thing."""
    q, k, v = qkv(batch=(3, 3))
    mask = seeded_randn(3, 4, 6, seed=7) > 0
    with backend(mode), pytest.raises(ValueError, match="mask must have shape"):
        G.scaled_dot_product_attention(q, k, v, mask)
    mask[..., 0] = True
    with backend(mode):
        y = G.scaled_dot_product_attention(q, k, v, mask[:, None])
    for b in range(3):
        alone = G.scaled_dot_product_attention(q[b], k[b], v[b], mask[b])
        torch.testing.assert_close(y[b], alone, rtol=0, atol=1e-12)


def test_weights_come_from_the_definition():
    q, k, v = qkv(4, 4)
    y, weights = G.scaled_dot_product_attention(q, k, v, is_causal=True, need_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(weights @ v, y, rtol=0, atol=1e-12)
    assert (weights.triu(1) == 0).all()
    with backend("fused"), pytest.raises(UnsupportedCall, match=r"scaled_dot_product_attention.*need_weights"):
        G.scaled_dot_product_attention(q, k, v, need_weights=True)


def test_weights_are_given_as_they_were_before_dropout():
    q, k, v = qkv()
    _, weights = G.scaled_dot_product_attention(q, k, v, dropout_p=0.5, need_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4, dtype=torch.float64), rtol=0, atol=1e-12)


@BODIES
def test_dropout_keeps_the_mean(mode):
    """On equal scores and values of 1 the output is the mean of r / (1 - p): mean 1, variance p / ((1 - p) S)."""
    zeros = torch.zeros(1, 1, 4000, 4)
    with backend(mode):
        y = G.scaled_dot_product_attention(zeros, zeros[:, :, :50], torch.ones(1, 1, 50, 1), dropout_p=0.3)
    assert y.mean().item() == pytest.approx(1.0, abs=5e-3)
    assert y.var().item() == pytest.approx(0.3 / 0.7 / 50, rel=0.1)


@BODIES
def test_groups_share_neighbouring_heads(mode):
    """repeat_interleave, not tiling: heads 0 and 1 share group 0."""
    q, k, v = qkv(batch=(2, 4))
    with backend(mode):
        y = G.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True)
        for head in range(4):
            alone = G.scaled_dot_product_attention(q[:, head], k[:, head // 2], v[:, head // 2])
            torch.testing.assert_close(y[:, head], alone, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("mode", ["reference", "auto"])
@pytest.mark.parametrize("mask", [None, "boolean", "float"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_compiles_whole_with_masks(mask, is_causal, mode):
    torch._dynamo.reset()
    q, k, v = qkv()
    mask = None if mask is None else masks()[mask]
    with backend(mode):
        compiled = torch.compile(G.scaled_dot_product_attention, fullgraph=True, backend="aot_eager")
        expected = run(lambda *a: G.scaled_dot_product_attention(*a, mask, is_causal), [q, k, v])
        assert_same(run(lambda *a: compiled(*a, mask, is_causal), [q, k, v]), expected, torch.float64)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"is_causal": True},  # the causal square
        {"padded": True},
        {"grouped": True},
        {"is_causal": True, "axes": 3},
        {"is_causal": True, "axes": 5},
    ],
    ids=str,
)
def test_the_fused_body_never_holds_the_weights(options, backward):
    """Twice the tokens, twice the memory: the definition takes four times as much."""
    options = dict(options)
    padded, grouped, axes = (options.pop(name, None) for name in ("padded", "grouped", "axes"))
    lead = {3: (2,), 5: (1, 1, 2)}.get(axes, (1, 2))

    def attend(q, k, v):
        mask = torch.arange(k.size(-2)).view(1, 1, 1, -1) < k.size(-2) - 5 if padded else None
        return G.scaled_dot_product_attention(q, k, v, mask, enable_gqa=bool(grouped), **options)

    def at(n):
        shared = (*lead[:-1], 1) if grouped else lead
        return peak(attend, (*lead, n, 16), (*shared, n, 16), (*shared, n, 16), backward=backward)

    with backend("fused"):
        assert at(2048) < 2.2 * at(1024)
    with backend("reference"):
        assert at(512) > 3 * at(256)


# ---- additive attention -----------------------------------------------------------------------------------------


def additive(seed=0):
    return [seeded_randn(2, 3, 4, seed=seed + 1), seeded_randn(2, 5, 4, seed=seed + 2), seeded_randn(2, 5, 6, seed=9)]


def test_additive_gradcheck():
    inputs = [x.requires_grad_() for x in (*additive(), seeded_randn(4, seed=8))]
    mask = seeded_randn(1, 3, 5, seed=7) > -0.3
    with backend("reference"):
        assert torch.autograd.gradcheck(lambda q, k, h, v: G.additive_attention(q, k, h, v, mask), inputs)


def test_additive_with_v_zero_is_the_plain_mean():
    query, key, value = additive()
    y, alpha = G.additive_attention(query, key, value, torch.zeros(4, dtype=torch.float64), need_weights=True)
    torch.testing.assert_close(alpha, torch.full_like(alpha, 0.2), rtol=0, atol=1e-15)
    torch.testing.assert_close(y, value.mean(1, keepdim=True).expand_as(y), rtol=0, atol=1e-12)


def test_additive_does_not_mind_the_order_of_keys():
    query, key, value = additive()
    v, order = seeded_randn(4, seed=8), torch.tensor([3, 0, 4, 1, 2])
    mask = torch.tensor([True, False, True, True, True]).expand(2, 1, 5)
    a = G.additive_attention(query, key, value, v, mask)
    b = G.additive_attention(query, key[:, order], value[:, order], v, mask[..., order])
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [torch.bool, torch.float64])
def test_additive_keys_that_are_masked_get_exactly_nothing(kind):
    query, key, value = (x.requires_grad_() for x in additive())
    allowed = torch.tensor([True, False, True, False, True]).expand(2, 1, 5)
    mask = allowed if kind == torch.bool else torch.zeros(2, 1, 5, dtype=kind).masked_fill(~allowed, -torch.inf)
    y, alpha = G.additive_attention(query, key, value, seeded_randn(4, seed=8), mask, need_weights=True)
    assert (alpha[..., [1, 3]] == 0).all()
    torch.testing.assert_close(alpha.sum(-1), torch.ones(2, 3, dtype=torch.float64), rtol=0, atol=1e-12)
    for grad in torch.autograd.grad(y.square().sum(), [key, value]):
        assert (grad[:, [1, 3]] == 0).all()
        assert (grad[:, [0, 2, 4]] != 0).all()


def test_additive_all_masked_is_zero_without_nan():
    query, key, value = (x.requires_grad_() for x in additive())
    y = G.additive_attention(query, key, value, seeded_randn(4, seed=8), torch.zeros(2, 1, 5, dtype=torch.bool))
    assert (y == 0).all()
    assert all((g == 0).all() for g in torch.autograd.grad(y.sum(), [query, key, value]))


def test_additive_may_be_causal():
    query, key, value = additive()
    _, alpha = G.additive_attention(query, key, value, seeded_randn(4, seed=8), is_causal=True, need_weights=True)
    assert (alpha.triu(3) == 0).all()
    assert (alpha.tril(2) > 0).sum() == 2 * (3 + 4 + 5)
