"""Tokenizers, trained on the spot: a text as characters, words or byte pairs, each with an index, and back again.

tokenizer = CharacterTokenizer.of(text)
tokens = tokenizer.encode("To be")                  # (T,) int64
tokenizer.decode(tokens)                            # "To be"

All begin with the same four tokens: PAD fills up short sequences, START and END stand around a sentence, UNKNOWN is
whatever training did not see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from groundup import checks
from groundup.data.vocabulary import Vocabulary

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")

_TOKEN = re.compile(r"-?\w+(?:['’]\w+)*|[^\w\s]")  # a word with the hyphen that ties it to the one before; or a sign
_NO_SPACE_BEFORE = re.compile(r" (?=[.,;:!?)\]}%…]|-\w)")
_NO_SPACE_AFTER = re.compile(r"(?<=[(\[{]) ")


class Tokenizer:
    """The frame: `split` a text into pieces, `join` pieces into a text; `pieces[i]` is what index i stands for."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = (*SPECIAL, *pieces)
        self._index = {piece: i for i, piece in enumerate(self.pieces)}
        checks.require(len(self._index) == len(self.pieces), "pieces must differ from one another and from <pad> …")

    @classmethod
    def of(cls, text: str | Iterable[str], min_count: int = 1, max_size: int | None = None) -> Any:
        """Trained on one text, or on several: the pieces that occur `min_count` times, at most `max_size` of them."""
        texts = [text] if isinstance(text, str) else text
        split = (piece for one in texts for piece in cls.split(one))
        return cls(Vocabulary.of(split, min_count, max_size).words)

    @staticmethod
    def split(text: str) -> list[str]:
        raise NotImplementedError

    @staticmethod
    def join(pieces: Iterable[str]) -> str:
        raise NotImplementedError

    def __len__(self) -> int:
        """How many different tokens there are: a model's vocab_size."""
        return len(self.pieces)

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        return torch.tensor([self._index.get(piece, UNKNOWN) for piece in self.split(text)], dtype=torch.int64)

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
        listed = listed[: listed.index(END)] if END in listed else listed
        return [token for token in listed if token not in (PAD, START)]

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

    def __init__(self, trained: Any) -> None:
        self.trained = trained
        pieces = sorted(trained.get_vocab(), key=trained.get_vocab().__getitem__)
        super().__init__(pieces[len(SPECIAL) :])

    @classmethod
    def of(
        cls,
        text: str | Iterable[str],
        min_count: int = 2,
        max_size: int | None = 8000,
        prefix_space: bool = False,
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
        trained.train_from_iterator([text] if isinstance(text, str) else text, trainer)
        return cls(trained)

    def encode(self, text: str) -> Int64[Tensor, " T"]:
        return torch.tensor(self.trained.encode(text, add_special_tokens=False).ids, dtype=torch.int64)

    def decode(self, tokens: Sequence[int] | Int64[Tensor, " T"]) -> str:
        text = self.trained.decode(self._own(tokens), skip_special_tokens=False)
        return text.removeprefix(" ") if self.trained.pre_tokenizer.add_prefix_space else text

    def __getstate__(self) -> dict[str, Any]:
        return {"json": self.trained.to_str()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from tokenizers import Tokenizer as Trained

        self.__init__(Trained.from_str(state["json"]))  # type: ignore[misc]
