"""Translation: common flags, beam search over a test set, and BLEU, overall and by sentence length.

Papineni et al. 2002, BLEU: a Method for Automatic Evaluation of Machine Translation; Post 2018, A Call for Clarity in
Reporting BLEU Scores, arXiv:1804.08771, whose `sacrebleu` computes the score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from inspect import signature
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import torch

from groundup.checks import integer, require
from groundup.data.text.batches import BucketLoader, ParallelText
from groundup.data.text.sentence_pairs import load_parallel
from groundup.data.text.tokenizers import END, START
from groundup.durable import write_file
from groundup.generation import beam_search
from groundup.training.batches import to_device
from groundup.training.checkpoint import load_best
from groundup.training.command_line import RunOptions
from groundup.training.logs import say

FILE = "translations.json"


def fit_length(samples: int, batch_size: int, epochs: int, usual: int, least_steps: int = 400) -> tuple[int, int]:
    """Return (batch size, epochs) for a number of samples: few samples get smaller batches and more epochs.

    Prints a line if it differs from the usual values.

    Args:
        samples: number of training samples.
        batch_size: batch size; reduced if an epoch would have fewer than 10 batches.
        epochs: number of epochs; 0 chooses `usual`, or as many as `least_steps` steps need.
        usual: the usual number of epochs.
        least_steps: minimum number of steps.

    Example:
        >>> fit_length(10_000, batch_size=32, epochs=0, usual=5)
        (32, 5)
    """
    fitted = max(1, min(integer("batch_size", batch_size), samples // 10))
    batches = ceil(samples / fitted)
    chosen = integer("epochs", epochs, 0) or max(usual, ceil(least_steps / batches))
    if (fitted, chosen) != (batch_size, epochs or usual):
        usually = f"instead of {usual} in batches of {batch_size}"
        say(f"{samples:,} samples: {chosen} epochs in batches of {fitted}, {usually}")
    return fitted, chosen


@dataclass(kw_only=True)
class TranslatorOptions(RunOptions):
    """Base of the Config of a program that trains a translator."""

    data: str = "numbers"  # numbers, multi30k, or a file of your own pairs (.tsv or .csv)
    source: str = ""  # language: en, fr, de or another of num2words for numbers (en to fr); de or en for multi30k
    target: str = ""
    validation: str = ""  # file of pairs to select the weights by, and one to test on; by default 5 % of the data
    test: str = ""
    min_count: int = 1  # words that occur less often become <unknown>
    byte_pairs: int = 0  # size of the byte-pair vocabulary of each language; 0 uses words
    epochs: int = 0  # 0: as many as the data needs
    batch_size: int = 128
    beam: int = 5

    def load(self, usual: int) -> tuple[ParallelText, ParallelText, ParallelText, BucketLoader, int]:
        """Return (train, valid, test, batches of train, epochs): `usual` epochs, or more for few pairs."""
        train, valid, test = load_parallel(
            self.data,
            self.source,
            self.target,
            seed=self.seed,
            min_count=self.min_count,
            byte_pairs=self.byte_pairs,
            validation=self.validation,
            test=self.test,
        )
        batch_size, epochs = fit_length(len(train), self.batch_size, self.epochs, usual, least_steps=900)
        say(str(train))
        return train, valid, test, BucketLoader(train, batch_size, seed=self.seed), epochs

    def expectation(self, measured: Mapping[str, str], known: ParallelText, text: ParallelText) -> str:
        """Return the result to expect: that in `measured`, or for your own pairs more than `look_up` reaches."""
        if self.smoke:
            return "anything, after a few steps"
        if self.data in measured:
            return measured[self.data]
        made = look_up(known, text)
        return f"more than BLEU {made.bleu.score:.1f}, {100 * made.exact:.1f} % by looking up the most similar sentence"


@torch.no_grad()
def translate(
    model: Any,
    text: ParallelText,
    width: int = 1,
    max_len: int = 60,
    length_penalty: float = 1.0,
    batch_size: int = 100,
) -> list[str]:
    """Return the model's translation of every source of `text`, by beam search.

    The model translates in eval mode; its own mode is restored.

    Args:
        model: a translator, with `step` and `begin(source, lengths)`, which may also take `max_len`.
        text: the sources; its targets are ignored.
        width: width of the beam; 1 is greedy.
        max_len: maximum number of tokens of a translation.
        length_penalty: see `beam_search`.
        batch_size: number of sentences that are translated together.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    found: list[str] = []
    room = {"max_len": max_len} if "max_len" in signature(model.begin).parameters else {}
    try:
        for indices in torch.arange(len(text)).split(batch_size):
            source, lengths, _ = to_device(text.batch(indices), device)
            start = torch.full_like(lengths, START)
            search: dict[str, Any] = {"width": width, "max_len": max_len, "length_penalty": length_penalty}
            tokens = beam_search(model.step, start, model.begin(source, lengths, **room), stop=END, **search).tokens
            found += [text.target_tokenizer.decode(row) for row in tokens[:, 0].cpu()]
    finally:
        model.train(training)
    return found


def exact_match(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the fraction of translations that equal the wanted one to the letter.

    Example:
        >>> exact_match(["ein Hund", "eine Katze"], ["ein Hund", "ein Kater"])
        0.5
    """
    return sum(f == w for f, w in zip(found, wanted, strict=True)) / len(wanted)


class Bleu(NamedTuple):
    """A BLEU score in 0 … 100, and sacrebleu's signature: the version and options with which it was computed."""

    score: float
    signature: str

    def __str__(self) -> str:
        return f"{self.score:.2f} ({self.signature})"


def bleu(found: Sequence[str], references: Sequence[str]) -> Bleu:
    """Return the BLEU of untokenised texts against one reference each, ignoring case.

    Args:
        found: the translations.
        references: the right translations, in the same order.

    Raises `ImportError` without sacrebleu.
    """
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as missing:
        raise ImportError("BLEU is counted by sacrebleu: pip install 'groundup[train]'") from missing
    require(
        len(found) == len(references) > 0,
        f"found must be a text for each of the references, at least one: {len(found)} for {len(references)}",
    )
    metric = BLEU(lowercase=True)
    return Bleu(metric.corpus_score(list(found), [list(references)]).score, str(metric.get_signature()))


@dataclass(frozen=True)
class Translations:
    """The translations of a test set, sentence by sentence."""

    sources: list[str]
    references: list[str]
    found: list[str]

    @classmethod
    def read(cls, run_dir: str | Path) -> Translations:
        """Read the translations of a finished run. Raises `ValueError` if there are none."""
        path = Path(run_dir) / FILE
        require(path.is_file(), f"{run_dir} holds no {FILE}: name the folder of a translation's finished run")
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, run_dir: str | Path) -> None:
        """Write them into the folder of a run."""
        write_file(Path(run_dir) / FILE, json.dumps(asdict(self), ensure_ascii=False, indent=0) + "\n")

    @property
    def bleu(self) -> Bleu:
        """The BLEU of all sentences."""
        return bleu(self.found, self.references)

    @property
    def exact(self) -> float:
        """The fraction of exact matches."""
        return exact_match(self.found, self.references)

    def __str__(self) -> str:
        return f"BLEU {self.bleu}, {100 * self.exact:.1f} % of {len(self.found):,} unseen right to the letter"

    def bleu_by_length(self, bins: int = 5) -> list[tuple[float, float]]:
        """Return (mean number of words, BLEU) for groups of sources, from the shortest to the longest.

        Each group has about N / bins sentences. Sentences of one length are in one group, so there may be fewer.
        """
        integer("bins", bins)
        lengths = [len(source.split()) for source in self.sources]
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        edges = sorted({lengths[order[len(order) * i // bins]] for i in range(1, bins)} - {lengths[order[0]]})
        groups: dict[int, list[int]] = {}
        for i in order:
            groups.setdefault(sum(lengths[i] >= edge for edge in edges), []).append(i)
        return [
            (
                sum(lengths[i] for i in group) / len(group),
                bleu([self.found[i] for i in group], [self.references[i] for i in group]).score,
            )
            for group in groups.values()
        ]


def score_translations(
    model: Any,
    text: ParallelText,
    run_dir: str | Path,
    width: int = 5,
    max_len: int = 60,
    first: int | None = None,
    shown: int = 5,
) -> Translations:
    """Translate `text` with the best weights of a run, print some translations, and save all in the run folder.

    Draws lengths.png: BLEU against sentence length, of this run and of its sibling runs on the same sentences.

    Args:
        model: the translator; its weights are replaced by the best ones of the run.
        text: the test set.
        run_dir: the folder of the run.
        width: width of the beam search.
        max_len: maximum number of tokens of a translation.
        first: translate only so many sentences; None translates all.
        shown: number of translations to print.
    """
    load_best(model, run_dir)
    if first is not None:
        text = ParallelText(text.pairs[:first], text.source_tokenizer, text.target_tokenizer)
    sources, references = ([pair[side] for pair in text.pairs] for side in (0, 1))
    made = Translations(sources, references, translate(model, text, width, max_len))
    made.write(run_dir)
    for source, wanted, found in list(zip(sources, references, made.found))[:shown]:
        say(f"{source} → {found}" + ("" if found == wanted else f" (wanted: {wanted})"))
    compare_lengths(run_dir)
    return made


def look_up(known: ParallelText, text: ParallelText) -> Translations:
    """Translate each source of `text` by the target of the most similar source in `known`: a baseline.

    Similarity is the cosine of token counts, each weighted by log(N / number of sources with that token).
    """
    size = len(known.source_tokenizer)
    rows, others = (
        torch.stack([torch.bincount(source, minlength=size).float() for source in part.source])  # type: ignore[attr-defined]
        for part in (known, text)
    )
    weight = (len(rows) / (rows > 0).sum(0).clamp(min=1)).log()
    nearest = [int((rows @ (weight**2 * row) / (rows * weight).norm(dim=1).clamp(min=1e-9)).argmax()) for row in others]
    found = [known.pairs[i][1] for i in nearest]
    return Translations([source for source, _ in text.pairs], [target for _, target in text.pairs], found)


def compare_lengths(run_dir: str | Path, bins: int = 5) -> None:
    """Draw lengths.png of a run, as figure 2 of Bahdanau et al. 2015: see `score_translations`."""
    from groundup.plots import scores_by_length

    own, folder = Translations.read(run_dir), Path(run_dir)
    runs = {folder.name: own}
    for path in sorted(folder.parent.glob(f"*/{FILE}")):
        other = Translations.read(path.parent)
        if other.sources == own.sources and other.references == own.references:
            runs.setdefault(path.parent.name, other)
    lines = {name: made.bleu_by_length(bins) for name, made in runs.items()}
    scores_by_length(lines, folder / "lengths.png", "BLEU against the length of the sentences")
