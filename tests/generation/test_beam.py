"""Beam search: what a beam of one, and of all, must give; and that no hypothesis touches another."""

import pytest
import torch

from decoding_models import MODELS, STOP, Cached, Recurrent, Table
from groundup.generation import beam_search, greedy

EVERY_MODEL = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
PENALTIES = pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])


@PENALTIES
@EVERY_MODEL
def test_a_beam_of_one_is_greedy(make, length_penalty):
    model = make()
    expected = greedy(model.step, *model.start(), max_len=6, stop=STOP)
    found = beam_search(model.step, *model.start(), width=1, max_len=6, stop=STOP, length_penalty=length_penalty)
    assert torch.equal(found.tokens[:, 0], expected.tokens)
    assert torch.equal(found.lengths[:, 0], expected.lengths)
    assert torch.equal(found.ended[:, 0], expected.ended)
    torch.testing.assert_close(found.log_p[:, 0], expected.log_p)


@PENALTIES
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_as_wide_as_all_sequences_finds_the_best_of_them(seed, length_penalty):
    """Against the enumeration, in order, whether they ended or were cut off."""
    model = Table(3, 4, sharpness=2.0, seed=seed, count=2)
    sequences = list(model.all(4))
    for best in (1, 5, len(sequences)):
        found = beam_search(
            model.step, *model.start(), width=81, max_len=4, stop=STOP, length_penalty=length_penalty, best=best
        )
        for which in range(2):
            expected = sorted(((model.log_p(s, which) / len(s) ** length_penalty, s) for s in sequences), reverse=True)
            for n in range(best):
                length = int(found.lengths[which, n])
                assert tuple(found.tokens[which, n, :length].tolist()) == expected[n][1]
                score = float(found.log_p[which, n]) / length**length_penalty
                assert score == pytest.approx(expected[n][0], abs=1e-12)
                assert bool(found.ended[which, n]) == (expected[n][1][-1] == STOP)


def test_a_wider_beam_can_only_be_better_here():
    """On average over many models; greedy decoding is often not the best there is."""
    mean = []
    for width in (1, 2, 5, 81):
        model = Table(3, 4, count=50)
        mean.append(float(beam_search(model.step, *model.start(), width=width, max_len=4, stop=STOP).log_p.mean()))
    assert mean == sorted(mean)
    assert mean[-1] > mean[0] + 0.1


@PENALTIES
def test_hypotheses_share_no_cache(length_penalty):
    """A cache written in place gives what a model without one gives; the beams of one parent do not touch."""
    model = Cached()
    options = {"width": 4, "max_len": 8, "stop": STOP, "length_penalty": length_penalty, "best": 4}
    start, state = model.start()
    cached = beam_search(model.step, start, state, **options)
    whole = beam_search(model.uncached, start, start.new_empty(3, 0), **options)
    assert torch.equal(cached.tokens, whole.tokens)
    torch.testing.assert_close(cached.log_p, whole.log_p)
    assert len({tuple(row) for row in cached.tokens[0].tolist()}) == 4


def test_a_batch_gives_what_its_sentences_give_alone():
    model = Recurrent()
    start, state = model.start()
    options = {"width": 3, "max_len": 7, "stop": STOP, "best": 3, "length_penalty": 0.5}
    together = beam_search(model.step, start, state, **options)
    for row in range(len(start)):
        alone = beam_search(model.step, start[[row]], tuple(s[[row]] for s in state), **options)
        torch.testing.assert_close(alone.log_p[0], together.log_p[row])
        for n, length in enumerate(alone.lengths[0]):
            assert torch.equal(alone.tokens[0, n, :length], together.tokens[row, n, :length])


def test_it_ends_as_soon_as_nothing_can_change():
    """Log-probabilities only fall: a hypothesis that ended above all others is the best."""
    model = Table(3, 4, count=2)
    model.scores[..., STOP] = 100
    beam_search(model.step, *model.start(), width=3, max_len=50, stop=STOP)
    assert model.calls == 1
    model.calls = 0
    beam_search(model.step, *model.start(), width=3, max_len=50, stop=STOP, best=3)
    assert model.calls == 2  # one ended at once, the others after a token each


def test_more_beams_than_sequences():
    """What there is not has log-probability -inf, and neither disturbs nor delays."""
    model = Table(2, 4)  # STOP or 1, twice: three sequences
    found = beam_search(model.step, *model.start(), width=10, max_len=2, stop=STOP, best=10)
    assert found.log_p.isfinite().sum() == 3
    assert found.log_p[0, :3].exp().sum() == pytest.approx(1)


def test_several_stop_tokens():
    model = Table(4, 4, sharpness=2.0)
    found = beam_search(model.step, *model.start(), width=64, max_len=3, stop=(STOP, 2), best=20)
    for tokens, length, log_p, ended in zip(*(part[0] for part in found)):
        own = tokens[:length].tolist()
        assert (own[-1] in (STOP, 2)) == bool(ended)
        assert not {STOP, 2} & set(own[:-1])
        assert float(log_p) == pytest.approx(model.log_p(own), abs=1e-12)


def test_half_precision_is_summed_in_float32():
    model = Recurrent()
    start, state = model.start()
    found = beam_search(
        lambda tokens, s: (lambda logits, s: (logits.bfloat16(), s))(*model.step(tokens, s)),
        start,
        state,
        width=2,
        max_len=5,
        stop=STOP,
    )
    assert found.log_p.dtype == torch.float32


def steps(tokens, state):
    return torch.zeros(len(tokens), 4), state


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"best": 4}, "best must be at most width=3, got 4"),
        ({"stop": ()}, "stop must name at least one token"),
        ({"stop": 9}, r"stop must lie in \[0, 3\]"),
        ({"length_penalty": -1.0}, "length_penalty must be a finite number"),
        ({"max_len": 0}, "max_len must be at least 1"),
    ],
)
def test_what_a_beam_refuses(options, words):
    with pytest.raises(ValueError, match=words):
        beam_search(steps, torch.tensor([1, 2]), **{"width": 3, "max_len": 3, "stop": STOP, **options})


def test_no_sentences():
    found = beam_search(steps, torch.zeros(0, dtype=torch.long), width=3, max_len=3, stop=STOP)
    assert found.tokens.shape == (0, 1, 1)
