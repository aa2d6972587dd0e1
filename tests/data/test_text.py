"""Texts, words and vocabularies: what is read is what is there, and what is left out is said."""

import re

import pytest
import torch

from groundup.data import TEXTS, Vocabulary, load_text, python_reference, tiny_shakespeare, words


def test_the_python_reference_is_that_of_help():
    from pydoc_data.topics import topics

    text = python_reference()
    assert all(chapter in text for chapter in topics.values())
    assert text == load_text("python")
    assert {"lambda", "nonlocal", "__getattr__"} <= set(words(text))


def test_tiny_shakespeare(real):
    real("tinyshakespeare/input.txt")
    text = tiny_shakespeare()
    assert (len(text), len(set(text))) == (1_115_394, 65)
    assert text.startswith("First Citizen:\nBefore we proceed")
    assert load_text("shakespeare") == text


def test_shakespeare_without_network_says_what_to_do(cache):
    with pytest.raises(OSError, match=r"tinyshakespeare/input\.txt \(1\.1 MB\) is not in the cache"):
        load_text("shakespeare")


def test_a_text_of_ones_own(tmp_path):
    (tmp_path / "own.txt").write_text("Grüße, world!\n", encoding="utf-8")
    for path in (tmp_path / "own.txt", str(tmp_path / "own.txt")):
        assert load_text(path) == "Grüße, world!\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        ("naïve".encode("latin-1"), "is not UTF-8 at byte 2; save it as UTF-8"),
    ],
)
def test_a_file_that_holds_no_text(tmp_path, content, message):
    (tmp_path / "own.txt").write_bytes(content)
    with pytest.raises(ValueError, match=f"own.txt {message}"):
        load_text(tmp_path / "own.txt")


@pytest.mark.parametrize("name", ["nothing.txt", "."])
def test_what_is_neither_a_name_nor_a_file(name):
    with pytest.raises(
        ValueError, match=f"must be one of {', '.join(map(repr, TEXTS))}, or the path.*{re.escape(name)}"
    ):
        load_text(name)


def test_words_of_a_text():
    text = "Don't panic: x1 = __init__(self, 42, 3rd); Ça va? — 'quoted' object’s, naïve_3."
    assert words(text) == [
        *("don't", "panic", "x1", "__init__", "self", "rd", "ça", "va", "quoted", "object’s", "naïve_3")
    ]


def test_a_vocabulary_is_sorted_and_says_what_it_leaves_out():
    tokens = ["b", "a", "c", "a", "b", "a", "d", "d", "e"]
    vocabulary = Vocabulary.of(tokens, min_count=2)
    assert vocabulary.words == ("a", "b", "d")  # b before d: of equally frequent ones the first in the text
    assert vocabulary.counts.tolist() == [3, 2, 2]
    assert vocabulary.left_out == 2
    assert len(vocabulary) == 3
    assert "a" in vocabulary
    assert "c" not in vocabulary
    assert repr(vocabulary) == "Vocabulary(3 words of 7 occurrences, 2 occurrences of others left out)"
    encoded = vocabulary.encode(tokens)
    assert encoded.tolist() == [1, 0, 0, 1, 0, 2, 2]
    assert torch.equal(encoded.bincount(), vocabulary.counts)
    assert vocabulary.decode(encoded) == ["b", "a", "a", "b", "a", "d", "d"]
    assert vocabulary.index(["d", "a"]).tolist() == [2, 0]
    assert Vocabulary.of(tokens, max_size=2).words == ("a", "b")
    assert vocabulary.encode([]).tolist() == []


@pytest.mark.usefixtures("untyped")
def test_what_a_vocabulary_refuses():
    vocabulary = Vocabulary.of(["lambda", "global", "nonlocal"])
    with pytest.raises(ValueError, match="'lambada' is none of the 3 words of the vocabulary; near ones are 'lambda'"):
        vocabulary.index(["global", "lambada"])
    with pytest.raises(ValueError, match="no word of 3 occurs 2 times"):
        Vocabulary.of(["a", "b", "c"], min_count=2)
    with pytest.raises(TypeError, match=r"split it with groundup\.data\.words"):
        Vocabulary.of("abc")
    with pytest.raises(ValueError, match=r"indices must lie in \[0, 2\], the vocabulary's size being 3, got 3"):
        vocabulary.decode([3])
    with pytest.raises(ValueError, match="got 2 words, of them 1 different"):
        Vocabulary(("a", "a"), torch.tensor([1, 2]))
