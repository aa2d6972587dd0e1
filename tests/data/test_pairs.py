"""Parallel text: number names, Multi30k, your own; padded and in buckets, the same for the same seed."""

import sys
import types
from itertools import pairwise

import pytest
import torch

from groundup.data import (
    END,
    PAD,
    START,
    BucketLoader,
    BytePairTokenizer,
    CharacterTokenizer,
    ParallelText,
    TextWindows,
    WordTokenizer,
    load_pairs,
    load_parallel,
    multi30k,
    number_name,
    number_pairs,
    pad_sequences,
    read_pairs,
)

NAMES = {
    0: ("zero", "zéro", "null"),
    1: ("one", "un", "eins"),
    16: ("sixteen", "seize", "sechzehn"),
    17: ("seventeen", "dix-sept", "siebzehn"),
    21: ("twenty-one", "vingt et un", "einundzwanzig"),
    71: ("seventy-one", "soixante et onze", "einundsiebzig"),
    80: ("eighty", "quatre-vingts", "achtzig"),
    81: ("eighty-one", "quatre-vingt-un", "einundachtzig"),
    91: ("ninety-one", "quatre-vingt-onze", "einundneunzig"),
    99: ("ninety-nine", "quatre-vingt-dix-neuf", "neunundneunzig"),
    100: ("one hundred", "cent", "einhundert"),
    200: ("two hundred", "deux cents", "zweihundert"),
    201: ("two hundred and one", "deux cent un", "zweihunderteins"),
    1000: ("one thousand", "mille", "eintausend"),
    1001: ("one thousand and one", "mille un", "eintausendeins"),
    21000: ("twenty-one thousand", "vingt et un mille", "einundzwanzigtausend"),
    80080: ("eighty thousand and eighty", "quatre-vingt mille quatre-vingts", "achtzigtausendachtzig"),
    200200: ("two hundred thousand two hundred", "deux cent mille deux cents", "zweihunderttausendzweihundert"),
    123456: (
        "one hundred and twenty-three thousand four hundred and fifty-six",
        "cent vingt-trois mille quatre cent cinquante-six",
        "einhundertdreiundzwanzigtausendvierhundertsechsundfünfzig",
    ),
}


@pytest.mark.parametrize("n", NAMES)
def test_names_of_numbers(n):
    assert tuple(number_name(n, language) for language in ("en", "fr", "de")) == NAMES[n]


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_no_two_numbers_have_one_name(language):
    assert len({number_name(n, language) for n in range(5000)}) == 5000


def test_other_languages_are_num2words(monkeypatch):
    monkeypatch.setitem(sys.modules, "num2words", None)
    with pytest.raises(ImportError, match="language 'it' needs num2words: pip install num2words"):
        number_name(3, "it")

    def num2words(n, lang):
        if lang != "it":
            raise NotImplementedError
        return "tre"

    monkeypatch.setitem(sys.modules, "num2words", types.SimpleNamespace(num2words=num2words))
    assert number_name(3, "it") == "tre"
    with pytest.raises(ValueError, match="language must be one that num2words has"):
        number_name(3, "klingon")


def test_pairs_of_numbers():
    train, test = number_pairs(count=2000, held_out=300, seed=1)
    assert (len(train), len(test)) == (2000, 300)
    assert len({source for source, _ in train + test}) == 2300
    assert number_pairs(count=2000, held_out=300, seed=1) == (train, test)
    assert number_pairs(count=2000, held_out=300, seed=2) != (train, test)
    short = sum(" thousand" not in source for source, _ in train)
    assert 300 < short < 1000  # a draw over all numbers would have two of 2,000
    everything = number_pairs(count=90, held_out=10, below=100)
    assert {target for pairs in everything for _, target in pairs} == {number_name(n, "fr") for n in range(100)}
    with pytest.raises(ValueError, match="there are only 100 numbers, 101 are wanted"):
        number_pairs(count=91, held_out=10, below=100)
    for n, message in ((-1, "n must be at least 0"), (1_000_000, "n must be at most 999,999")):
        with pytest.raises(ValueError, match=message):
            number_name(n, "en")


def test_multi30k(real):
    names = [f"{part}.{language}.gz" for part in ("train", "val", "test_2016_flickr") for language in ("de", "en")]
    real(*[f"multi30k/{name}" for name in names])
    assert [len(multi30k(part)) for part in ("train", "val", "test")] == [29_000, 1_014, 1_000]
    source, target = multi30k("test")[0]
    assert source == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."
    assert target == "A man in an orange hat starring at something."
    assert multi30k("test", "en", "de", lower=True)[0] == (target.lower(), source.lower())
    assert load_pairs("multi30k") == tuple(multi30k(part, lower=True) for part in ("train", "val", "test"))


def test_your_own_pairs(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("".join(f"eins {i}\tone {i}\n\n" for i in range(40)), encoding="utf-8")
    assert read_pairs(path)[:2] == [("eins 0", "one 0"), ("eins 1", "one 1")]
    train, valid, test = load_pairs(path)
    assert (len(train), len(valid), len(test)) == (36, 2, 2)
    assert sorted(train + valid + test) == sorted(read_pairs(path))
    path.write_text("eins\tone\nzwei\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2 must be source, tab, target: 1 parts"):
        read_pairs(path)
    path.write_text("eins\tone\nzwei\ttwo\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must hold at least three pairs"):
        load_pairs(path)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is empty"):
        read_pairs(path)
    with pytest.raises(ValueError, match="is no file"):
        load_pairs("nowhere")
    with pytest.raises(ValueError, match="source and target are the languages of"):
        load_pairs(path, "en")


def test_parallel_text_by_name(tmp_path):
    """No number of the three parts is in another; the tokenizers know what there is to learn, and that alone."""
    parts = load_pairs("numbers", "en", "de", seed=2)
    assert [len(part) for part in parts] == [20_000, 500, 1_000]
    assert len({source for part in parts for source, _ in part}) == 21_500
    path = tmp_path / "own.tsv"
    path.write_text("".join(f"eins {i}\tone {i}\n" for i in range(60)), encoding="utf-8")
    train, valid, test = load_parallel(path, min_count=2)
    assert train.source_tokenizer.pieces[4:] == ("eins",)
    assert train.target_tokenizer.pieces[4:] == ("one",)
    assert (valid.pairs, test.pairs) == load_pairs(path)[1:]
    assert test.source_tokenizer is valid.source_tokenizer is train.source_tokenizer
    train, _, test = load_parallel(path, byte_pairs=265)
    assert isinstance(train.target_tokenizer, BytePairTokenizer)
    assert len(train.target_tokenizer) <= 265
    assert train.target_tokenizer.spell(train.target_tokenizer.encode("one one")) == ["one", "one"]
    assert train.target_tokenizer.decode(test.target[0]) == test.pairs[0][1]


# ---- batches ------------------------------------------------------------------------------------------------------


def parallel(count=500):
    pairs = [(" ".join("ab"[i % 2] for i in range(n % 17 + 1)), "c " * (n % 5 + 1)) for n in range(count)]
    return ParallelText(pairs, WordTokenizer.of(s for s, _ in pairs), WordTokenizer.of(t for _, t in pairs))


def test_a_batch_is_padded_and_has_its_lengths():
    text = parallel()
    source, lengths, target = text.batch(torch.tensor([3, 0, 10]))
    assert lengths.tolist() == [4, 1, 11]
    assert source.shape == (3, 11)
    for row, n, index in zip(source, lengths, (3, 0, 10)):
        assert text.source_tokenizer.decode(row[:n]) == text.pairs[index][0]
        assert (row[n:] == PAD).all()
        assert (row[:n] != PAD).all()
    assert (target[:, 0] == START).all()
    assert (target == END).sum(1).tolist() == [1, 1, 1]
    assert target[1].tolist() == [START, 4, END, PAD, PAD, PAD]
    table, n = pad_sequences([torch.tensor([5]), torch.tensor([6, 7])], value=-1)
    assert table.tolist() == [[5, -1], [6, 7]]
    assert n.tolist() == [1, 2]


def test_buckets():
    """Every sample once an epoch; little padding; a function of seed and epoch; the small batch last."""
    text = parallel()
    loader = BucketLoader(text, 16, pool=10, seed=3)
    first = loader.order(0)
    assert sorted(first.tolist()) == list(range(500))
    assert torch.equal(first, BucketLoader(text, 16, pool=10, seed=3).order(0))
    assert not torch.equal(first, loader.order(1))
    assert not torch.equal(first, BucketLoader(text, 16, pool=10, seed=4).order(0))
    batches = list(loader)
    assert [len(batch.source) for batch in batches] == [16] * 31 + [4]
    padding = sum(int((batch.source == PAD).sum()) for batch in batches)
    words = sum(int(batch.lengths.sum()) for batch in batches)
    unsorted = sum(len(batch.source) * 17 for batch in batches)
    assert padding < 0.2 * (unsorted - words)
    lengths = [int(batch.lengths.max()) for batch in batches]
    assert lengths != sorted(lengths)
    loader.seek(0, 30)
    assert torch.equal(next(iter(loader)).source, batches[30].source)


def test_targets_of_a_bucket_are_alike():
    """Where the length of the source changes, that of the target does not jump from the longest to the shortest."""
    pairs = [("a " * s, "c " * t) for s in range(1, 5) for t in range(1, 9)]
    text = ParallelText(pairs, WordTokenizer.of("a"), WordTokenizer.of("c"))
    ordered = [text.pairs[i] for i in text.lengths.argsort().tolist()]
    assert [len(source) // 2 for source, _ in ordered] == [1] * 8 + [2] * 8 + [3] * 8 + [4] * 8
    targets = [len(target) // 2 for _, target in ordered]
    assert max(abs(a - b) for a, b in pairwise(targets)) == 1


def test_windows_of_a_text():
    windows = TextWindows(torch.arange(11), 3)
    assert len(windows) == 3
    assert windows[2].tolist() == [6, 7, 8, 9]
    assert windows.batch(torch.tensor([1, 0])).tolist() == [[3, 4, 5, 6], [0, 1, 2, 3]]
    with pytest.raises(ValueError, match="4 are needed, got 3"):
        TextWindows(torch.arange(3), 3)


@pytest.mark.usefixtures("untyped")
def test_what_batches_refuse():
    with pytest.raises(ValueError, match="pairs must hold at least one"):
        ParallelText([], CharacterTokenizer.of("a"), CharacterTokenizer.of("a"))
    with pytest.raises(TypeError, match="dataset must have lengths"):
        BucketLoader([1, 2], 1)
    with pytest.raises(ValueError, match="sequences must hold at least one"):
        pad_sequences([])
