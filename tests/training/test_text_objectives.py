"""Objectives of texts count tokens, not padding; translations come back in order."""

from itertools import pairwise
from math import log

import numpy as np
import pytest
import torch

from groundup.data import END, PAD, BucketLoader, Loader, ParallelText, TextWindows, WordTokenizer
from groundup.models.recurrent_networks import LSTM, LangModel, Seq2Seq
from groundup.models.transformer_networks import Transformer
from groundup.training import (
    count_pairs,
    exact_match,
    fit_length,
    look_up,
    next_token,
    perplexity,
    translate,
    translation,
)
from parity import randomise

PAIRS = [("a b c", "x y"), ("b", "y"), ("c a", "z z z")]


def text():
    return ParallelText(PAIRS, WordTokenizer.of(s for s, _ in PAIRS), WordTokenizer.of(t for _, t in PAIRS))


def test_translation_counts_what_is_no_padding():
    model = randomise(Seq2Seq(7, 7, 3, 4, 1))
    whole, count = translation(model, text().batch(torch.arange(3)))
    assert int(count) == 3 + 2 + 4
    alone = [translation(model, text().batch(torch.tensor([i])))[0] for i in range(3)]
    torch.testing.assert_close(whole, sum(alone))


def test_the_next_token():
    model = randomise(LangModel(6, LSTM(3, 4, batch_first=True)))
    tokens = torch.tensor([[1, 2, 3, 4], [5, 5, 1, PAD]])
    total, count = next_token(model, tokens)
    log_p = model(tokens[:, :-1])[0].log_softmax(-1)
    wanted = [(0, 0, 2), (0, 1, 3), (0, 2, 4), (1, 0, 5), (1, 1, 1)]
    assert int(count) == 5
    torch.testing.assert_close(total, -sum(log_p[place] for place in wanted))


def test_perplexity():
    model = LangModel(6, LSTM(3, 4, batch_first=True))
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.zero_()
    found = perplexity(Loader(TextWindows(torch.tensor([1, 2, 3, 4, 5, 1, 2]), 2), 2), next_token)(model)
    assert found["perplexity"] == pytest.approx(6)


@pytest.mark.parametrize("width", [1, 3])
def test_translations_come_in_order_and_keep_the_mode(width):
    """A decoder that says what it read: the biases of its output are all there is to it."""
    model, parallel = Seq2Seq(7, 7, 3, 4, 1).train(), text()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.decoder.head.bias[END] = 1.0
    assert translate(model, parallel, width=width, batch_size=2) == ["", "", ""]
    assert model.training
    with torch.no_grad():
        model.decoder.head.bias[4] = 2.0
    assert translate(model, parallel, max_len=3) == [" ".join([parallel.target_tokenizer.pieces[4]] * 3)] * 3


def test_translations_may_be_longer_than_the_positions_that_are_kept():
    """The sinusoids have no end; decoding used to, in the middle of a test set."""
    model, parallel = Transformer(7, 7, 8, 2, 1, 1, 12, max_len=4), text()
    with torch.no_grad():
        model.target_table.weight.zero_()[5] = 1.0
        model.decoder.layers[0].feed_forward_norm.weight.zero_()
        model.decoder.layers[0].feed_forward_norm.bias.fill_(1.0)  # whatever it sees, it says token 5
    for max_len in (3, 60):
        assert translate(model, parallel, max_len=max_len) == [" ".join(["y"] * max_len)] * 3


def test_exact_match():
    assert exact_match(["a", "b", "c d"], ["a", "x", "c d"]) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="zip"):
        exact_match(["a"], ["a", "b"])


def test_batches_of_a_loader_are_what_it_takes():
    model = Seq2Seq(7, 7, 3, 4, 1)
    assert perplexity(BucketLoader(text(), 2), translation)(model)["loss"] > 0


def test_few_samples_are_read_more_often(capsys):
    assert fit_length(20_000, 64, 0, usual=5) == (64, 5)
    assert fit_length(20_000, 64, 2, usual=5) == (64, 2)
    assert capsys.readouterr().out == ""
    assert fit_length(360, 64, 0, usual=5, least_steps=400) == (36, 40)
    assert "360 samples: 40 epochs in batches of 36, instead of 5 in batches of 64" in capsys.readouterr().out
    assert fit_length(360, 64, 3, usual=5) == (36, 3)  # what was asked for stays
    assert fit_length(3, 64, 0, usual=5, least_steps=10) == (1, 5)
    assert fit_length(700, 64, 0, usual=5, least_steps=50) == (64, 5)


def test_counting_pairs_is_what_the_formula_says():
    train, valid = [0, 1, 0, 1, 2, 0, 1], [0, 1, 3, 0, 2]
    single = [(train.count(b) + 1) / (len(train) + 4) for b in range(4)]
    total = 0.0
    for a, b in pairwise(valid):
        together = sum(pair == (a, b) for pair in pairwise(train))
        total -= log((together + 5 * single[b]) / (train[:-1].count(a) + 5))
    assert count_pairs(train, valid) == pytest.approx(total / 4)
    assert count_pairs(np.array(train, dtype=np.uint16), torch.tensor(valid)) == pytest.approx(total / 4)


def test_looking_up_takes_the_most_similar_sentence():
    known = [("the red cat", "A"), ("the big dog", "B"), ("the owl", "C"), ("the red dog sleeps here", "D")]
    asked = [("the dog", "B"), ("red cat", "x"), ("an owl", "C"), ("the big red dog sleeps here", "D")]
    tokenizers = WordTokenizer.of(s for s, _ in known), WordTokenizer.of(t for _, t in known)
    made = look_up(ParallelText(known, *tokenizers), ParallelText(asked, *tokenizers))
    assert made.found == ["B", "A", "C", "D"]
    assert made.exact == 0.75
