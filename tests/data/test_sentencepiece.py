"""tokenizer.model: a protocol buffer read by hand, and its merges against those of the library `tokenizers`."""

import random
import struct
from itertools import pairwise

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers

from groundup.data import load_tokenizer
from groundup.data.text.sentencepiece import SPACE, SentencePieces

WORDS = ["the", "cat", "sat", "mat", "on"]


def field(number, kind, payload):
    assert number < 16
    return bytes([number << 3 | kind]) + payload


def text(number, data):
    size, prefix = len(data), b""
    while size > 127:
        prefix += bytes([size & 127 | 128])
        size >>= 7
    return field(number, 2, prefix + bytes([size]) + data)


def pieces():
    """(piece, score, kind): specials, bytes, merges of words from the left, and last all characters."""
    listed = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    listed += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    merges = []
    for word in WORDS:
        for prefix in (SPACE, ""):
            for n in range(2, len(prefix + word) + 1):
                merges.append((prefix + word)[:n])
    merges = list(dict.fromkeys([*merges, "at", "th", "he", SPACE + SPACE]))
    listed += [(piece, -float(i), 1) for i, piece in enumerate(merges)]
    return listed + [(c, -1000.0 - i, 1) for i, c in enumerate(sorted(set("".join(WORDS)) | {SPACE, "é"}))]


def write(path, listed):
    """A tokenizer.model of these pieces, of which a text is taken as it is."""
    data = b""
    for piece, score, kind in listed:
        inner = text(1, piece.encode()) + field(2, 5, struct.pack("<f", score))
        data += text(1, inner + (field(3, 0, bytes([kind])) if kind != 1 else b""))
    fallback = any(kind == 6 for *_, kind in listed)
    exactly = text(1, b"identity") + field(4, 0, b"\0")  # no normal form, and no space is taken away
    settings = (bytes([35 << 3 & 127 | 128, 35 >> 4, 1]) if fallback else b"") + field(3, 0, b"\2")
    path.write_bytes(data + text(3, exactly) + text(2, settings))  # 2: trained as byte pairs
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "tokenizer.model", pieces())


def oracle():
    """The same by `tokenizers`: merges ordered by the score of what they make."""
    listed = pieces()
    index = {piece: i for i, (piece, _, _) in enumerate(listed)}
    merges = []
    for piece, score, kind in listed:
        if kind == 1:
            merges += [
                (score, index[piece[:i]], index[piece[i:]], (piece[:i], piece[i:]))
                for i in range(1, len(piece))
                if piece[:i] in index and piece[i:] in index
            ]
    ordered = [pair for *_, pair in sorted(merges, key=lambda m: (-m[0], m[1], m[2]))]
    made = Tokenizer(models.BPE(index, ordered, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    return made


def test_it_merges_as_tokenizers_does(file):
    ours, theirs = load_tokenizer(file), oracle()
    draw = random.Random(0)
    for _ in range(200):
        words = [draw.choice([*WORDS, "éa", "xyz", "日本", "thecat", ""]) for _ in range(draw.randint(1, 8))]
        line = " ".join(words)
        if not line:
            continue
        found = ours.encode(line).ids
        assert found[0] == 1
        assert found[1:] == theirs.encode(line).ids
        assert ours.decode(found) == theirs.decode(found[1:]) == line


def by_the_rule(tokenizer, line):
    """The definition: all neighbours are looked at after every merge."""
    parts = list(SPACE + line.replace(" ", SPACE))
    while True:
        joined = [(tokenizer.token_to_id(a + b), i) for i, (a, b) in enumerate(pairwise(parts))]
        found = [(tokenizer.scores[piece], -i) for piece, i in joined if piece is not None]
        if not found:
            return parts
        i = -max(found)[1]
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def drawn_pieces(draw, alphabet, kinds, count):
    """The special ones, `alphabet` and so many pieces of it, with scores of which many are the same."""
    listed = {"<unk>": (0.0, 2), "<s>": (0.0, 3), "</s>": (0.0, 3)}
    for letter in alphabet:
        listed[letter] = -9.0, 1
    for _ in range(count):
        word = "".join(draw.choice(alphabet) for _ in range(draw.randint(2, 4)))
        listed.setdefault(word, (float(draw.randint(-5, 0)), draw.choice(kinds)))
    return [(piece, score, kind) for piece, (score, kind) in listed.items()]


@pytest.mark.parametrize("seed", range(20))
def test_the_best_pair_comes_first_and_of_the_best_the_leftmost(tmp_path, seed):
    draw = random.Random(seed)
    ours = SentencePieces(write(tmp_path / "m.model", drawn_pieces(draw, "abc" + SPACE, [1], 25)))
    for _ in range(40):
        line = "".join(draw.choice("aabc ") for _ in range(draw.randint(1, 40)))
        assert [ours.pieces[i] for i in ours.encode(line).ids[1:]] == by_the_rule(ours, line)


def test_a_long_text_is_looked_through_once(file):
    """A count, not a time: each merge asks for two pairs more, where all were asked for after each."""
    ours, asked = load_tokenizer(file), []

    class Counted(dict):
        def get(self, piece):
            asked.append(piece)
            return super().get(piece)

    ours._of_text = Counted(ours._of_text)
    line = "the cat sat on the mat " * 100
    assert ours.decode(ours.encode(line).ids) == line
    assert len(asked) < 4 * len(line)


#: What sentencepiece 0.2.3 makes of these texts, with the pieces of `OF_EVERY_KIND` and with those of bytes as well.
OF_EVERY_KIND = [
    ("<unk>", 0.0, 2),
    ("<s>", 0.0, 3),
    ("</s>", 0.0, 3),
    *[(letter, -9.0, 1) for letter in (SPACE, *"</>s0x41abt")],
    *[("</", -1.0, 1), ("s>", -2.0, 1), ("<0", -1.0, 1), ("x4", -1.0, 1), ("<0x4", -1.5, 1), ("1>", -1.0, 1)],
    *[("ab", -3.0, 5), ("abt", -4.0, 1), ("<tag>", 0.0, 4), ("<tag>s", 0.0, 4), (SPACE + "a", -0.5, 1)],
    *[("c", -9.0, 5), ("sab", -3.5, 1)],
]
MADE = [
    ("</s>", "▁ </ s>", "▁ </ s>"),
    ("<0x41>", "▁ <0x4 1>", "▁ <0x4 1>"),
    ("<s>a", "▁ < s> a", "▁ < s> a"),
    ("ab", "▁a b", "▁a b"),
    ("abt ab", "▁a b t ▁a b", "▁a b t ▁a b"),
    ("sabs", "▁ sab s", "▁ sab s"),
    ("c", "▁ <unk>", "▁ <0x63>"),
    ("é日c", "▁ <unk>", "▁ <0xC3> <0xA9> <0xE6> <0x97> <0xA5> <0x63>"),
    ("a<tag>sab t", "▁a <tag>s a b ▁ t", "▁a <tag>s a b ▁ t"),
    ("<tag><tag>s<tag", "▁ <tag> <tag>s < t a <unk>", "▁ <tag> <tag>s < t a <0x67>"),
    ("日本 x", "▁ <unk> ▁ x", "▁ <0xE6> <0x97> <0xA5> <0xE6> <0x9C> <0xAC> ▁ x"),
]
OF_BYTES = [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]


@pytest.mark.parametrize(("line", "plain", "with_bytes"), MADE)
def test_pieces_of_every_kind_are_made_as_sentencepiece_does(tmp_path, line, plain, with_bytes):
    for extra, expected in (([], plain), (OF_BYTES, with_bytes)):
        ours = SentencePieces(write(tmp_path / "m.model", OF_EVERY_KIND + extra))
        assert [ours.pieces[i] for i in ours.encode(line).ids[1:]] == expected.split()
        if extra:
            assert ours.decode(ours.encode(line).ids) == line


@pytest.mark.parametrize("seed", range(10))
def test_it_is_sentencepiece(tmp_path, seed):
    theirs = pytest.importorskip("sentencepiece")
    draw, alphabet = random.Random(seed), "ab</s>0x41" + SPACE
    listed = drawn_pieces(draw, alphabet, [1, 1, 1, 1, 4, 5], 40) + OF_BYTES * (seed % 2)
    path = write(tmp_path / "m.model", listed)
    ours, theirs = SentencePieces(path), theirs.SentencePieceProcessor(model_file=str(path))
    for _ in range(100):
        line = "".join(
            draw.choice(["a", "b", " ", "</s>", "<0x41>", "é", "日", "4"]) for _ in range(draw.randint(1, 25))
        )
        assert ours.encode(line).ids[1:] == theirs.encode(line)


def test_it_answers_as_tokenizers_does(file):
    ours = load_tokenizer(file.parent)
    assert isinstance(ours, SentencePieces)
    assert ours.get_vocab_size() == len(pieces())
    assert (ours.token_to_id("</s>"), ours.token_to_id("nothing")) == (2, None)
    assert ours.encode("").ids == [1]
    assert ours.decode([1, 2]) == ""
    with pytest.raises(ValueError, match="ids must lie in"):
        ours.decode([10_000])


def test_what_is_no_such_file_is_said(file):
    whole = file.read_bytes()
    for data, words in (
        (whole[:-3], "or cut off"),
        (b"", "holds no pieces"),
        (b"not a protocol buffer", "tokenizer.model of SentencePiece"),
        (whole[:-1] + b"\1", r"is not of byte pairs \(kind 1, not 2\)"),
    ):
        file.write_bytes(data)
        with pytest.raises(ValueError, match=words):
            SentencePieces(file)
