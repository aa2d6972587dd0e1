"""tokenizer.model, the file beside Meta's LLaMA: byte pairs of SentencePiece, read and applied without that library.

Kudo and Richardson 2018, SentencePiece, arXiv:1808.06226; Sennrich et al. 2016, arXiv:1508.07909. The file is a
protocol buffer: fields of a number and a value, of which the first, a piece with its score and kind, is repeated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from groundup import checks

SPACE = "▁"
_UNKNOWN, _CONTROL, _BYTE, _BYTE_PAIRS = 2, 3, 6, 2


class Encoded(NamedTuple):
    """What the library `tokenizers` gives, too."""

    ids: list[int]


class SentencePieces:
    """The tokenizer of a tokenizer.model, called as one of the library `tokenizers` is."""

    def __init__(self, path: str | PathLike[str]) -> None:
        data = Path(path).expanduser().read_bytes()
        self.pieces: list[str] = []
        self.scores: list[float] = []
        self.kinds: list[int] = []
        kind_of_model = 1
        try:
            for number, value in _fields(data):
                if number == 1:
                    piece = dict(_fields(value))
                    self.pieces.append(piece[1].decode("utf-8"))
                    self.scores.append(struct.unpack("<f", piece.get(2, b"\0\0\0\0"))[0])
                    self.kinds.append(piece.get(3, 1))
                elif number == 2:
                    kind_of_model = dict(_fields(value)).get(3, 1)
        except (IndexError, KeyError, AttributeError, TypeError, ValueError, struct.error) as failure:
            raise ValueError(f"{path} is no tokenizer.model of SentencePiece, or cut off: {failure!r}") from failure
        checks.require(len(self.pieces) > 0, f"{path} holds no pieces: it is no tokenizer.model of SentencePiece")
        checks.require(kind_of_model == _BYTE_PAIRS, f"{path} is not of byte pairs (kind {kind_of_model}, not 2)")
        self._index = {piece: i for i, piece in enumerate(self.pieces)}

    def get_vocab_size(self) -> int:
        return len(self.pieces)

    def token_to_id(self, token: str) -> int | None:
        return self._index.get(token)

    def encode(self, text: str) -> Encoded:
        """<s> and the pieces of " text": of all neighbours that are a piece together, those of the best score first."""
        parts = list((SPACE + text.replace(" ", SPACE)) if text else "")
        while True:
            joined = [(self._index.get(a + b), i) for i, (a, b) in enumerate(pairwise(parts))]
            found = [(self.scores[piece], -i) for piece, i in joined if piece is not None]
            if not found:
                break
            i = -max(found)[1]
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        begin = self.token_to_id("<s>")
        ids = [] if begin is None else [begin]
        for part in parts:
            ids += [self._index[part]] if part in self._index else self._bytes(part)
        return Encoded(ids)

    def _bytes(self, character: str) -> list[int]:
        """What no piece has: its bytes, where the file has these, or the unknown token."""
        ids = [self._index.get(f"<0x{byte:02X}>") for byte in character.encode("utf-8")]
        return [self.kinds.index(_UNKNOWN)] if None in ids else [i for i in ids if i is not None]

    def decode(self, ids: Sequence[int]) -> str:
        data = b""
        for i in ids:
            checks.require(0 <= i < len(self.pieces), f"ids must lie in [0, {len(self.pieces) - 1}], got {i}")
            if self.kinds[i] == _BYTE:
                data += bytes([int(self.pieces[i][3:5], 16)])
            elif self.kinds[i] != _CONTROL:
                data += self.pieces[i].encode("utf-8")
        return data.decode("utf-8", errors="replace").replace(SPACE, " ").removeprefix(" ")


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of every field: a whole number, or the bytes of what is longer."""
    place = 0

    def varint() -> int:
        nonlocal place
        value, shift = 0, 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(kind) or (varint() if kind == 2 else -1)
        if size < 0 or place + size > len(data):
            raise ValueError(f"field {key >> 3} of kind {kind} at byte {place} reaches past the end")
        yield key >> 3, data[place : place + size]
        place += size
