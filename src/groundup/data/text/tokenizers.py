"""Tokenizers, trained on the spot: a text as characters, words or byte pairs, each with an index, and back again.

tokenizer = CharacterTokenizer.of(text)
tokens = tokenizer.encode("To be")                  # (T,) int64
tokenizer.decode(tokens)                            # "To be"

All begin with the same four tokens: PAD fills up short sequences, START and END stand around a sentence, UNKNOWN is
whatever training did not see. `special=False` leaves them out: an alphabet, and nothing else.

tokenizer.save("model/tokenizer.json"), and `groundup.data.load_tokenizer("model")` reads it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from groundup import checks
from groundup.data.text.vocabulary import Vocabulary
from groundup.durable import write_file

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")

_FORM = 1  # of the file

_TOKEN = re.compile(r"-?\w+(?:['’]\w+)*|[^\w\s]")  # a word with the hyphen that ties it to the one before; or a sign
_NO_SPACE_BEFORE = re.compile(r" (?=[.,;:!?)\]}%…]|-\w)")
_NO_SPACE_AFTER = re.compile(r"(?<=[(\[{]) ")


class Tokenizer:
    """The base class. A subclass defines how to `split` a text into pieces and how to `join` pieces into a text.

    pieces     the vocabulary; after construction `tokenizer.pieces[i]` is the piece with index i
    special    put <pad>, <start>, <end> and <unknown> before them; without them an unknown piece is an error
    lower      read every text in lower case
    """

    def __init__(self, pieces: Sequence[str], special: bool = True, lower: bool = False) -> None:
        self.special, self.lower = SPECIAL if special else (), lower
        self.pieces = (*self.special, *pieces)
        self._index = {piece: i for i, piece in enumerate(self.pieces)}
        checks.require(len(self._index) == len(self.pieces), "pieces must differ from one another and from <pad> …")

    @classmethod
    def of(
        cls, text: str | Iterable[str], min_count: int = 1, max_size: int | None = None, *, lower: bool = False
    ) -> Any:
        """Trained on one text, or on several: the pieces that occur `min_count` times, at most `max_size` of them."""
        texts = [text] if isinstance(text, str) else text
        split = (piece for one in texts for piece in cls.split(one.lower() if lower else one))
        return cls(Vocabulary.of(split, min_count, max_size).words, lower=lower)

    @staticmethod
    def split(text: str) -> list[str]:
        raise NotImplementedError

    @staticmethod
    def join(pieces: Iterable[str]) -> str:
        raise NotImplementedError

    def __len__(self) -> int:
        """How many different tokens there are: a model's vocab_size."""
        return len(self.pieces)

    def get_vocab_size(self) -> int:
        """The same, under the name that the library `tokenizers` has for it."""
        return len(self)

    def token_to_id(self, token: str) -> int | None:
        """The index of a piece; None if there is none."""
        return self._index.get(token)

    def unknown(self, text: str) -> list[str]:
        """The pieces of `text` that are not in the vocabulary, each once, in the order of the text."""
        return list(dict.fromkeys(piece for piece in self.split(self._read(text)) if piece not in self._index))

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        """The indices of the pieces. Without special tokens, raises `ValueError` that names unknown pieces."""
        if not self.special and (unknown := self.unknown(text)):
            listed = ", ".join(map(repr, unknown[:10])) + (", …" if len(unknown) > 10 else "")
            raise ValueError(f"text contains {listed}, not among the {len(self):,} pieces of the vocabulary")
        indices = [self._index.get(piece, UNKNOWN) for piece in self.split(self._read(text))]
        return torch.tensor(indices, dtype=torch.int64)

    def _read(self, text: str) -> str:
        return text.lower() if self.lower else text

    def decode(self, tokens: Sequence[int] | Int64[Tensor, " T"]) -> str:
        """The text, up to END if there is one, without PAD and START."""
        return self.join(self.pieces[token] for token in self._own(tokens))

    def spell(self, tokens: Sequence[int] | Int64[Tensor, " T"]) -> list[str]:
        """The text of each token alone."""
        return [self.decode([token]) for token in self._own(tokens)]

    def _own(self, tokens: Sequence[int] | Tensor) -> list[int]:
        chosen = torch.as_tensor(tokens, dtype=torch.int64)
        checks.rank("tokens", checks.indices("tokens", chosen, len(self), "the vocabulary's size"), 1, layout="(T,)")
        listed = chosen.tolist()
        if not self.special:
            return listed
        listed = listed[: listed.index(END)] if END in listed else listed
        return [token for token in listed if token not in (PAD, START)]

    def save(self, path: str | PathLike[str]) -> None:
        """Write the tokenizer to a file, usually "tokenizer.json" beside a model's weights, for `load_tokenizer`."""
        content = {"groundup": _FORM, "class": type(self).__name__, **self._content()}
        write_file(Path(path).expanduser(), json.dumps(content, ensure_ascii=False, indent=0) + "\n")

    def _content(self) -> dict[str, Any]:
        pieces = self.pieces[len(self.special) :]
        return {"special": bool(self.special), "lower": self.lower, "pieces": pieces}

    @classmethod
    def _from_content(cls, content: Mapping[str, Any]) -> Tokenizer:
        pieces, special, lower = content["pieces"], content["special"], content["lower"]
        if not isinstance(pieces, list) or not all(isinstance(piece, str) for piece in pieces):
            raise TypeError("pieces must be a list of strings")
        if not isinstance(special, bool) or not isinstance(lower, bool):
            raise TypeError(f"special and lower must be true or false, got {special!r} and {lower!r}")
        return cls(pieces, special, lower)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self):,} tokens)"


class CharacterTokenizer(Tokenizer):
    """Every character is a token."""

    @staticmethod
    def split(text: str) -> list[str]:
        return list(text)

    @staticmethod
    def join(pieces: Iterable[str]) -> str:
        return "".join(pieces)


class WordTokenizer(Tokenizer):
    """Words and signs; a hyphen goes with the word after it: vingt, -deux. Joined as they are usually written."""

    @staticmethod
    def split(text: str) -> list[str]:
        return _TOKEN.findall(text)

    @staticmethod
    def join(pieces: Iterable[str]) -> str:
        return _NO_SPACE_AFTER.sub("", _NO_SPACE_BEFORE.sub("", " ".join(pieces)))


class BytePairTokenizer(Tokenizer):
    """Pieces of words: byte pairs merged as often as they occur, until there are `max_size` pieces; nothing is unknown.

    Sennrich et al. 2016, Neural Machine Translation of Rare Words with Subword Units, arXiv:1508.07909, on bytes; by
    the library `tokenizers`. A piece begins with the space before its word; with `prefix_space` there is one before the
    text, too, so that its first word is a word like the others. Decoding takes it away.
    """

    def __init__(self, trained: Any, lower: bool = False) -> None:
        self.trained = trained
        pieces = sorted(trained.get_vocab(), key=trained.get_vocab().__getitem__)
        super().__init__(pieces[len(SPECIAL) :], lower=lower)

    @classmethod
    def of(
        cls,
        text: str | Iterable[str],
        min_count: int = 2,
        max_size: int | None = 8000,
        prefix_space: bool = False,
        *,
        lower: bool = False,
    ) -> BytePairTokenizer:
        try:
            from tokenizers import Tokenizer as Trained
            from tokenizers import decoders, models, pre_tokenizers, trainers
        except ImportError as missing:
            raise ImportError("byte pairs are merged by tokenizers: pip install 'groundup[data]'") from missing
        smallest = len(SPECIAL) + 256
        size = checks.integer("max_size", max_size, smallest)
        trained = Trained(models.BPE())
        trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
        trained.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=checks.integer("min_count", min_count),
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        texts = [text] if isinstance(text, str) else text
        trained.train_from_iterator((one.lower() if lower else one for one in texts), trainer)
        return cls(trained, lower)

    def unknown(self, text: str) -> list[str]:
        """Nothing: every text consists of bytes."""
        return []

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        return torch.tensor(self.trained.encode(self._read(text), add_special_tokens=False).ids, dtype=torch.int64)

    def decode(self, tokens: Sequence[int] | Int64[Tensor, " T"]) -> str:
        text = self.trained.decode(self._own(tokens), skip_special_tokens=False)
        return text.removeprefix(" ") if self.trained.pre_tokenizer.add_prefix_space else text

    def _content(self) -> dict[str, Any]:
        return {"lower": self.lower, "tokenizer": json.loads(self.trained.to_str())}

    @classmethod
    def _from_content(cls, content: Mapping[str, Any]) -> BytePairTokenizer:
        from tokenizers import Tokenizer as Trained

        return cls(Trained.from_str(json.dumps(content["tokenizer"])), content["lower"])

    def __getstate__(self) -> dict[str, Any]:
        return self._content()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(self._from_content(state).__dict__)


def tokenizer_from(content: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that `Tokenizer.save` wrote. Raises `ValueError` or `TypeError` for other content."""
    kinds = {cls.__name__: cls for cls in (CharacterTokenizer, WordTokenizer, BytePairTokenizer)}
    checks.require(content.get("groundup") == _FORM, f"its form is {content.get('groundup')!r}, {_FORM} can be read")
    try:
        return kinds[checks.choice("class", content.get("class"), tuple(kinds))]._from_content(content)
    except KeyError as missing:
        raise ValueError(f"it has no {missing}") from missing
