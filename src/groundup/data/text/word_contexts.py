"""Words with the words around them: what word2vec is trained on, cut from a text as whole tensors.

Mikolov et al. 2013, arXiv:1301.3781 and arXiv:1310.4546.

Legend: T tokens of a text, c the largest window, P pairs, N windows that hold a word beside their centre.
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
    """min(1, √(t / f)), f = count / Σ counts: with what probability an occurrence of each word stays.

    arXiv:1310.4546, equation 5, gives the complement, 1 - √(t / f).
    Differs from the authors' program, which keeps √(t / f) + t / f.
    """
    checks.require(checks.real("threshold", threshold) > 0, f"threshold must be positive, got {threshold}")
    frequency = counts.double() / counts.sum()
    return torch.where(frequency > threshold, (threshold / frequency).sqrt(), 1.0)


def subsample(
    tokens: Int64[Tensor, " T"], keep: Float[Tensor, " V"], generator: Generator = None
) -> Int64[Tensor, " kept"]:
    """The tokens that a draw with `keep`, a probability for each word, leaves; windows then reach further."""
    u = torch.rand(len(tokens), dtype=torch.float64, generator=generator)
    return tokens[u < keep[tokens]]


def _windows(tokens: Tensor, window: int, dynamic: bool, generator: Generator) -> tuple[Tensor, Tensor]:
    """(the 2c words around each token, which of them are in its window): (T, 2c) both."""
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
    """(centres, neighbours): every word with each word of its window.

    With `dynamic` a window reaches R words to either side, R drawn for each centre from 1 … c: near words are paired
    more often than far ones (arXiv:1301.3781, section 3.2). Otherwise it reaches c.
    """
    around, inside = _windows(tokens, window, dynamic, generator)
    return tokens.repeat_interleave(inside.sum(1)), around[inside]


def cbow_windows(
    tokens: Int64[Tensor, " T"], window: int = 5, dynamic: bool = True, generator: Generator = None
) -> tuple[Int64[Tensor, "N {2*window}"], Bool[Tensor, "N {2*window}"], Int64[Tensor, " N"]]:
    """(the words around, which of them are real, centres): windows as above, ragged ones padded with word 0.

    A text of one word has no window.
    """
    around, inside = _windows(tokens, window, dynamic, generator)
    some = inside.any(1)
    return torch.where(inside, around, 0)[some], inside[some], tokens[some]


class WordContexts:
    """Batches for Word2Vec, drawn anew every epoch: subsampled, windowed and shuffled; a loader that seeks.

    skipgram: (centres, neighbours, None);  cbow: (words around, centres, mask): what `Word2Vec.loss` takes.

        tokens       (T,) the text, as indices
        keep         the probability with which an occurrence of each word stays (`keep_probability`), or None: all
        batch_size   samples a batch, as nearly as equal parts of an epoch of varying length allow

    What epoch e holds is a function of (seed, e) alone. A text is taken a section of a quarter of a million words at a
    time, to bound the memory: some 100 MB at window 5.
    """

    SECTION = 2**18

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
        self.sections = tokens.tensor_split(ceil(len(tokens) / self.SECTION))
        samples = window + 1 if mode == "skipgram" else 1  # of a token, on average: R neighbours on either side
        stay = [len(part) if keep is None else float(keep[part].sum()) for part in self.sections]
        self.batches = [max(1, ceil(samples * count / batch_size)) for count in stay]
        self._epoch, self._batch = 0, 0

    def __len__(self) -> int:
        return sum(self.batches)

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Let the next `iter` begin at `batch` of `epoch`."""
        self._epoch, self._batch = checks.integer("epoch", epoch, 0), checks.integer("batch", batch, 0)
        checks.require(batch <= len(self), f"batch must be at most {len(self)}, the length of an epoch, got {batch}")

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the epoch from the position on; the next `iter` begins the epoch after it."""
        epoch, skip = self._epoch, self._batch
        self.seek(epoch + 1)
        for number, (section, count) in enumerate(zip(self.sections, self.batches)):
            if skip < count:
                yield from self._shuffled(section, count, epoch, number)[skip:]
            skip = max(0, skip - count)

    def _shuffled(self, tokens: Tensor, count: int, epoch: int, number: int) -> list[Batch]:
        """A section's samples in `count` batches of nearly one size."""
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
