"""SentencePiece tokenizers of byte pairs, tokenizer.model in LLaMA's folders, read without that library.

Kudo and Richardson 2018, SentencePiece, arXiv:1808.06226; Sennrich et al. 2016, arXiv:1508.07909. The file is a
protocol buffer: fields with a number and a value; the first, a piece with its score and kind, is repeated.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from groundup import checks

SPACE = "▁"
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)  # kinds of pieces
_OF_TEXT = (_NORMAL, _USER_DEFINED, _UNUSED)
_BYTE_PAIRS = 2


class Encoded(NamedTuple):
    """The result of `encode`, with the attribute that the library `tokenizers` has."""

    ids: list[int]


class SentencePieces:
    """The tokenizer of a tokenizer.model, with the interface of the library `tokenizers`.

    Args:
        path: the file.

    Raises `ValueError`, naming the file, if it is damaged or not of byte pairs.
    """

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
        kinds = list(enumerate(zip(self.pieces, self.kinds)))
        self._of_text = {piece: i for i, (piece, kind) in kinds if kind in _OF_TEXT}
        self._index = self._of_text | {piece: i for i, (piece, kind) in kinds if kind not in _OF_TEXT}
        whole = sorted((piece for _, (piece, kind) in kinds if kind == _USER_DEFINED), key=len, reverse=True)
        self._whole = re.compile("|".join(map(re.escape, whole))) if whole else None

    def get_vocab_size(self) -> int:
        """Return the number of tokens."""
        return len(self.pieces)

    def token_to_id(self, token: str) -> int | None:
        """Return the index of a piece; None if there is none."""
        return self._index.get(token)

    def encode(self, text: str) -> Encoded:
        """Return <s> and the pieces of " text".

        Of all neighbours that form a piece, those with the best score are merged first, the leftmost of equal ones.
        User-defined pieces are never split or merged; control pieces and bytes are never made from text. Unused pieces
        may be merged further, and are split again where they remain.
        """
        begin, unknown = self.token_to_id("<s>"), self.kinds.index(_UNKNOWN) if _UNKNOWN in self.kinds else None
        ids = [] if begin is None else [begin]
        for part in self._merge((SPACE + text.replace(" ", SPACE)) if text else ""):
            number = self._of_text.get(part)
            found = self._bytes(part) if number is None or self.kinds[number] == _UNUSED else [number]
            if found != [unknown] or ids[-1:] != found:  # neighbours that are unknown are one token
                ids += found
        return Encoded(ids)

    def _merge(self, text: str) -> Iterator[str]:
        """Yield the pieces of `text`, merged with a heap of pairs in O(n log n)."""
        symbols, place = [], 0  # (begin, end, may be merged)
        for match in () if self._whole is None else self._whole.finditer(text):
            symbols += [(i, i + 1, True) for i in range(place, match.start())] + [(*match.span(), False)]
            place = match.end()
        symbols += [(i, i + 1, True) for i in range(place, len(text))]
        begin, end, free = (list(column) for column in zip(*symbols)) if symbols else ([], [], [])
        following, previous = list(range(1, len(symbols) + 1)), list(range(-1, len(symbols) - 1))
        parts_of: dict[str, tuple[str, str]] = {}  # unused piece → the two that it is made of

        def pair(left: int, right: int) -> tuple[float, int, int, int] | None:
            """Return (-score, left, right, length) of the piece of two neighbours, the best is the least; or None."""
            if left < 0 or right >= len(symbols) or not (free[left] and free[right]):
                return None
            piece = text[begin[left] : end[right]]
            if (number := self._of_text.get(piece)) is None:
                return None
            if self.kinds[number] == _UNUSED:
                parts_of[piece] = text[begin[left] : end[left]], text[begin[right] : end[right]]
            return -self.scores[number], left, right, len(piece)

        pairs = [found for i in range(len(symbols) - 1) if (found := pair(i, i + 1)) is not None]
        heapify(pairs)
        while pairs:
            _, left, right, length = heappop(pairs)
            if following[left] != right or end[right] - begin[left] != length:
                continue  # one of the two was merged since
            end[left], following[left] = end[right], following[right]
            following[right] = -1
            if following[left] < len(symbols):
                previous[following[left]] = left
            for found in (pair(previous[left], left), pair(left, following[left])):
                if found is not None:
                    heappush(pairs, found)
        i = 0
        while i < len(symbols):
            parts = [text[begin[i] : end[i]]]
            while parts:
                part = parts.pop()
                if part in parts_of:
                    parts += reversed(parts_of[part])
                else:
                    yield part
            i = following[i]

    def _bytes(self, text: str) -> list[int]:
        """Return the bytes of a text that is no piece, if the file has them, or the unknown token."""
        ids = [self._index.get(f"<0x{byte:02X}>") for byte in text.encode("utf-8")]
        found = [i for i in ids if i is not None and self.kinds[i] == _BYTE]
        return found if len(found) == len(ids) else [self.kinds.index(_UNKNOWN)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without control pieces."""
        data = b""
        for i in ids:
            checks.require(0 <= i < len(self.pieces), f"ids must lie in [0, {len(self.pieces) - 1}], got {i}")
            if self.kinds[i] == _BYTE:
                data += bytes([int(self.pieces[i][3:5], 16)])
            elif self.kinds[i] != _CONTROL:
                data += self.pieces[i].encode("utf-8")
        return data.decode("utf-8", errors="replace").replace(SPACE, " ").removeprefix(" ")


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (number, value) of every field: an integer, or bytes."""
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
