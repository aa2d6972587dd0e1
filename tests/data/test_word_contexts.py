"""Pairs and windows against loops over the tokens; subsampling by equation 5; batches that seek."""

from collections import Counter

import pytest
import torch

from groundup.data import WordContexts, cbow_windows, keep_probability, skip_gram_pairs, subsample

TOKENS = torch.tensor([4, 1, 0, 2, 2, 5, 3, 1])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("window", [1, 2, 5, 20])
@pytest.mark.parametrize("length", [0, 1, 2, 8])
def test_pairs_and_windows_are_those_of_a_loop(window, length):
    tokens = TOKENS[:length]
    expected = [(i, j) for i in range(length) for j in range(max(0, i - window), min(length, i + window + 1)) if i != j]
    centres, neighbours = skip_gram_pairs(tokens, window, dynamic=False)
    assert centres.tolist() == [int(tokens[i]) for i, _ in expected]
    assert neighbours.tolist() == [int(tokens[j]) for _, j in expected]
    around, mask, middle = cbow_windows(tokens, window, dynamic=False)
    assert around.shape == mask.shape == (len({i for i, _ in expected}), 2 * window)
    assert middle.tolist() == tokens[: len(middle)].tolist()
    for i, (row, real) in enumerate(zip(around, mask)):
        assert row[real].tolist() == [int(tokens[j]) for k, j in expected if k == i]
        assert (row[~real] == 0).all()


def test_near_words_are_paired_more_often():
    """R uniform on 1 … c: a neighbour at distance d is in the window with probability (c - d + 1) / c."""
    T, c = 60_000, 4
    centres, neighbours = skip_gram_pairs(torch.arange(T), c, generator=seeded())
    distance = (centres - neighbours).abs()
    assert distance.min() == 1
    for d in range(1, c + 1):
        assert (distance == d).sum().item() == pytest.approx(2 * T * (c - d + 1) / c, rel=0.01)
    assert len(centres) == pytest.approx(T * (c + 1), rel=0.01)
    reach = torch.zeros(T, dtype=torch.int64).scatter_reduce(0, centres, distance, "amax")
    inside = centres[(centres >= c) & (centres < T - c)].bincount(minlength=T)[c : T - c]
    assert torch.equal(inside, 2 * reach[c : T - c])  # both sides reach as far


def test_what_is_drawn_is_the_generators():
    draws = [skip_gram_pairs(TOKENS, 5, generator=seeded(s))[1].tolist() for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_keep_probability_is_equation_5():
    counts = torch.tensor([9_000, 900, 99, 1])
    keep = keep_probability(counts, 1e-2)
    discard = [1 - (1e-2 / f) ** 0.5 for f in (0.9, 0.09)]
    assert (1 - keep).tolist() == pytest.approx([*discard, 0.0, 0.0])
    with pytest.raises(ValueError, match="threshold must be positive"):
        keep_probability(counts, 0.0)


def test_subsampling_keeps_that_share_and_the_order():
    tokens = torch.arange(3).repeat(20_000)
    keep = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    kept = subsample(tokens, keep, seeded())
    assert (kept.bincount() / 20_000).tolist() == pytest.approx(keep.tolist(), abs=0.02)
    numbered = subsample(torch.arange(3), torch.ones(3, dtype=torch.float64), seeded())
    assert numbered.tolist() == [0, 1, 2]


# ---- batches -----------------------------------------------------------------------------------------------------


def contexts(tokens=None, batch_size=50, seed=3, **options):
    tokens = torch.arange(300) % 7 if tokens is None else tokens
    return WordContexts(tokens, batch_size, seed=seed, **options)


def flat(batches):
    return [[None if part is None else part.tolist() for part in batch] for batch in batches]


@pytest.fixture(params=["whole", "sections"])
def sections(request, monkeypatch):
    if request.param == "sections":
        monkeypatch.setattr(WordContexts, "SECTION_WORDS", 70)


@pytest.mark.usefixtures("sections")
@pytest.mark.parametrize("mode", ["skipgram", "cbow"])
def test_an_epoch_is_a_function_of_seed_and_epoch_and_is_found_again(mode):
    keep = torch.full((7,), 0.8, dtype=torch.float64)
    loader = contexts(mode=mode, keep=keep)
    epochs = [flat(loader) for _ in range(3)]
    assert all(len(epoch) == len(loader) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    again = contexts(mode=mode, keep=keep)
    for epoch, batch in ((1, 0), (2, 3), (0, 1), (1, len(loader))):
        again.seek(epoch, batch)
        assert flat(again) == epochs[epoch][batch:]
    assert flat(again) == epochs[2]  # epoch 1 was at its end
    assert flat(contexts(mode=mode, keep=keep, seed=4)) != epochs[0]
    assert all(25 <= len(target) <= 75 for _, target, _ in epochs[0])  # 50 asked for


@pytest.mark.parametrize("mode", ["skipgram", "cbow"])
def test_every_sample_comes_once(mode):
    """With windows of one word nothing is drawn but the order."""
    tokens = torch.randint(7, (200,), generator=seeded())
    batches = list(contexts(tokens, mode=mode, window=1))
    if mode == "skipgram":
        got = Counter((c, n) for words, target, _ in batches for c, n in zip(words.tolist(), target.tolist()))
        expected = Counter(zip(*(t.tolist() for t in skip_gram_pairs(tokens, 1))))
        assert all(mask is None for _, _, mask in batches)
    else:
        got = Counter(
            (tuple(w), t, tuple(m))
            for words, target, mask in batches
            for w, t, m in zip(words.tolist(), target.tolist(), mask.tolist())
        )
        around, mask, centres = cbow_windows(tokens, 1)
        expected = Counter((tuple(w), t, tuple(m)) for w, t, m in zip(around.tolist(), centres.tolist(), mask.tolist()))
    assert got == expected
    assert [b[0].tolist() for b in batches] != sorted(b[0].tolist() for b in batches)  # and shuffled


@pytest.mark.usefixtures("untyped")
def test_what_batches_refuse():
    with pytest.raises(ValueError, match="tokens must hold at least two words, got 1"):
        contexts(torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="mode must be one of"):
        contexts(mode="glove")
    with pytest.raises(ValueError, match="batch must be at most"):
        contexts().seek(0, 1000)
    with pytest.raises(ValueError, match=r"epoch 1 drew 0 samples.*the text is too short"):
        list(contexts(TOKENS, keep=torch.full((7,), 1e-9, dtype=torch.float64)))
    with pytest.raises(ValueError, match=r"tokens must have shape \(T,\)"):
        skip_gram_pairs(TOKENS[None], 2)
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        cbow_windows(TOKENS, 0)
