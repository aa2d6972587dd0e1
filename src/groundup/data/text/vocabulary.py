"""A vocabulary: the words of a text, each with an index and how often it occurs."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Int64
from torch import Tensor

from groundup import checks


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """`words[i]` occurs `counts[i]` times; frequent words first, of equally frequent ones the first in the text.

    vocabulary = Vocabulary.of(words(text), min_count=5)
    vocabulary.index(["lambda"])    the indices of words that must be there
    vocabulary.encode(tokens)       the indices of a text, without the words that the vocabulary leaves out
    """

    words: tuple[str, ...]
    counts: Int64[Tensor, " V"]
    left_out: int = 0  # occurrences of words rarer than min_count or beyond max_size
    _index: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        checks.require(
            self.counts.shape == (len(self.words),) and len(set(self.words)) == len(self.words),
            f"words must differ and counts be one for each, got {len(self.words)} words, of them "
            f"{len(set(self.words))} different, and counts of shape {tuple(self.counts.shape)}",
        )
        object.__setattr__(self, "_index", {word: i for i, word in enumerate(self.words)})

    @classmethod
    def of(cls, tokens: Iterable[str], min_count: int = 1, max_size: int | None = None) -> Vocabulary:
        """The words that occur `min_count` times or more, or the `max_size` most frequent of these.

        Raises `ValueError` when no word is left.
        """
        checks.integer("min_count", min_count)
        if isinstance(tokens, str):
            raise TypeError("tokens must be an iterable of words, got one str; split it with groundup.data.words")
        counter = Counter(tokens)
        kept = [(word, count) for word, count in counter.most_common() if count >= min_count]
        kept = kept[: checks.integer("max_size", max_size)] if max_size is not None else kept
        checks.require(
            len(kept) > 0,
            f"no word of {len(counter):,} occurs {min_count} times: give a longer text or a smaller min_count",
        )
        counts = torch.tensor([count for _, count in kept])
        return cls(tuple(word for word, _ in kept), counts, counter.total() - int(counts.sum()))

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._index

    def index(self, words: Sequence[str]) -> Int64[Tensor, " T"]:
        """The indices of these words. Raises `ValueError` for one that is not in the vocabulary, with near ones."""
        for word in words:
            if word not in self._index:
                near = difflib.get_close_matches(word, self.words, n=3)
                hint = f"; near ones are {', '.join(map(repr, near))}" if near else ""
                raise ValueError(f"{word!r} is none of the {len(self):,} words of the vocabulary{hint}")
        return torch.tensor([self._index[word] for word in words], dtype=torch.int64)

    def encode(self, tokens: Iterable[str]) -> Int64[Tensor, " T"]:
        """The index of each token, without those that are not in the vocabulary: their neighbours close the gap.

        So the authors' word2vec reads a text. Nothing is lost silently where `left_out` is 0 and the text the same.
        """
        indices = map(self._index.get, tokens)
        return torch.tensor([index for index in indices if index is not None], dtype=torch.int64)

    def decode(self, indices: Sequence[int] | Int64[Tensor, " T"]) -> list[str]:
        """The words with these indices."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        checks.indices("indices", chosen, len(self), "the vocabulary's size")
        return [self.words[i] for i in chosen.tolist()]

    def __repr__(self) -> str:
        rare = f", {self.left_out:,} occurrences of others left out" if self.left_out else ""
        return f"Vocabulary({len(self):,} words of {int(self.counts.sum()):,} occurrences{rare})"
