"""Tokenizers: what goes in comes out, what is unknown is said, and all begin with the same four."""

import pickle

import pytest
import torch

from groundup.data import END, PAD, START, UNKNOWN, BytePairTokenizer, CharacterTokenizer, WordTokenizer

TEXTS = ["Vingt-deux mille trois cent un.", "l'été, (dit-il) — don't!", "vingt vingt-deux"]
KINDS = {
    "characters": lambda: CharacterTokenizer.of(TEXTS),
    "words": lambda: WordTokenizer.of(TEXTS),
    "byte pairs": lambda: BytePairTokenizer.of(TEXTS, max_size=280),
    "byte pairs of sentences": lambda: BytePairTokenizer.of(TEXTS, max_size=280, prefix_space=True),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_there_and_back(make):
    tokenizer = make()
    assert tokenizer.pieces[:4] == ("<pad>", "<start>", "<end>", "<unknown>")
    assert (PAD, START, END, UNKNOWN) == (0, 1, 2, 3)
    for text in [TEXTS[0], TEXTS[2], ""]:
        tokens = tokenizer.encode(text)
        assert tokens.dtype == torch.int64
        assert tokens.numel() == 0 or (tokens.min() > UNKNOWN and tokens.max() < len(tokenizer))
        assert tokenizer.decode(tokens) == text
        around = torch.cat([torch.tensor([START]), tokens, torch.tensor([END, PAD, 5, END])])
        assert tokenizer.decode(around) == text
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode(TEXTS[0]).tolist() == tokenizer.encode(TEXTS[0]).tolist()
    assert len(again) == len(tokenizer)


def test_words_and_signs():
    split = WordTokenizer.split
    assert split("Vingt-deux (l'été), don't!") == ["Vingt", "-deux", "(", "l'été", ")", ",", "don't", "!"]
    join = WordTokenizer.join
    assert join(["vingt", "-deux", ",", "(", "a", ")", "."]) == "vingt-deux, (a)."


def test_what_is_unknown():
    for tokenizer in (CharacterTokenizer.of("abc"), WordTokenizer.of("a b c")):
        assert tokenizer.encode("a").tolist() != [UNKNOWN]
        assert tokenizer.encode("z").tolist() == [UNKNOWN]
    bytes_of_all = BytePairTokenizer.of("abc", max_size=260)
    assert bytes_of_all.decode(bytes_of_all.encode("日本 ß")) == "日本 ß"


def test_frequent_ones_stay():
    tokenizer = WordTokenizer.of("a a a b b c", min_count=2)
    assert tokenizer.pieces[4:] == ("a", "b")
    assert WordTokenizer.of("a a a b b c", max_size=1).pieces[4:] == ("a",)
    assert repr(tokenizer) == "WordTokenizer(6 tokens)"


def test_byte_pairs_merge_what_occurs_often():
    tokenizer = BytePairTokenizer.of(["lower lowest low"] * 10, max_size=270)
    assert len(tokenizer.encode("lower")) < 5
    assert len(tokenizer) <= 270
    with pytest.raises(ValueError, match="max_size must be at least 260"):
        BytePairTokenizer.of("abc", max_size=100)


def test_the_first_word_is_a_word_like_the_others():
    plain, sentences = (
        BytePairTokenizer.of(["a dog sees a dog"] * 9, max_size=275, prefix_space=p) for p in (False, True)
    )
    first, last = (sentences.encode("dog dog")[i] for i in (0, -1))
    assert first == last
    assert plain.encode("dog dog")[0] != plain.encode("dog dog")[-1]
    assert sentences.spell(sentences.encode("dog a")) == ["dog", "a"]
    assert WordTokenizer.of("a b").spell([1, 4, 5, 2, 4]) == ["a", "b"]


@pytest.mark.usefixtures("untyped")
def test_what_decoding_refuses():
    tokenizer = CharacterTokenizer.of("abc")
    with pytest.raises(ValueError, match=r"tokens must lie in \[0, 6\]"):
        tokenizer.decode([7])
    with pytest.raises(ValueError, match=r"tokens must have shape \(T,\)"):
        tokenizer.decode(torch.zeros(2, 2, dtype=torch.long))
