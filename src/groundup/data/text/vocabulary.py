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
    """The words of a text, the most frequent first, of equally frequent ones the first in the text.

    Args:
        words: different words; `words[i]` has the index i.
        counts: (V,) `counts[i]` is the number of occurrences of `words[i]`.
        left_out: number of occurrences of words that are not in the vocabulary.

    Example:
        >>> vocabulary = Vocabulary.of(["a", "b", "a", "c"], max_size=2)
        >>> vocabulary.words, vocabulary.counts.tolist(), vocabulary.left_out
        (('a', 'b'), [2, 1], 1)
        >>> vocabulary.encode(["a", "c", "b"])
        tensor([0, 1])
    """

    words: tuple[str, ...]
    counts: Int64[Tensor, " V"]
    left_out: int = 0
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
        """Return the vocabulary of a text.

        Args:
            tokens: words of the text.
            min_count: rarer words are left out.
            max_size: largest number of words, the most frequent ones; None for all.

        Raises `ValueError` if no word is left.
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
        """Return the indices of words. Raises `ValueError` for an unknown word, with similar ones."""
        for word in words:
            if word not in self._index:
                near = difflib.get_close_matches(word, self.words, n=3)
                hint = f"; near ones are {', '.join(map(repr, near))}" if near else ""
                raise ValueError(f"{word!r} is none of the {len(self):,} words of the vocabulary{hint}")
        return torch.tensor([self._index[word] for word in words], dtype=torch.int64)

    def encode(self, tokens: Iterable[str]) -> Int64[Tensor, " T"]:
        """Return the index of each token, without unknown ones: their neighbours become adjacent.

        The authors' word2vec reads a text in this way. No token is left out if `left_out` is 0 and the text the same.
        """
        indices = map(self._index.get, tokens)
        return torch.tensor([index for index in indices if index is not None], dtype=torch.int64)

    def decode(self, indices: Sequence[int] | Int64[Tensor, " T"]) -> list[str]:
        """Return the words with these indices."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        checks.indices("indices", chosen, len(self), "the vocabulary's size")
        return [self.words[i] for i in chosen.tolist()]

    def __repr__(self) -> str:
        rare = f", {self.left_out:,} occurrences of others left out" if self.left_out else ""
        return f"Vocabulary({len(self):,} words of {int(self.counts.sum()):,} occurrences{rare})"
