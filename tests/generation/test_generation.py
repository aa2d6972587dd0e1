"""Greedy and sampled decoding: laws, distributions, ends; the filters against transformers'."""

import numpy as np
import pytest
import torch

from decoding_models import MODELS, STOP, Cached, Recurrent, Table
from groundup.generation import greedy, penalize_repetition, sample, top_k_filter, top_p_filter
from parity import seeded_randn

EVERY_MODEL = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def log_p_of(model, row, tokens):
    """The sum of log-probabilities, fed one token at a time."""
    start, state = model.start()
    total, token = torch.zeros(len(start), dtype=torch.float64), start
    for following in tokens:
        logits, state = model.step(token, state)
        token = torch.full_like(start, following)
        total += logits.log_softmax(-1)[:, following].detach()
    return total[row]


@EVERY_MODEL
def test_greedy_takes_the_likeliest(make):
    model = make()
    start, state = model.start()
    found = greedy(model.step, start, state, max_len=6)
    start, state = make().start()
    token = start
    for t in range(6):
        logits, state = model.step(token, state)
        token = logits.argmax(-1)
        assert torch.equal(found.tokens[:, t], token)
    assert found.lengths.tolist() == [6] * len(start)
    assert not found.ended.any()
    assert not found.log_p.requires_grad


@EVERY_MODEL
def test_rows_end_each_at_its_own_stop_token(make):
    """Any of several; what follows is not counted, and the log-probability is that of the row's own tokens."""
    model = make()
    generator = torch.Generator().manual_seed(3)
    found = sample(model.step, *model.start(), max_len=6, stop=(STOP, 2), generator=generator)
    assert found.ended.any()
    for row, (tokens, length, log_p, ended) in enumerate(zip(*found)):
        own = tokens[:length].tolist()
        assert all(token not in (STOP, 2) for token in own[:-1])
        assert (own[-1] in (STOP, 2)) == bool(ended)
        assert (tokens[length:] == own[-1]).all()
        torch.testing.assert_close(log_p, log_p_of(model, row, own))


def test_decoding_ends_when_all_rows_have():
    model = Table(3, 4, count=2)
    model.scores[..., STOP] = 100
    found = greedy(model.step, *model.start(), max_len=50, stop=STOP)
    assert model.calls == 1
    assert found.tokens.tolist() == [[STOP], [STOP]]
    assert found.ended.all()


def test_a_cache_gives_what_no_cache_gives():
    model = Cached()
    start, state = model.start()
    cached, whole = greedy(model.step, start, state, max_len=9), greedy(model.uncached, start, max_len=9)
    assert torch.equal(cached.tokens, whole.tokens)
    torch.testing.assert_close(cached.log_p, whole.log_p)


def test_a_batch_gives_what_its_rows_give_alone():
    model = Recurrent()
    start, state = model.start()
    together = greedy(model.step, start, state, max_len=8, stop=STOP)
    for row in range(len(start)):
        alone = greedy(model.step, start[[row]], tuple(s[[row]] for s in state), max_len=8, stop=STOP)
        length = int(alone.lengths)
        assert torch.equal(alone.tokens[0], together.tokens[row, :length])
        assert length == int(together.lengths[row])


# ---- sampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.5}, {"top_k": 2}, {"top_p": 0.7}, {"temperature": 2.0, "top_k": 3, "top_p": 0.8}]
)
def test_what_is_drawn_has_the_distribution_asked_for(options):
    """20,000 draws of one step: within five standard errors of softmax over what the filters leave."""
    count, logits = 20_000, torch.tensor([2.0, 1.0, 0.5, -1.0, -3.0])
    found = sample(
        lambda tokens, state: (logits.expand(count, -1), None),
        torch.zeros(count, dtype=torch.long),
        max_len=1,
        generator=torch.Generator().manual_seed(0),
        **options,
    )
    left = logits[None] / options.get("temperature", 1.0)
    left = top_k_filter(left, options["top_k"]) if "top_k" in options else left
    left = top_p_filter(left, options["top_p"]) if "top_p" in options else left
    p = left[0].softmax(-1)
    frequency = found.tokens[:, 0].bincount(minlength=5) / count
    assert ((frequency - p).abs() <= 5 * (p * (1 - p) / count).sqrt()).all()
    torch.testing.assert_close(found.log_p, logits.log_softmax(-1)[found.tokens[:, 0]])


def test_the_probability_is_the_models_whatever_changes_its_scores():
    """A penalty, filters and temperature choose other tokens; `log_p` says how likely the model holds them."""
    model = Recurrent()
    start, state = model.start()
    options = {"repetition_penalty": 3.0, "temperature": 0.5, "top_k": 3}
    found = sample(model.step, start, state, max_len=12, generator=torch.Generator().manual_seed(0), **options)
    plain = sample(model.step, start, state, max_len=12, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(found.tokens, plain.tokens)
    for row, (tokens, length, log_p, _) in enumerate(zip(*found)):
        torch.testing.assert_close(log_p, log_p_of(model, row, tokens[:length].tolist()))


def test_a_generator_makes_it_repeatable():
    model = Recurrent()

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        before = torch.get_rng_state()
        tokens = sample(model.step, *model.start(), max_len=20, generator=generator).tokens
        assert torch.equal(torch.get_rng_state(), before)
        return tokens

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@EVERY_MODEL
def test_cold_sampling_is_greedy(make):
    model = make()
    expected = greedy(model.step, *model.start(), max_len=6).tokens
    for options in ({"temperature": 1e-4}, {"temperature": 0.0}, {"top_k": 1}, {"top_p": 1e-9}):
        assert torch.equal(sample(model.step, *model.start(), max_len=6, **options).tokens, expected)


def test_a_large_penalty_repeats_nothing_of_the_prompt():
    model = Recurrent()
    start, state = model.start()
    seen = torch.stack([start, start + 1], 1)

    def step(tokens, state):
        logits, state = model.step(tokens, state)
        return logits - 50, state  # all negative: what was seen falls below everything

    tokens = sample(step, start, state, max_len=5, temperature=0.0, repetition_penalty=1e9, seen=seen).tokens
    assert all(sorted([*row, *before]) == list(range(7)) for row, before in zip(tokens.tolist(), seen.tolist()))
    assert not torch.equal(tokens, greedy(step, start, state, max_len=5).tokens)


def test_every_token_is_told_as_soon_as_it_is_known():
    told = []
    model = Recurrent()
    found = sample(model.step, *model.start(), max_len=5, on_token=told.append)
    assert torch.equal(torch.stack(told, 1), found.tokens)


# ---- the filters --------------------------------------------------------------------------------------------------


def test_filters_equal_those_of_transformers():
    from transformers import RepetitionPenaltyLogitsProcessor, TopKLogitsWarper, TopPLogitsWarper

    logits, seen = 3 * seeded_randn(6, 20), torch.randint(0, 20, (6, 4))
    for k in (1, 3, 19, 20):
        assert torch.equal(top_k_filter(logits, k), TopKLogitsWarper(k)(seen, logits))
    for p in (0.01, 0.3, 0.9, 0.999):
        assert torch.equal(top_p_filter(logits, p), TopPLogitsWarper(p)(seen, logits))
    for penalty in (1.0, 1.3, 5.0):
        expected = RepetitionPenaltyLogitsProcessor(penalty)(seen, logits.clone())
        torch.testing.assert_close(penalize_repetition(logits, seen, penalty), expected)


def test_filters_at_their_ends():
    logits = torch.tensor([[0.0, 1.0, 1.0, -1.0]])
    assert top_k_filter(logits, 100).isfinite().all()  # more than there are
    assert top_k_filter(logits, 1).isfinite().tolist() == [[False, True, True, False]]  # a tie is kept whole
    assert top_p_filter(logits, 1.0).isfinite().all()
    assert top_p_filter(logits, 1e-12).isfinite().sum() == 1
    assert top_p_filter(torch.tensor([[-torch.inf, 0.0]]), 0.5).tolist() == [[-torch.inf, 0.0]]


# ---- bad input ----------------------------------------------------------------------------------------------------

x = torch.tensor([1, 2])


TWICE = {"repetition_penalty": 2.0}


def steps(tokens, state):
    return torch.zeros(len(tokens), 4), state


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((steps, x.float()), {}, TypeError, "start must hold token indices"),
        ((steps, x[None]), {}, ValueError, r"start must have shape \(B,\)"),
        ((steps, x), {"max_len": 0}, ValueError, "max_len must be at least 1, got 0"),
        ((steps, x), {"stop": 4}, ValueError, r"stop must lie in \[0, 3\], the vocabulary, got 4"),
        ((steps, x), {"stop": (-1,)}, ValueError, "stop must be at least 0"),
        ((steps, x), {"temperature": -1.0}, ValueError, "temperature must be a finite number"),
        ((steps, x), {"top_k": 0}, ValueError, "k must be at least 1"),
        ((steps, x), {"top_p": 0.0}, ValueError, r"p must lie in \(0, 1\], got 0.0"),
        ((steps, x), {"repetition_penalty": 0.5}, ValueError, "repetition_penalty must be"),
        ((steps, x), {"seen": x[:1, None]}, ValueError, "seen must have 2 rows, as start has"),
        ((lambda t, s: (torch.zeros(2, 1, 4), s), x), {}, ValueError, r"logits must have shape \(B, V\)"),
        ((lambda t, s: (torch.zeros(3, 4), s), x), {}, ValueError, "logits must have 2 rows, as step was given"),
        ((lambda t, s: (torch.full((2, 4), torch.nan), s), x), {}, ValueError, "logits hold NaN, and must be finite"),
        ((lambda t, s: (torch.full((2, 4), torch.inf), s), x), {"temperature": 0.0}, ValueError, "logits hold inf"),
        ((steps, x), {"stop": None}, TypeError, r"stop must be an int or several of them, \(\) for none, got None"),
        ((steps, x), {"stop": torch.tensor(3)}, TypeError, r"stop must be an int or .*, got tensor\(3\)"),
        ((steps, x), {"stop": 3.0}, TypeError, r"stop must be an int or several of them.*, got 3.0 \(float\)"),
        ((steps, x), {"seen": [[1], [2]]}, TypeError, "seen must be a torch.Tensor, got list"),
        ((steps, x), {"seen": x[:, None] / 2}, TypeError, "seen must be int64 or int32, got torch.float32"),
        ((steps, x), {"seen": 4 * x[:, None], **TWICE}, ValueError, r"seen must lie in \[0, 3\], .*, got 8"),
        ((steps, x), {"seen": -x[:, None], **TWICE}, ValueError, r"seen must lie in \[0, 3\], .*, got -2"),
    ],
)
def test_what_sampling_refuses(arguments, options, error, words):
    with pytest.raises(error, match=words):
        sample(*arguments, **{"max_len": 3, **options})


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("seen", "error", "words"),
    [
        ([[1]], TypeError, "seen must be a torch.Tensor, got list"),
        (torch.tensor([[1]]), ValueError, "seen must have 2 rows, as logits has"),  # the second would go unpunished
        (torch.tensor([1, 2]), ValueError, r"seen must have shape \(B, T\)"),
        (torch.tensor([[5], [1]]), ValueError, r"seen must lie in \[0, 4\], the vocabulary being 5, got 5"),
        (torch.tensor([[0.5], [1]]), TypeError, "seen must be int64 or int32"),
    ],
)
def test_what_the_penalty_refuses(seen, error, words):
    with pytest.raises(error, match=words):
        penalize_repetition(torch.zeros(2, 5), seen, 1.3)


@pytest.mark.usefixtures("untyped")
def test_a_token_of_numpy_stops():
    assert greedy(steps, x, max_len=3, stop=np.int64(0)).lengths.tolist() == [1, 1]


@pytest.mark.parametrize("temperature", [1e-42, 1e-50, 5e-324])
def test_a_temperature_that_float32_does_not_hold_takes_the_likeliest(temperature):
    logits = seeded_randn(2, 4, dtype=torch.float32)
    found = sample(lambda tokens, state: (logits, state), x, max_len=3, temperature=temperature)
    assert found.tokens.T.tolist() == [logits.argmax(-1).tolist()] * 3


def test_no_rows_give_no_rows():
    assert greedy(steps, x[:0], max_len=3).tokens.shape == (0, 1)
    assert sample(steps, x[:0], max_len=3).tokens.shape == (0, 1)
