"""Positions past the table, positions a row, every type of number, and offsets that share a bias."""

import copy

import pytest
import torch

from groundup import layers as L
from parity import randomise, seeded_randn
from rows.oracles.attention import RotaryOracle, SinusoidOracle, bias_by_pairs

LAYERS = pytest.mark.parametrize(
    ("layer", "oracle", "shape"),
    [
        (L.PositionalEncoding(6, 8), SinusoidOracle(6), (3, 5, 6)),
        (L.RotaryEncoding(6, 8), RotaryOracle(6), (3, 2, 5, 6)),
        (L.RotaryEncoding(6, 8, 500.0, interleaved=True), RotaryOracle(6, 500.0, True), (3, 2, 5, 6)),
    ],
    ids=["sinusoids", "rotary", "rotary, interleaved"],
)


@LAYERS
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_any_position(layer, oracle, shape, dtype):
    """An offset, inside the table of 8 and past it; a first position a row; a position a token."""
    x = seeded_randn(*shape, dtype=dtype)
    tolerance = {"rtol": 0, "atol": 1e-11 if dtype == torch.float64 else 1e-6}
    for position in (0, 3, 4, 7, 1000, 100_000):
        torch.testing.assert_close(layer(x, position), oracle(x, position), **tolerance)
    firsts = torch.tensor([0, 3, 900])
    expected = torch.cat([oracle(x[b : b + 1], int(firsts[b])) for b in range(3)])
    torch.testing.assert_close(layer(x, firsts), expected, **tolerance)
    every = firsts[:, None] + torch.arange(5)
    torch.testing.assert_close(layer(x, every), expected, **tolerance)
    torch.testing.assert_close(layer(x, every[:1]), oracle(x, 0), **tolerance)


@LAYERS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_and_is_as_good_as_it_can_be(layer, oracle, shape, dtype):
    """Same type out; angles are computed wide, so that position 60,000 is as exact as position 0."""
    half, x = copy.deepcopy(layer).to(dtype), seeded_randn(*shape, dtype=dtype)
    for module in (layer, half):
        for position in (0, 2, 60_000):
            y = module(x, position)
            assert y.dtype == dtype
            worst = (y.double() - oracle(x.double(), position)).abs().max()
            assert worst < 4 * torch.finfo(dtype).eps


@LAYERS
def test_tables_are_no_part_of_the_state_and_survive_every_move(layer, oracle, shape):
    x = seeded_randn(*shape, dtype=torch.float32)
    assert not layer.state_dict()
    for moved in (
        copy.deepcopy(layer).half().float(),
        copy.deepcopy(layer).to("meta").to_empty(device="cpu"),
        copy.deepcopy(layer).double(),
    ):
        torch.testing.assert_close(moved(x), oracle(x), rtol=0, atol=1e-6)


def test_rotary_under_autocast_keeps_bfloat16():
    layer = L.RotaryEncoding(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(1, 2, 3, 4).bfloat16()).dtype == torch.bfloat16


def test_rotary_scores_depend_on_the_offset_alone():
    """Moving queries and keys together moves no score."""
    layer = L.RotaryEncoding(8, 16)
    q, k = seeded_randn(2, 3, 5, 8), seeded_randn(2, 3, 5, 8, seed=3)
    scores = [layer(q, p) @ layer(k, p).mT for p in (0, 1, 14, 5000)]
    for other in scores[1:]:
        torch.testing.assert_close(other, scores[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(layer(q).norm(dim=-1), q.norm(dim=-1), rtol=0, atol=1e-12)


def test_positional_dropout():
    layer = L.PositionalEncoding(4, 8, dropout=0.5)
    x = torch.ones(2, 3, 4)
    assert (layer(x) == 0).any()
    assert (layer.eval()(x) != 0).any()
    assert torch.equal(layer(x), layer(x))


def test_one_number_for_each_offset():
    """Block-Toeplitz: what lies equally far has the same bias, in every head; (2h - 1)(2w - 1) numbers a head."""
    layer = randomise(L.RelativePositionBias2d(3, 4, 2)).double()
    assert layer.table.shape == (5 * 7, 2)
    bias = layer().view(2, 3, 4, 3, 4)
    assert torch.equal(bias[:, :-1, :, :-1], bias[:, 1:, :, 1:])
    assert torch.equal(bias[:, :, :-1, :, :-1], bias[:, :, 1:, :, 1:])
    assert layer().unique().numel() == 2 * 5 * 7
    empty = L.RelativePositionBias2d(3, 4, 2, device="meta").to_empty(device="cpu")
    empty.load_state_dict(layer.state_dict())
    torch.testing.assert_close(empty(), layer().float(), rtol=0, atol=1e-6)


def test_window_attention_with_the_mask_of_shifted_windows():
    """Windows of one image stand together; the mask repeats over the batch; a boolean one forbids outright."""
    layer = randomise(L.RelativeWindowAttention(8, 2, (2, 3))).double()
    a, x = layer.attention, seeded_randn(2 * 4, 6, 8)
    allowed = seeded_randn(4, 6, 6, seed=5) > -0.3
    allowed |= torch.eye(6, dtype=torch.bool)
    for mask in (allowed, seeded_randn(4, 6, 6, seed=6), torch.zeros(4, 6, 6).double().masked_fill(~allowed, -100.0)):
        y, weights = layer(x, mask, need_weights=True)
        torch.testing.assert_close(layer(x, mask), y, rtol=0, atol=1e-12)
        q, k, v = (p(x).view(8, 6, 2, 4).transpose(1, 2) for p in (a.q_proj, a.k_proj, a.v_proj))
        for w in range(8):
            scores = q[w] @ k[w].mT / 2 + bias_by_pairs(layer.position_bias.table, 2, 3)
            m = mask[w % 4]
            scores = scores.masked_fill(~m, -torch.inf) if m.dtype == torch.bool else scores + m
            torch.testing.assert_close(weights[w], scores.softmax(-1), rtol=0, atol=1e-12)
            heads = (scores.softmax(-1) @ v[w]).transpose(0, 1).flatten(1)
            torch.testing.assert_close(y[w], a.out_proj(heads), rtol=0, atol=1e-12)
