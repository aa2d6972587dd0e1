"""Cached decoding equals the full pass at every position, however the tokens come."""

import pytest
import torch

from groundup import backend
from groundup import layers as L
from parity import randomise, seeded_randn

BODIES = pytest.mark.parametrize("mode", ["reference", "auto"])
CHUNKS = pytest.mark.parametrize("chunks", [[9], [1] * 9, [4, 5], [5, 1, 1, 2], [3, 6]], ids=str)


def attentions():
    return {
        "multi-head": (L.MultiHeadAttention(16, 4), 4, {"is_causal": True}),
        "grouped": (L.GroupedQueryAttention(16, 4, 2), 2, {"is_causal": True}),
        "sparse fixed": (L.SparseMultiHeadAttention(16, 4, 3, 1), 4, {}),
        "sparse strided, a pattern a head": (L.SparseMultiHeadAttention(16, 4, 3, 1, "strided", "heads"), 4, {}),
    }


@BODIES
@CHUNKS
@pytest.mark.parametrize("rotary", [None, L.RotaryEncoding(4, 5)], ids=["plain", "rotary"])  # 5: past its table too
@pytest.mark.parametrize("kind", attentions())
def test_decoding_equals_the_full_pass(kind, rotary, chunks, mode):
    """Every query sees every key before it, and each token has its absolute position (traps T27, T28)."""
    layer, groups, options = attentions()[kind]
    layer, x = randomise(layer).double().eval(), seeded_randn(2, 9, 16)
    cache = L.KVCache(2, groups, 12, 4, dtype=torch.float64)
    with backend(mode), torch.no_grad():
        whole = layer(x, rotary=rotary, **options)
        parts = [layer(part, rotary=rotary, cache=cache, **options) for part in x.split(chunks, 1)]
        again = L.KVCache(2, groups, 12, 4, dtype=torch.float64)
        _, weights = layer(x[:, :4], rotary=rotary, cache=again, need_weights=True, **options)
        _, last = layer(x[:, 4:], rotary=rotary, cache=again, need_weights=True, **options)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-11)
    assert cache.length == 9
    assert (weights.shape, last.shape) == ((2, 4, 4, 4), (2, 4, 5, 9))


@BODIES
def test_padded_prompts_with_a_cache(mode):
    """A mask over all keys so far (S = n), left-padded: the real tokens' outputs are those without padding."""
    layer = randomise(L.MultiHeadAttention(16, 4)).double().eval()
    x = seeded_randn(1, 6, 16)
    padded = torch.cat([torch.full((1, 2, 16), 7.0, dtype=torch.float64), x], 1)
    mask = (torch.arange(8) >= 2).view(1, 1, 1, 8)
    cache = L.KVCache(1, 4, 8, 4, dtype=torch.float64)
    with backend(mode), torch.no_grad():
        expected = layer(x, is_causal=True)
        parts = [
            layer(padded[:, a:b], mask=mask[..., :b], is_causal=True, cache=cache) for a, b in ((0, 5), (5, 6), (6, 8))
        ]
    torch.testing.assert_close(torch.cat(parts, 1)[:, 2:], expected, rtol=0, atol=1e-12)


def test_update_writes_in_place_and_returns_views():
    cache = L.KVCache(2, 3, 8, 4, dtype=torch.float64)
    address, pieces = None, []
    for T in (3, 1, 4):
        piece = seeded_randn(2, 3, T, 4, seed=T)
        pieces.append(piece)
        keys, values = cache.update(piece, -piece)
        address = address or keys.data_ptr()
        assert keys.data_ptr() == address
        assert torch.equal(keys, torch.cat(pieces, 2))
        assert torch.equal(values, -keys)
    assert cache.length == 8


def test_a_full_cache_changes_nothing_and_may_be_reset():
    cache = L.KVCache(1, 1, 3, 2)
    k = torch.ones(1, 1, 2, 2)
    cache.update(k, k)
    with pytest.raises(ValueError, match="max_len=3"):
        cache.update(k, k)
    assert cache.length == 2
    cache.reset()
    assert cache.length == 0
    assert cache.update(5 * k, k)[0].tolist() == [[[[5.0, 5.0], [5.0, 5.0]]]]


def test_it_holds_numbers_not_graphs():
    """With gradients on, too; and within inference_mode."""
    cache, k = L.KVCache(1, 1, 4, 2), torch.ones(1, 1, 1, 2, requires_grad=True)
    keys, values = cache.update(2 * k, 3 * k)
    assert not keys.requires_grad
    assert not values.requires_grad
    with torch.inference_mode():
        assert cache.update(k, k)[0].size(2) == 2


def test_reorder_gives_each_row_its_parents_history():
    """Beams that share a parent do not share memory afterwards."""
    cache = L.KVCache(3, 1, 4, 1)
    rows = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    cache.update(rows, 10 * rows)
    cache.reorder(torch.tensor([2, 0, 2]))
    keys, values = cache.update(100 * rows, rows)
    assert keys.squeeze().tolist() == [[3.0, 100.0], [1.0, 200.0], [3.0, 300.0]]
    assert values[:, 0, 0, 0].tolist() == [30.0, 10.0, 30.0]


def test_reorder_makes_more_rows_and_fewer():
    cache = L.KVCache(2, 1, 4, 1)
    rows = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)
    cache.update(rows, 10 * rows)
    cache.reorder(torch.tensor([0, 0, 1]))
    assert cache.batch_size == 3
    keys, values = cache.update(torch.full((3, 1, 1, 1), 5.0), torch.full((3, 1, 1, 1), 6.0))
    assert keys.squeeze().tolist() == [[1.0, 5.0], [1.0, 5.0], [2.0, 5.0]]
    assert values.squeeze().tolist() == [[10.0, 6.0], [10.0, 6.0], [20.0, 6.0]]
    cache.reorder(torch.tensor([2]))
    assert cache.update(*[torch.full((1, 1, 1, 1), 7.0)] * 2)[0].flatten().tolist() == [2.0, 5.0, 7.0]


def test_reordered_decoding_equals_that_of_reordered_prompts():
    layer = randomise(L.GroupedQueryAttention(16, 4, 2)).double().eval()
    x, order = seeded_randn(3, 6, 16), torch.tensor([1, 1, 0])
    cache = L.KVCache(3, 2, 6, 4, dtype=torch.float64)
    with torch.no_grad():
        layer(x[:, :5], is_causal=True, cache=cache)
        cache.reorder(order)
        y = layer(x[:, 5:], is_causal=True, cache=cache)
        expected = layer(torch.cat([x[order, :5], x[:, 5:]], 1), is_causal=True)[:, 5:]
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("untyped")
def test_decoding_in_half_precision():
    """Keys, values and outputs stay bfloat16; a cache of another type says so."""
    layer, rotary = L.MultiHeadAttention(16, 4).bfloat16(), L.RotaryEncoding(4, 8).bfloat16()
    cache = L.KVCache(2, 4, 8, 4, dtype=torch.bfloat16)
    x = torch.randn(2, 3, 16, dtype=torch.bfloat16)
    assert layer(x, is_causal=True, rotary=rotary, cache=cache).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="make the cache with device= and dtype="):
        layer(x, cache=L.KVCache(2, 4, 8, 4))
    with pytest.raises(ValueError, match=r"k must have shape \(3, 4, 3, 4\)"):
        layer(x, cache=L.KVCache(3, 4, 8, 4, dtype=torch.bfloat16))
