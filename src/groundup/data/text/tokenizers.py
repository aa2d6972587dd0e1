"""Tokenizers that are trained on a text: characters, words or byte pairs, each with an index.

tokenizer = CharacterTokenizer.of(text)
tokens = tokenizer.encode("To be")                  # (T,) int64
tokenizer.decode(tokens)                            # "To be"

The first four tokens are always the same: PAD fills short sequences, START and END enclose a sentence, UNKNOWN is any
piece that was not in the training text. `special=False` leaves them out.

tokenizer.save("model/tokenizer.json")              # groundup.data.load_tokenizer("model") reads it
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

_FORM = 1  # version of the file format

_TOKEN = re.compile(r"-?\w+(?:['’]\w+)*|[^\w\s]")  # a word with the hyphen before it; or a sign
_NO_SPACE_BEFORE = re.compile(r" (?=[.,;:!?)\]}%…]|-\w)")
_NO_SPACE_AFTER = re.compile(r"(?<=[(\[{]) ")


class Tokenizer:
    """Base class: a subclass defines how to `split` a text into pieces, and how to `join` pieces into a text.

    Args:
        pieces: the vocabulary; `tokenizer.pieces[i]` is the piece with index i, special tokens included.
        special: put <pad>, <start>, <end> and <unknown> first; without them an unknown piece is an error.
        lower: convert every text to lower case.

    Example:
        >>> tokenizer = CharacterTokenizer.of("banana")
        >>> tokenizer.encode("nab")
        tensor([5, 4, 6])
        >>> tokenizer.decode([5, 4, 6])
        'nab'
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
        """Return a tokenizer that is trained on texts.

        Args:
            text: one text, or several.
            min_count: rarer pieces are left out.
            max_size: largest number of pieces, the most frequent ones; None for all.
            lower: convert every text to lower case.
        """
        texts = [text] if isinstance(text, str) else text
        split = (piece for one in texts for piece in cls.split(one.lower() if lower else one))
        return cls(Vocabulary.of(split, min_count, max_size).words, lower=lower)

    @staticmethod
    def split(text: str) -> list[str]:
        """Return the pieces of a text."""
        raise NotImplementedError

    @staticmethod
    def join(pieces: Iterable[str]) -> str:
        """Return the text of pieces."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Return the number of tokens, the vocab_size of a model."""
        return len(self.pieces)

    def get_vocab_size(self) -> int:
        """Return the number of tokens; the library `tokenizers` has this name."""
        return len(self)

    def token_to_id(self, token: str) -> int | None:
        """Return the index of a piece; None if there is none."""
        return self._index.get(token)

    def unknown(self, text: str) -> list[str]:
        """Return the pieces of `text` that are not in the vocabulary, each once, in the order of the text."""
        return list(dict.fromkeys(piece for piece in self.split(self._read(text)) if piece not in self._index))

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        """Return the indices of the pieces. Raises `ValueError` for unknown pieces if there are no special tokens."""
        if not self.special and (unknown := self.unknown(text)):
            listed = ", ".join(map(repr, unknown[:10])) + (", …" if len(unknown) > 10 else "")
            raise ValueError(f"text contains {listed}, not among the {len(self):,} pieces of the vocabulary")
        indices = [self._index.get(piece, UNKNOWN) for piece in self.split(self._read(text))]
        return torch.tensor(indices, dtype=torch.int64)

    def _read(self, text: str) -> str:
        return text.lower() if self.lower else text

    def decode(self, tokens: Sequence[int] | Int64[Tensor, " T"]) -> str:
        """Return the text of tokens up to the first END, without PAD and START."""
        return self.join(self.pieces[token] for token in self._visible(tokens))

    def spell(self, tokens: Sequence[int] | Int64[Tensor, " T"]) -> list[str]:
        """Return the text of each token separately."""
        return [self.decode([token]) for token in self._visible(tokens)]

    def _visible(self, tokens: Sequence[int] | Tensor) -> list[int]:
        chosen = torch.as_tensor(tokens, dtype=torch.int64)
        checks.rank("tokens", checks.indices("tokens", chosen, len(self), "the vocabulary's size"), 1, layout="(T,)")
        listed = chosen.tolist()
        if not self.special:
            return listed
        listed = listed[: listed.index(END)] if END in listed else listed
        return [token for token in listed if token not in (PAD, START)]

    def save(self, path: str | PathLike[str]) -> None:
        """Write the tokenizer for `load_tokenizer`, usually to "tokenizer.json" in the folder of a model."""
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
    """Tokenizer with one token per character; pieces, special and lower are as for `Tokenizer`.

    Example:
        >>> CharacterTokenizer.of("aab").pieces[4:]
        ('a', 'b')
    """

    @staticmethod
    def split(text: str) -> list[str]:
        return list(text)

    @staticmethod
    def join(pieces: Iterable[str]) -> str:
        return "".join(pieces)


class WordTokenizer(Tokenizer):
    """Tokenizer of words and signs; a hyphen belongs to the word after it: vingt, -deux.

    pieces, special and lower are as for `Tokenizer`.

    Example:
        >>> tokenizer = WordTokenizer.of("Vingt-deux, trois.")
        >>> tokenizer.pieces[4:]
        ('Vingt', '-deux', ',', 'trois', '.')
        >>> tokenizer.decode(tokenizer.encode("Vingt-deux, trois."))
        'Vingt-deux, trois.'
    """

    @staticmethod
    def split(text: str) -> list[str]:
        return _TOKEN.findall(text)

    @staticmethod
    def join(pieces: Iterable[str]) -> str:
        return _NO_SPACE_AFTER.sub("", _NO_SPACE_BEFORE.sub("", " ".join(pieces)))


class BytePairTokenizer(Tokenizer):
    """Tokenizer of pieces of words: the most frequent pair of pieces is merged until there are `max_size` pieces.

    Sennrich et al. 2016, Neural Machine Translation of Rare Words with Subword Units, arXiv:1508.07909, on bytes, with
    the library `tokenizers`. A vocabulary of words cannot write a new word, and one of characters makes sequences long;
    byte pairs keep frequent words whole, and spell rare ones.

    Args:
        trained: a `tokenizers.Tokenizer`; `BytePairTokenizer.of` trains one.
        lower: convert every text to lower case.

    Example:
        >>> tokenizer = BytePairTokenizer.of("low lower lowest", max_size=262)
        >>> tokenizer.spell(tokenizer.encode("lowly"))
        ['low', 'l', 'y']
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
        """Return a tokenizer that is trained on texts.

        Args:
            text: one text, or several.
            min_count: pairs that occur less often are not merged.
            max_size: largest number of pieces, at least 260: the bytes and the special tokens.
            prefix_space: put a space before each text, so that its first word is the same piece as elsewhere. Pieces
                start with the space before their word; decoding removes the first one.
            lower: convert every text to lower case.
        """
        texts = (one.lower() if lower else one for one in ([text] if isinstance(text, str) else text))
        size = checks.integer("max_size", max_size, len(SPECIAL) + 256)
        return cls(merge_byte_pairs(texts, size, SPECIAL, checks.integer("min_count", min_count), prefix_space), lower)

    def unknown(self, text: str) -> list[str]:
        """Return no pieces: every text consists of bytes."""
        return []

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        return torch.tensor(self.trained.encode(self._read(text), add_special_tokens=False).ids, dtype=torch.int64)

    def decode(self, tokens: Sequence[int] | Int64[Tensor, " T"]) -> str:
        text = self.trained.decode(self._visible(tokens), skip_special_tokens=False)
        return text.removeprefix(" ") if self.trained.pre_tokenizer.add_prefix_space else text

    def _content(self) -> dict[str, Any]:
        return {"lower": self.lower, "tokenizer": json.loads(self.trained.to_str())}

    @classmethod
    def _from_content(cls, content: Mapping[str, Any]) -> BytePairTokenizer:
        return cls(import_tokenizers().Tokenizer.from_str(json.dumps(content["tokenizer"])), content["lower"])

    def __getstate__(self) -> dict[str, Any]:
        return self._content()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(self._from_content(state).__dict__)


def merge_byte_pairs(
    texts: Iterable[str], size: int, special: Sequence[str], min_count: int, prefix_space: bool = False
) -> Any:
    """Return a `tokenizers.Tokenizer` of byte pairs, trained on texts.

    Args:
        texts: texts to count pairs in.
        size: largest number of tokens, special ones and bytes included.
        special: special tokens, the first ones.
        min_count: pairs that occur less often are not merged.
        prefix_space: put a space before each text.
    """
    tokenizers = import_tokenizers()
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_count,
        special_tokens=list(special),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def import_tokenizers() -> Any:
    """Import the library `tokenizers`. Raises `ImportError` that says how to install it."""
    try:
        import tokenizers
    except ImportError as missing:
        raise ImportError("byte pairs need tokenizers: pip install 'groundup[data]'") from missing
    return tokenizers


def read_tokenizer_content(content: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer that `Tokenizer.save` wrote. Raises `ValueError` or `TypeError` for other content."""
    kinds = {cls.__name__: cls for cls in (CharacterTokenizer, WordTokenizer, BytePairTokenizer)}
    checks.require(content.get("groundup") == _FORM, f"its form is {content.get('groundup')!r}, {_FORM} can be read")
    try:
        return kinds[checks.choice("class", content.get("class"), tuple(kinds))]._from_content(content)
    except KeyError as missing:
        raise ValueError(f"it has no {missing}") from missing
