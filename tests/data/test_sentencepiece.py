"""tokenizer.model: a protocol buffer read by hand, and its merges against those of the library `tokenizers`."""

import random
import struct

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers

from groundup.data import load_tokenizer
from groundup.data.sentencepiece import SPACE, SentencePieces

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


@pytest.fixture
def file(tmp_path):
    data = b""
    for piece, score, kind in pieces():
        inner = text(1, piece.encode()) + field(2, 5, struct.pack("<f", score))
        data += text(1, inner + (field(3, 0, bytes([kind])) if kind != 1 else b""))
    data += text(2, field(3, 0, b"\2"))  # trained as byte pairs
    (tmp_path / "tokenizer.model").write_bytes(data)
    return tmp_path / "tokenizer.model"


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
