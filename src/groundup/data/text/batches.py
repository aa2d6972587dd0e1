"""Batches of sequences of different lengths: parallel texts, windows of a text, and loaders by length.

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
from groundup.data.loader import Loader, make_generator
from groundup.data.text.tokenizers import END, PAD, START, Tokenizer


def pad_sequences(sequences: Sequence[Tensor], value: int = PAD) -> tuple[Int64[Tensor, "B T"], Int64[Tensor, " B"]]:
    """Return (sequences, pad_sequences at the end to the length of the longest; their lengths).

    Args:
        sequences: tensors of integers, (T,) each.
        value: value of the padding.

    Example:
        >>> pad_sequences([torch.tensor([5]), torch.tensor([6, 7])])
        (tensor([[5, 0],
                [6, 7]]), tensor([1, 2]))
    """
    checks.require(len(sequences) > 0, "sequences must hold at least one")
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    table = torch.full((len(sequences), int(lengths.max())), value, dtype=torch.int64)
    for row, sequence in zip(table, sequences):
        row[: len(sequence)] = sequence
    return table, lengths


class SentenceBatch(NamedTuple):
    """A batch of sentence pairs: source (B, S), its lengths (B,), and target (B, T), START … END; PAD after both.

    The input of a decoder is target[:, :-1], and its labels are target[:, 1:], except PAD.

    Example:
        >>> SentenceBatch(torch.tensor([[5, 6]]), torch.tensor([2]), torch.tensor([[START, 7, END]])).target
        tensor([[1, 7, 2]])
    """

    source: Tensor
    lengths: Tensor
    target: Tensor


@dataclass(frozen=True, eq=False, repr=False)
class ParallelText(Dataset[tuple[str, str]]):
    """Sentences and their translations: a map-style dataset of (source, target), with batches of tokens.

    Args:
        pairs: (source, target) texts.
        source_tokenizer, target_tokenizer: tokenizers of the two languages.

    Example:
        >>> from groundup.data import WordTokenizer
        >>> pairs = [("one", "un"), ("two two", "deux")]
        >>> text = ParallelText(pairs, WordTokenizer.of(s for s, _ in pairs), WordTokenizer.of(t for _, t in pairs))
        >>> text.batch(torch.tensor([0, 1])).source.shape
        torch.Size([2, 2])
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
        """Return the pairs at `indices` as tokens."""
        tokens: Any = self
        source, lengths = pad_sequences([tokens.source[i] for i in indices.tolist()])
        return SentenceBatch(source, lengths, pad_sequences([tokens.target[i] for i in indices.tolist()])[0])

    @property
    def lengths(self) -> Int64[Tensor, " N"]:
        """The sort key of each pair: the length of the source, then that of the target, alternately up and down.

        The last pair of one source length and the first of the next then have targets of similar lengths.
        """
        tokens: Any = self
        sizes = ((len(s), len(t)) for s, t in zip(tokens.source, tokens.target))
        return torch.tensor([2**20 * s + (t if s % 2 else 2**20 - 1 - t) for s, t in sizes])

    def __repr__(self) -> str:
        s, t = self.source_tokenizer, self.target_tokenizer
        return f"ParallelText({len(self):,} pairs, {len(s):,} source and {len(t):,} target tokens)"


class BucketLoader(Loader):
    """A shuffled `Loader` whose batches hold sequences of similar length, so that few tokens are padding.

    Without it, each batch is as long as its longest sentence, and most of the computation is spent on padding.

    Args:
        dataset: dataset with `lengths` (N,), as `ParallelText`.
        batch_size: sequences per batch.
        pool: of each epoch's random order, this number of batches at a time is sorted by length and divided into
            batches, which are shuffled again.
        seed: the order is a function of (seed, epoch), as for `Loader`.
        options: other arguments of `Loader`.

    Example:
        >>> class Lines(Dataset[Tensor]):
        ...     lengths = torch.tensor([9, 1, 8, 2])
        ...     def __len__(self):
        ...         return 4
        ...     def batch(self, indices):
        ...         return self.lengths[indices]
        >>> sorted(batch.tolist() for batch in BucketLoader(Lines(), 2))
        [[1, 2], [8, 9]]
    """

    def __init__(self, dataset: Any, batch_size: int, *, pool: int = 100, seed: int = 0, **options: Any) -> None:
        if not hasattr(dataset, "lengths"):
            raise TypeError(f"dataset must have lengths (N,), as ParallelText has, got {type(dataset).__name__}")
        super().__init__(dataset, batch_size, shuffle=True, seed=seed, **options)
        self.pool = checks.integer("pool", pool)
        self._lengths = dataset.lengths

    def order(self, epoch: int) -> Int64[Tensor, " samples"]:
        """Return the indices of the samples in the order of `epoch`."""
        shuffled = super().order(epoch)
        pools = shuffled.split(self.pool * self.batch_size)
        batches = [b for p in pools for b in p[self._lengths[p].argsort(stable=True)].split(self.batch_size)]
        whole, rest = (batches[:-1], batches[-1:]) if len(batches[-1]) < self.batch_size else (batches, [])
        batch_order = torch.randperm(len(whole), generator=make_generator(self.seed, epoch, len(self) + 1))
        return torch.cat([*(whole[i] for i in batch_order.tolist()), *rest])


class TextWindows(Dataset[Tensor]):
    """A text divided into windows of `length` + 1 tokens: a map-style dataset of (length + 1,) tokens.

    The input of a language model is window[:-1], its labels are window[1:]; the last token of a window is the first of
    the next. The rest at the end, shorter than a window, is not used.

    Args:
        tokens: (T,) tokens of the text.
        length: number of tokens that a model reads.

    Example:
        >>> TextWindows(torch.arange(7), 3).batch(torch.tensor([0, 1]))
        tensor([[0, 1, 2, 3],
                [3, 4, 5, 6]])
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
        """Return the windows at `indices`."""
        return self.tokens[indices[:, None] * self.length + torch.arange(self.length + 1)]
