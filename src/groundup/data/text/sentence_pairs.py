"""Pairs of sentences and their translations, by the name of a data set or from your own file.

train, valid, test = load_pairs("numbers", "en", "fr")      # or "multi30k", or "path/to/your/pairs.tsv"
train, valid, test = load_parallel("multi30k", byte_pairs=4000)     # as tokens
"""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from io import StringIO
from os import PathLike
from pathlib import Path

import torch

from groundup import checks
from groundup.data.registry import PAIRS
from groundup.data.text.batches import ParallelText
from groundup.data.text.corpora import read_utf8
from groundup.data.text.tokenizers import SPECIAL, BytePairTokenizer, Tokenizer, WordTokenizer

logger = logging.getLogger("groundup")

Pairs = list[tuple[str, str]]

#: Words of header lines: the roles of the columns, or their languages.
HEADERS = {
    *("source", "target", "src", "tgt", "trg", "input", "output", "text", "translation", "sentence", "original"),
    *("en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "zh", "ja", "ko", "ar", "tr", "sv", "da", "fi", "cs", "uk"),
    *("eng", "deu", "ger", "fra", "fre", "spa", "ita", "por", "nld", "pol", "rus", "zho", "jpn", "kor", "ara", "tur"),
    *("english", "german", "french", "spanish", "italian", "portuguese", "dutch", "polish", "russian", "chinese"),
    *("japanese", "korean", "arabic", "turkish", "swedish", "danish", "finnish", "czech", "ukrainian", "hindi"),
    *("deutsch", "français", "español", "italiano", "português", "nederlands"),
}
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def load_pairs(
    name_or_path: str | PathLike[str],
    source: str = "",
    target: str = "",
    *,
    seed: int = 0,
    lower: bool = True,
    validation: str | PathLike[str] = "",
    test: str | PathLike[str] = "",
) -> tuple[Pairs, Pairs, Pairs]:
    """Return pairs of sentences as (train, valid, test).

    Args:
        name_or_path: "numbers", "multi30k" (with the test set of 2016), or a file for `read_pairs`.
        source, target: languages of the first two; by default English and French, German and English.
        seed: determines the numbers, or the twentieths of your own pairs for validation and for test.
        lower: convert the captions of multi30k to lower case.
        validation, test: files of your own pairs to use for these parts; nothing is then taken from the others.

    Raises `ValueError` for fewer than three pairs of your own, and for languages of your own pairs.

    Example:
        >>> train, valid, test = load_pairs("numbers", "en", "de")
        >>> len(train), len(valid), len(test)
        (20000, 500, 1000)
    """
    if validation or test:
        parts = load_pairs(name_or_path, source, target, seed=seed, lower=lower)
        own = [read_pairs(path) if path else [] for path in (validation, test)]
        spare = [part for part, given in zip(parts[1:], own) if given and name_or_path not in PAIRS]
        return sum(spare, parts[0]), own[0] or parts[1], own[1] or parts[2]
    if name_or_path not in PAIRS:
        checks.require(not source and not target, "source and target are the languages of numbers and of multi30k")
        pairs = read_pairs(name_or_path)
        checks.require(len(pairs) > 2, f"{name_or_path} must hold at least three pairs: to learn, to choose, to test")
        order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
        part = max(1, len(pairs) // 20)
        held_out, valid, train = (
            [pairs[i] for i in chosen] for chosen in (order[:part], order[part : 2 * part], order[2 * part :])
        )
        return train, valid, held_out
    train, valid, held_out = PAIRS[str(name_or_path)](source, target, seed, lower)
    return train, valid, held_out


def load_parallel(
    name_or_path: str | PathLike[str],
    source: str = "",
    target: str = "",
    *,
    seed: int = 0,
    min_count: int = 1,
    byte_pairs: int = 0,
    validation: str | PathLike[str] = "",
    test: str | PathLike[str] = "",
) -> tuple[ParallelText, ParallelText, ParallelText]:
    """Return the pairs of `load_pairs` as tokens, with a tokenizer per language, trained on the training part.

    Args:
        name_or_path, source, target, seed, validation, test: as for `load_pairs`.
        min_count: rarer words are unknown.
        byte_pairs: largest number of different byte pairs per language that words are split into, so that nothing is
            unknown; 0 keeps whole words. A few thousand are enough for some hundred thousand words (Sennrich et al.
            2016). A small text has fewer; a warning in the log says how many.
    """
    smallest = len(SPECIAL) + 256
    if 0 != byte_pairs < smallest:
        raise ValueError(f"byte_pairs must be 0, for whole words, or at least {smallest}, got {byte_pairs}")
    parts = load_pairs(name_or_path, source, target, seed=seed, validation=validation, test=test)
    lower = name_or_path == "multi30k"  # as its captions; later inputs of the model are then, too

    def train_tokenizer(side: int, which: str) -> Tokenizer:
        texts = [pair[side] for pair in parts[0]]
        if not byte_pairs:
            return WordTokenizer.of(texts, min_count, lower=lower)
        tokenizer = BytePairTokenizer.of(texts, max_size=byte_pairs, prefix_space=True, lower=lower)
        if len(tokenizer) < byte_pairs:
            logger.warning("the %s sentences have %d byte pairs, not %d", which, len(tokenizer), byte_pairs)
        return tokenizer

    tokenizers = train_tokenizer(0, "source"), train_tokenizer(1, "target")
    train, valid, held_out = (ParallelText(part, *tokenizers) for part in parts)
    return train, valid, held_out


def read_pairs(path: str | PathLike[str]) -> Pairs:
    """Read your own parallel text: one pair per line, source and target in the first two columns.

    Args:
        path: file in UTF-8. A file that ends in .csv has commas or semicolons between its columns, and may have quoted
            fields; any other has tabs.

    Blank lines, a header line and further columns are skipped; a warning in the log says so. Only line breaks end a
    line; other separators, such as U+2028, are part of a sentence.
    Raises `ValueError` that names the file and a line without two columns, or with an empty one.

    Example:
        >>> path = getfixture("tmp_path") / "pairs.tsv"
        >>> _ = path.write_text("one\\tun\\ntwo\\tdeux\\n")
        >>> read_pairs(path)
        [('one', 'un'), ('two', 'deux')]
    """
    path = Path(path).expanduser()
    checks.require(path.is_file(), f"{str(path)!r} is no file: give a text of lines source, tab, target")
    csv_file = path.suffix.lower() == ".csv"
    text = read_utf8(path)
    rows = _csv_rows(path, text) if csv_file else _tab_rows(text)
    rows = [(number, [field.strip() for field in row]) for number, row in rows if any(field.strip() for field in row)]
    checks.require(len(rows) > 0, f"{path} is empty: there is no pair in it")
    columns = Counter(len(row) for _, row in rows).most_common(1)[0][0]
    for number, row in rows:
        form = (
            "source, comma, target, with quotes around a field that has a comma" if csv_file else "source, tab, target"
        )
        checks.require(len(row) == max(2, columns), f"{path}, line {number} must be {form}: {len(row)} parts")
        for side, field in zip(("source", "target"), row):
            checks.require(field != "", f"{path}, line {number} has an empty {side}")
    if columns > 2:
        logger.warning("%s has %d columns: the first two are used", path, columns)
    number, first = rows[0]
    if len(rows) > 1 and all(field.lower() in HEADERS for field in first[:2]):
        logger.warning("%s: line %d (%s) is taken for a header", path, number, ", ".join(first[:2]))
        rows = rows[1:]
    return [(row[0], row[1]) for _, row in rows]


def _tab_rows(text: str) -> list[tuple[int, list[str]]]:
    """Return (line number, fields) of each line. Quotes belong to the sentence, unless every field is quoted."""
    lines = [(number, line.split("\t")) for number, line in enumerate(text.split("\n"), 1)]
    fields = [field.strip() for _, row in lines for field in row if field.strip()]
    if all(_QUOTED.fullmatch(field) for field in fields):
        lines = [(number, [field.strip()[1:-1].replace('""', '"') for field in row]) for number, row in lines]
    return lines


def _csv_rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return (line number, fields) of each row, with the separator , or ; or tab that gives most rows of two fields."""
    readings, failures = [], []
    for separator in ",;\t":
        reader = csv.reader(StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
        rows: list[tuple[int, list[str]]] = []
        try:
            start = 1
            for row in reader:
                rows.append((start, row))
                start = reader.line_num + 1
            readings.append(rows)
        except csv.Error as failure:
            failures.append(f"{path}, line {reader.line_num}: {failure}; write a quote within quotes twice")
    best = max(readings, key=lambda rows: sum(len(row) == 2 for _, row in rows), default=[])
    if failures and not any(len(row) == 2 for _, row in best):
        raise ValueError(failures[0])
    return best
