"""Translations of a test set: kept beside the run, scored by BLEU, as a whole and against the sentences' length.

Papineni et al. 2002, BLEU: a Method for Automatic Evaluation of Machine Translation; Post 2018, A Call for Clarity in
Reporting BLEU Scores, arXiv:1804.08771, whose `sacrebleu` counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from groundup.checks import integer, require
from groundup.data.text.pairs import load_parallel
from groundup.data.text.sequences import BucketLoader, ParallelText
from groundup.durable import write_file
from groundup.training.checkpoint import load_best
from groundup.training.command import RunOptions
from groundup.training.logs import say
from groundup.training.text import exact_match, fit_length, translate

FILE = "translations.json"


@dataclass(kw_only=True)
class TranslatorOptions(RunOptions):
    """Base of the Config of an example that trains a translator: its data, and how much it reads of them."""

    data: str = "numbers"  # numbers, multi30k, or a file of your own pairs, .tsv or .csv
    source: str = ""  # languages: of numbers en, fr, de and what num2words has (en to fr), of multi30k de and en
    target: str = ""
    validation: str = ""  # files of pairs to choose the weights by and to test on; by default a twentieth of the data
    test: str = ""
    min_count: int = 1  # words that occur less often are unknown
    byte_pairs: int = 0  # at most this many byte pairs for each language, instead of words
    epochs: int = 0  # 0: as many as the data need
    batch_size: int = 128
    beam: int = 5

    def load(self, usual: int) -> tuple[ParallelText, ParallelText, ParallelText, BucketLoader, int]:
        """(train, valid, test, batches of train, epochs); `usual` epochs, or more of few pairs."""
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
        """The result to expect: as `measured`, or for your own pairs more than `look_up` reaches."""
        if self.smoke:
            return "anything, after a few steps"
        if self.data in measured:
            return measured[self.data]
        made = look_up(known, text)
        return f"more than BLEU {made.bleu.score:.1f}, {100 * made.exact:.1f} % by looking up the most similar sentence"


class Bleu(NamedTuple):
    """A score in 0 … 100, and sacrebleu's words for how it was counted."""

    score: float
    signature: str

    def __str__(self) -> str:
        return f"{self.score:.2f} ({self.signature})"


def bleu(found: Sequence[str], references: Sequence[str]) -> Bleu:
    """BLEU of whole texts, as they are written, against one reference each; capitals count as small letters."""
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
    """What a model made of its test set, sentence by sentence."""

    sources: list[str]
    references: list[str]
    found: list[str]

    @classmethod
    def read(cls, run_dir: str | Path) -> Translations:
        """Those of a finished run. Raises `ValueError` where there are none."""
        path = Path(run_dir) / FILE
        require(path.is_file(), f"{run_dir} holds no {FILE}: name the folder of a translation's finished run")
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, run_dir: str | Path) -> None:
        write_file(Path(run_dir) / FILE, json.dumps(asdict(self), ensure_ascii=False, indent=0) + "\n")

    @property
    def bleu(self) -> Bleu:
        return bleu(self.found, self.references)

    @property
    def exact(self) -> float:
        """Which part is right to the letter, in 0 … 1."""
        return exact_match(self.found, self.references)

    def __str__(self) -> str:
        return f"BLEU {self.bleu}, {100 * self.exact:.1f} % of {len(self.found):,} unseen right to the letter"

    def bleu_by_length(self, bins: int = 5) -> list[tuple[float, float]]:
        """(mean words of the sources, BLEU) of the shortest sentences, …, of the longest: about N / bins each.

        Sentences of one length stay together, so there may be fewer bins.
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
    """Translate `text` with the best weights of the run by beam search, say some of it, and keep all of it there.

    first: only so many sentences of it. shown: how many are said.

    Draws lengths.png, BLEU against the sentences' length: this run's, and those of the runs beside it that translated
    the same sentences.
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
    """Translate each source of `text` as the most similar source of `known` is: what a translator should do better.

    Similar is a small angle between the counts of tokens, each weighted by log(N / sources that have it).
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
    """Draw `run_dir`'s lengths.png, as figure 2 of Bahdanau et al. 2015; see `score_translations`."""
    from groundup.plots import scores_by_length

    own, folder = Translations.read(run_dir), Path(run_dir)
    runs = {folder.name: own}
    for path in sorted(folder.parent.glob(f"*/{FILE}")):
        other = Translations.read(path.parent)
        if other.sources == own.sources and other.references == own.references:
            runs.setdefault(path.parent.name, other)
    lines = {name: made.bleu_by_length(bins) for name, made in runs.items()}
    scores_by_length(lines, folder / "lengths.png", "BLEU against the length of the sentences")
