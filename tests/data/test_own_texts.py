"""Texts and pairs of one's own: what spreadsheets and editors write, short texts, validation files, word vectors."""

import json
import pickle

import pytest
import torch

from groundup.data import (
    BytePairTokenizer,
    CharacterTokenizer,
    WordTokenizer,
    first_words,
    load_pairs,
    load_parallel,
    load_text,
    load_tokenizer,
    open_tokens,
    prepare_tokens,
    read_pairs,
    read_vectors,
    split_text,
    train_byte_pairs,
    window_length,
    write_tokens,
    write_vectors,
)

TWO = [("eins", "one"), ("zwei", "two")]
FORMS = {
    "tabs": ("a.tsv", "eins\tone\nzwei\ttwo\n", TWO),
    "no last line break, blank lines": ("a.txt", "\neins\tone\n\n\nzwei\ttwo", TWO),
    "Windows": ("a.tsv", b"\xef\xbb\xbfeins\tone\r\nzwei\ttwo\r\n", TWO),
    "old Macs": ("a.tsv", "eins\tone\rzwei\ttwo\r", TWO),
    "a line separator within": ("a.tsv", "ei\u2028ns\to\x85ne\nzwei\ttwo\n", [("ei\u2028ns", "o\x85ne"), TWO[1]]),
    "quotes that are text": ("a.tsv", '"Halt!"\tStop!\n"a" b\t"c"\n', [('"Halt!"', "Stop!"), ('"a" b', '"c"')]),
    "all quoted, tabs": ("a.tsv", '"eins"\t"one"\n"er ""x"""\t"he"\n', [("eins", "one"), ('er "x"', "he")]),
    "a header": ("a.tsv", "German\tEnglish\neins\tone\nzwei\ttwo\n", TWO),
    "a third column": ("a.tsv", "eins\tone\tCC-BY\nzwei\ttwo\tCC-BY\n", TWO),
    "commas": ("a.csv", 'source,target\neins,one\n"zwei","two"\n', TWO),
    "commas and line breaks in quotes": ("a.CSV", 'a,"b, c"\n"d\n""e""",f\n', [("a", "b, c"), ('d\n"e"', "f")]),
    "a space after the comma": ("a.csv", 'eins, "one"\nzwei, two\n', TWO),
    "semicolons": ("a.csv", "eins;one\r\nzwei;two\r\n", TWO),
    "semicolons, commas within": ("a.csv", "ja, eins;yes, one\nzwei;two\n", [("ja, eins", "yes, one"), TWO[1]]),
    "tabs in a .csv": ("a.csv", "eins\tone\nzwei\ttwo\n", TWO),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "pairs"), FORMS.values(), ids=FORMS)
def test_pairs_as_programs_write_them(name, content, pairs, tmp_path):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_pairs(path) == pairs


def test_what_is_left_out_of_pairs_is_said(tmp_path, caplog):
    (tmp_path / "a.tsv").write_text("eng\tdeu\tlicence\none\teins\tCC\ntwo\tzwei\tCC\n")
    read_pairs(tmp_path / "a.tsv")
    assert "a.tsv has 3 columns: the first two are used" in caplog.text
    assert "a.tsv: line 1 (eng, deu) is taken for a header" in caplog.text
    caplog.clear()
    (tmp_path / "a.tsv").write_text("Hello\tHallo\ntext\tText here\n")
    assert len(read_pairs(tmp_path / "a.tsv")) == 2
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", b"eins\tone\nz\xfcei\ttwo\n", r"a.tsv is not UTF-8 at byte 10; save it as UTF-8"),
        ("a.tsv", b"eins\t\nzwei\ttwo\n", "line 1 has an empty target"),
        ("a.tsv", b"eins\tone\n\ttwo\n", "line 2 has an empty source"),
        ("a.tsv", b"eins\tone\n\nzwei\ttwo\tthree\n", "line 3 must be source, tab, target: 3 parts"),
        ("a.csv", b"eins,one, uno\nzwei,two\ndrei,three\n", "line 1 must be source, comma, target, with quotes around"),
        ("a.csv", b'eins,one\n"zwei" x,two\n', "line 2: .*; write a quote within quotes twice"),
        ("a.csv", b"", "is empty: there is no pair in it"),
    ],
)
def test_the_line_that_is_no_pair_is_named(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_pairs(tmp_path / name)


def test_files_to_validate_and_to_test_on(tmp_path):
    files = {}
    for name, count in (("train", 40), ("valid", 3), ("test", 5)):
        files[name] = tmp_path / f"{name}.tsv"
        files[name].write_text("".join(f"{name} {i}\t{i}\n" for i in range(count)))
    own = {name: read_pairs(path) for name, path in files.items()}
    train, valid, test = load_pairs(files["train"], validation=files["valid"], test=files["test"])
    assert (sorted(train), valid, test) == (sorted(own["train"]), own["valid"], own["test"])
    train, valid, test = load_pairs(files["train"], test=files["test"])
    assert (sorted(train + valid), len(valid), test) == (sorted(own["train"]), 2, own["test"])
    train, valid, test = load_parallel(files["train"], validation=files["valid"])
    assert (len(train), valid.pairs, len(test)) == (38, own["valid"], 2)
    train, valid, test = load_pairs("numbers", validation=files["valid"])
    assert (len(train), valid, len(test)) == (20_000, own["valid"], 1_000)


def test_byte_pairs_are_at_most_those_of_the_text(tmp_path, caplog):
    (tmp_path / "a.tsv").write_text("".join(f"eins {i}\tone {i}\n" for i in range(40)))
    train, _, _ = load_parallel(tmp_path / "a.tsv", byte_pairs=4000)
    sizes = len(train.source_tokenizer), len(train.target_tokenizer)
    assert max(sizes) < 300
    assert f"the source sentences have {sizes[0]} byte pairs, not 4000" in caplog.text
    with pytest.raises(ValueError, match="byte_pairs must be 0, for whole words, or at least 260, got 100"):
        load_parallel(tmp_path / "a.tsv", byte_pairs=100)


# ---- texts -----------------------------------------------------------------------------------------------------------


def test_a_text_is_split_or_has_a_file_beside_it(tmp_path):
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_bytes(b"\xef\xbb\xbf0123456789\r\n0123456")
    two.write_text("more\n")
    assert load_text(one) == "0123456789\n0123456"
    assert split_text(one) == ("0123456789\n01234", "56")
    assert split_text(one, two) == (load_text(one), "more\n")
    two.write_text("a")
    with pytest.raises(ValueError, match=r"two.txt has 1 characters: give a longer text"):
        split_text(two)
    assert first_words("\n  To be") == "To"
    assert first_words("日本語" * 9) == ("日本語" * 7)[:20]


def test_windows_fit_a_short_text(caplog):
    assert window_length(torch.arange(65), 64) == 64
    assert caplog.text == ""
    assert window_length(torch.arange(64), 64, "the held-out text") == 63
    assert "the held-out text has 64 tokens: its windows have 63 of them, not 64" in caplog.text
    with pytest.raises(ValueError, match="the text has 1 tokens, and at least 2 are needed"):
        window_length([5], 64)


def test_tokens_of_texts_to_validate_on(tmp_path, caplog):
    tokenizer = train_byte_pairs(["a cat and a cat"], 4000)
    assert f"the text has {tokenizer.get_vocab_size()} byte pairs that occur twice, and not 4,000" in caplog.text
    end = tokenizer.token_to_id("<|endoftext|>")
    folder = write_tokens(tmp_path / "tokens", ["a cat"], tokenizer, valid=["and", "a"])
    assert open_tokens(folder, "train").tolist() == [*tokenizer.encode("a cat").ids, end]
    expected = [*tokenizer.encode("and").ids, end, *tokenizer.encode("a").ids, end]
    assert open_tokens(folder, "valid").tolist() == expected

    (tmp_path / "train.txt").write_text("a cat and a cat " * 9)
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid" / "v.txt").write_text("a dog")
    where = prepare_tokens(tmp_path / "train.txt", 300, tmp_path / "p", validation=tmp_path / "valid")
    read = load_tokenizer(where)
    assert read.decode(open_tokens(where, "valid").tolist()) == "a dog"
    assert read.decode(open_tokens(where, "train").tolist()) == "a cat and a cat " * 9
    (tmp_path / "valid" / "v.txt").write_text("a dog and")
    prepare_tokens(tmp_path / "train.txt", 300, tmp_path / "p", validation=tmp_path / "valid")
    assert read.decode(open_tokens(where, "valid").tolist()) == "a dog and"
    with pytest.raises(ValueError, match="holds tokens, of which some are for validation"):
        prepare_tokens(where, 300, tmp_path / "q", validation=tmp_path / "valid")


# ---- tokenizers in a file --------------------------------------------------------------------------------------------

TEXT = 'To be — or "not" to be:\n日本 '
TOKENIZERS = {
    "an alphabet": lambda: CharacterTokenizer(sorted(set(TEXT)), special=False),
    "characters": lambda: CharacterTokenizer.of(TEXT),
    "words": lambda: WordTokenizer.of(TEXT, lower=True),
    "byte pairs": lambda: BytePairTokenizer.of([TEXT] * 3, max_size=280, prefix_space=True, lower=True),
}


@pytest.mark.parametrize("make", TOKENIZERS.values(), ids=TOKENIZERS)
def test_a_tokenizer_is_read_as_it_was_saved(make, tmp_path):
    tokenizer = make()
    tokenizer.save(tmp_path / "tokenizer.json")
    for again in (
        load_tokenizer(tmp_path),
        load_tokenizer(tmp_path / "tokenizer.json"),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert type(again) is type(tokenizer)
        assert (again.pieces, again.special, again.lower) == (tokenizer.pieces, tokenizer.special, tokenizer.lower)
        for text in (TEXT, "To be", "be not"):
            tokens = tokenizer.encode(text)
            assert again.encode(text).tolist() == tokens.tolist()
            assert again.decode(tokens) == tokenizer.decode(tokens)
    assert tokenizer.get_vocab_size() == len(tokenizer)
    assert tokenizer.token_to_id(tokenizer.pieces[5]) == 5
    assert tokenizer.token_to_id("no such piece") is None


def test_an_alphabet_has_no_special_tokens():
    alphabet = CharacterTokenizer("abc", special=False)
    assert len(alphabet) == 3
    assert alphabet.encode("cab").tolist() == [2, 0, 1]
    assert alphabet.decode([0, 1, 2]) == "abc"  # no token ends a text, or is padding
    assert alphabet.unknown("dead bee") == ["d", "e", " "]
    with pytest.raises(ValueError, match="text contains 'd', 'e', ' ', not among the 3 pieces of the vocabulary"):
        alphabet.encode("dead bee")


def test_small_letters():
    words, pieces = WordTokenizer.of("A cat A Dog", lower=True), BytePairTokenizer.of("A CAT", lower=True)
    assert words.encode("A DOG").tolist() == words.encode("a dog").tolist()
    assert words.pieces[4:] == ("a", "cat", "dog")
    assert words.unknown("The Cat") == ["the"]
    assert pieces.decode(pieces.encode("A Cat")) == "a cat"
    assert pieces.unknown("anything") == []


@pytest.mark.parametrize(
    "change",
    [
        {"groundup": 2},
        {"class": "Tokenizer"},
        {"class": ["x"]},
        {"pieces": "abc"},
        {"pieces": [1, 2]},
        {"pieces": ["a", "a"]},
        {"special": "no"},
        {"lower": None},
        {"pieces": ...},
        {"class": "BytePairTokenizer", "tokenizer": {"model": 1}},
    ],
)
@pytest.mark.usefixtures("untyped")
def test_a_damaged_tokenizer_is_named(change, tmp_path):
    content = {"groundup": 1, "class": "CharacterTokenizer", "special": True, "lower": False, "pieces": ["a"]} | change
    (tmp_path / "tokenizer.json").write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))
    with pytest.raises(ValueError, match=r"tokenizer.json is no tokenizer.json, or cut off: "):
        load_tokenizer(tmp_path)


# ---- word vectors ----------------------------------------------------------------------------------------------------


def test_vectors_are_read_to_the_bit(tmp_path):
    words, vectors = ["to", "be", "日本"], torch.randn(3, 5) * torch.tensor([1e-30, 1.0, 1e30])[:, None]
    write_vectors(tmp_path / "new" / "vectors.txt", words, vectors.requires_grad_())
    read, found = read_vectors(tmp_path / "new" / "vectors.txt")
    assert (read, found.dtype) == (tuple(words), torch.float32)
    assert torch.equal(found, vectors)
    assert (tmp_path / "new" / "vectors.txt").read_text(encoding="utf-8").startswith("3 5\nto ")


def test_vectors_of_glove_have_no_first_line(tmp_path):
    (tmp_path / "glove.txt").write_text("the 0.5 -1\nof 2 3e-1 \n")
    assert read_vectors(tmp_path / "glove.txt")[0] == ("the", "of")
    assert torch.equal(read_vectors(tmp_path / "glove.txt")[1], torch.tensor([[0.5, -1], [2, 0.3]]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"2 2\na 1 2\n", "holds 1 words, and its first line says 2 × 2: it is cut off"),
        (b"2 2\na 1 2\nb 1\n", "line 3 has 1 numbers, and 2 before"),
        (b"2 2\na 1 2\nb 1 x\n", "line 3: could not convert string to float: 'x'"),
        (b"a 1 2\na 1 2\n", "has a word twice"),
        (b"", "line 1 has 0 numbers"),
        (b"\xff\xfe", "is not UTF-8 at byte 0"),
    ],
)
def test_damaged_vectors_are_named(content, words, tmp_path):
    (tmp_path / "vectors.txt").write_bytes(content)
    with pytest.raises(ValueError, match=rf"vectors.txt.*{words}"):
        read_vectors(tmp_path / "vectors.txt")
    with pytest.raises(ValueError, match="words must be without spaces, got 'New York'"):
        write_vectors(tmp_path / "x.txt", ["New York"], torch.zeros(1, 2))
