"""Words and their contexts, the training data of word2vec, made from a text as whole tensors.

Mikolov et al. 2013, arXiv:1301.3781 and arXiv:1310.4546.

Legend: T tokens of a text, c the largest window, P pairs, N windows with at least one word besides their centre.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from groundup import checks

Generator = torch.Generator | None
Batch = tuple[Tensor, Tensor, Tensor | None]  # words, target, mask


def keep_probability(counts: Int[Tensor, " V"], threshold: float = 1e-5) -> Float[Tensor, " V"]:
    """Return min(1, √(t / f)), f = count / Σ counts, the probability to keep an occurrence of each word.

    Words such as "the" are in most windows and say little about their neighbours. Leaving most of their occurrences
    out makes an epoch shorter, and the windows of the other words wider.

    Args:
        counts: (V,) number of occurrences of each word.
        threshold: t; words with a smaller frequency f are always kept.

    arXiv:1310.4546, equation 5, gives the complement, 1 - √(t / f).
    Differs from the authors' program, which keeps a word with probability √(t / f) + t / f.

    Example:
        >>> keep_probability(torch.tensor([3, 1]), threshold=0.25)
        tensor([0.5774, 1.0000], dtype=torch.float64)
    """
    checks.require(checks.real("threshold", threshold) > 0, f"threshold must be positive, got {threshold}")
    frequency = counts.double() / counts.sum()
    return torch.where(frequency > threshold, (threshold / frequency).sqrt(), 1.0)


def subsample(
    tokens: Int64[Tensor, " T"], keep: Float[Tensor, " V"], generator: Generator = None
) -> Int64[Tensor, " kept"]:
    """Return the tokens that are kept at random.

    Args:
        tokens: (T,) indices of words.
        keep: (V,) probability to keep an occurrence of each word, as from `keep_probability`.
        generator: random numbers are drawn from it; by default from PyTorch's global one.
    """
    u = torch.rand(len(tokens), dtype=torch.float64, generator=generator)
    return tokens[u < keep[tokens]]


def _windows(tokens: Tensor, window: int, dynamic: bool, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return (the 2c words around each token, the mask of those in its window), (T, 2c) both."""
    checks.rank("tokens", checks.tensor("tokens", tokens), 1, layout="(T,)")
    c = checks.integer("window", window)
    T = len(tokens)
    offset = torch.cat([torch.arange(-c, 0), torch.arange(1, c + 1)])
    reach = torch.randint(1, c + 1, (T, 1), generator=generator) if dynamic else torch.full((T, 1), c)
    place = torch.arange(T)[:, None] + offset  # T, 2c
    inside = (offset.abs() <= reach) & (place >= 0) & (place < T)
    return tokens[torch.where(inside, place, 0)], inside


def skip_gram_pairs(
    tokens: Int64[Tensor, " T"], window: int = 5, dynamic: bool = True, generator: Generator = None
) -> tuple[Int64[Tensor, " P"], Int64[Tensor, " P"]]:
    """Return (centres, neighbours): every word with each word of its window.

    Args:
        tokens: (T,) indices of words.
        window: largest distance c between a centre and a neighbour.
        dynamic: draw the distance of each centre from 1 … c, so that near words are paired more often than distant
            ones, which are less related (arXiv:1301.3781, section 3.2); otherwise it is c.
        generator: random numbers are drawn from it; by default from PyTorch's global one.

    Example:
        >>> skip_gram_pairs(torch.tensor([7, 8, 9]), window=1, dynamic=False)
        (tensor([7, 8, 8, 9]), tensor([8, 7, 9, 8]))
    """
    around, inside = _windows(tokens, window, dynamic, generator)
    return tokens.repeat_interleave(inside.sum(1)), around[inside]


def cbow_windows(
    tokens: Int64[Tensor, " T"], window: int = 5, dynamic: bool = True, generator: Generator = None
) -> tuple[Int64[Tensor, "N {2*window}"], Bool[Tensor, "N {2*window}"], Int64[Tensor, " N"]]:
    """Return (words around each centre, mask of the real ones, centres).

    Shorter windows are padded with word 0. A text of one word has no window.

    Args:
        tokens, window, dynamic, generator: as for `skip_gram_pairs`.

    Example:
        >>> cbow_windows(torch.tensor([7, 8]), window=1, dynamic=False)[1:]
        (tensor([[False,  True],
                [ True, False]]), tensor([7, 8]))
    """
    around, inside = _windows(tokens, window, dynamic, generator)
    some = inside.any(1)
    return torch.where(inside, around, 0)[some], inside[some], tokens[some]


class WordContexts:
    """Loader of batches for `Word2Vec.loss`, drawn again every epoch: subsampled, windowed and shuffled.

    Batches are (centres, neighbours, None) for skip-gram, and (words around, centres, mask) for CBOW.

    Args:
        tokens: (T,) the text, as indices of words.
        batch_size: samples per batch, approximately, as an epoch of varying length is divided into equal parts.
        mode: "skipgram" or "cbow".
        window: largest distance between a centre and a neighbour.
        keep: (V,) probability to keep an occurrence of each word, as from `keep_probability`; None keeps all.
        seed: the samples of epoch e are a function of (seed, e).

    A text is processed in sections of a quarter of a million words, to bound the memory to about 100 MB at window 5.

    Example:
        >>> batches = WordContexts(torch.arange(100), batch_size=32)
        >>> x, y, mask = next(iter(batches))
        >>> x.shape == y.shape, mask
        (True, None)
    """

    SECTION_WORDS = 2**18

    def __init__(
        self,
        tokens: Int64[Tensor, " T"],
        batch_size: int,
        mode: str = "skipgram",
        window: int = 5,
        keep: Float[Tensor, " V"] | None = None,
        seed: int = 0,
    ) -> None:
        self.batch_size = checks.integer("batch_size", batch_size)
        self.mode = checks.choice("mode", mode, ("skipgram", "cbow"))
        self.window, self.keep = checks.integer("window", window), keep
        self.seed = checks.integer("seed", seed, 0)
        checks.require(len(tokens) > 1, f"tokens must hold at least two words, got {len(tokens)}")
        self.sections = tokens.tensor_split(ceil(len(tokens) / self.SECTION_WORDS))
        samples = window + 1 if mode == "skipgram" else 1  # per token, on average: R neighbours on either side
        stay = [len(part) if keep is None else float(keep[part].sum()) for part in self.sections]
        self.batches = [max(1, ceil(samples * count / batch_size)) for count in stay]
        self._epoch, self._batch = 0, 0

    def __len__(self) -> int:
        return sum(self.batches)

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Set the position of the next `iter` to `batch` of `epoch`."""
        self._epoch, self._batch = checks.integer("epoch", epoch, 0), checks.integer("batch", batch, 0)
        checks.require(batch <= len(self), f"batch must be at most {len(self)}, the length of an epoch, got {batch}")

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the epoch from the position on; the next `iter` starts the following epoch."""
        epoch, skip = self._epoch, self._batch
        self.seek(epoch + 1)
        for number, (section, count) in enumerate(zip(self.sections, self.batches)):
            if skip < count:
                yield from self._draw_batches(section, count, epoch, number)[skip:]
            skip = max(0, skip - count)

    def _draw_batches(self, tokens: Tensor, count: int, epoch: int, number: int) -> list[Batch]:
        """Return the samples of a section in `count` batches of nearly equal size."""
        mixed = np.random.SeedSequence((self.seed, epoch, number)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(mixed[0]))
        kept = tokens if self.keep is None else subsample(tokens, self.keep, generator)
        if self.mode == "skipgram":
            x, y = skip_gram_pairs(kept, self.window, generator=generator)
            mask = None
        else:
            x, mask, y = cbow_windows(kept, self.window, generator=generator)
        if len(y) < count:
            raise ValueError(
                f"epoch {epoch + 1} drew {len(y)} samples for {count} batches of {self.batch_size}: the text is too "
                "short; give a longer one, a larger `keep`, or a larger batch_size"
            )
        parts = torch.randperm(len(y), generator=generator).tensor_split(count)
        return [(x[part], y[part], None if mask is None else mask[part]) for part in parts]
