"""Sequences of different lengths: padded side by side, and gathered into batches of about one length.

Legend: N sequences, B of a batch, T tokens, S source tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.loader import Loader, _generator
from groundup.data.text.tokenizers import END, PAD, START, Tokenizer


def padded(sequences: Sequence[Tensor], value: int = PAD) -> tuple[Int64[Tensor, "B T"], Int64[Tensor, " B"]]:
    """(the sequences with `value` after each, up to the length of the longest; their own lengths)."""
    checks.require(len(sequences) > 0, "sequences must hold at least one")
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    table = torch.full((len(sequences), int(lengths.max())), value, dtype=torch.int64)
    for row, sequence in zip(table, sequences):
        row[: len(sequence)] = sequence
    return table, lengths


class SentenceBatch(NamedTuple):
    """source (B, S) and its lengths (B,), and target (B, T), each START … END; PAD after both.

    A decoder is given target[:, :-1] and learns target[:, 1:], but for PAD.
    """

    source: Tensor
    lengths: Tensor
    target: Tensor


@dataclass(frozen=True, eq=False, repr=False)
class ParallelText(Dataset[tuple[str, str]]):
    """Sentences and their translations: a map-style dataset of (source, target), whose `batch` is of tokens.

    text = ParallelText(pairs, WordTokenizer.of(s for s, _ in pairs), WordTokenizer.of(t for _, t in pairs))
    batches = BucketLoader(text, 64, seed=0)
    """

    pairs: Sequence[tuple[str, str]]
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer

    def __post_init__(self) -> None:
        checks.require(len(self.pairs) > 0, "pairs must hold at least one (source, target)")
        source = [self.source_tokenizer.encode(source) for source, _ in self.pairs]
        ends = torch.tensor([START]), torch.tensor([END])
        target = [torch.cat([ends[0], self.target_tokenizer.encode(text), ends[1]]) for _, text in self.pairs]
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "target", target)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[str, str]:
        return self.pairs[index]

    def batch(self, indices: Int64[Tensor, " B"]) -> SentenceBatch:
        tokens: Any = self
        source, lengths = padded([tokens.source[i] for i in indices.tolist()])
        return SentenceBatch(source, lengths, padded([tokens.target[i] for i in indices.tolist()])[0])

    @property
    def lengths(self) -> Int64[Tensor, " N"]:
        """What pairs are sorted by: how long the source is, and among equals the target, up and down in turn.

        So the last of one length of source and the first of the next have targets that are alike.
        """
        tokens: Any = self
        sizes = ((len(s), len(t)) for s, t in zip(tokens.source, tokens.target))
        return torch.tensor([2**20 * s + (t if s % 2 else 2**20 - 1 - t) for s, t in sizes])

    def __repr__(self) -> str:
        s, t = self.source_tokenizer, self.target_tokenizer
        return f"ParallelText({len(self):,} pairs, {len(s):,} source and {len(t):,} target tokens)"


class BucketLoader(Loader):
    """A Loader, shuffled, whose batches hold sequences of about one length, so that little of them is padding.

    Of each epoch's random order, `pool` batches at a time are sorted by the dataset's `lengths` and cut into batches;
    these come in random order again. Like the Loader's, the order is a function of (seed, epoch).
    """

    def __init__(self, dataset: Any, batch_size: int, *, pool: int = 100, seed: int = 0, **options: Any) -> None:
        if not hasattr(dataset, "lengths"):
            raise TypeError(f"dataset must have lengths (N,), as ParallelText has, got {type(dataset).__name__}")
        super().__init__(dataset, batch_size, shuffle=True, seed=seed, **options)
        self.pool = checks.integer("pool", pool)
        self._lengths = dataset.lengths

    def order(self, epoch: int) -> Int64[Tensor, " samples"]:
        drawn = super().order(epoch)
        pools = drawn.split(self.pool * self.batch_size)
        batches = [b for p in pools for b in p[self._lengths[p].argsort(stable=True)].split(self.batch_size)]
        whole, rest = (batches[:-1], batches[-1:]) if len(batches[-1]) < self.batch_size else (batches, [])
        shuffled = torch.randperm(len(whole), generator=_generator(self.seed, epoch, len(self) + 1))
        return torch.cat([*(whole[i] for i in shuffled.tolist()), *rest])


class TextWindows(Dataset[Tensor]):
    """A text cut into windows of `length` tokens, and one more: a map-style dataset of (length + 1,) tokens.

    A language model is given window[:-1] and learns window[1:]; each window's last token is the next one's first. What
    is left at the end, less than a window, is not used.
    """

    def __init__(self, tokens: Int64[Tensor, " T"], length: int) -> None:
        checks.rank("tokens", checks.tensor("tokens", tokens), 1, layout="(T,)")
        self.tokens, self.length = tokens, checks.integer("length", length)
        checks.require(len(self) > 0, f"tokens must fill a window: {length + 1} are needed, got {len(tokens)}")

    def __len__(self) -> int:
        return (len(self.tokens) - 1) // self.length

    def __getitem__(self, index: int) -> Tensor:
        return self.batch(torch.tensor([index]))[0]

    def batch(self, indices: Int64[Tensor, " B"]) -> Int64[Tensor, "B T"]:
        return self.tokens[indices[:, None] * self.length + torch.arange(self.length + 1)]
