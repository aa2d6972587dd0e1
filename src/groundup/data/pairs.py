"""Pairs of sentences, one a translation of the other: one name, or one path, to (train, valid, test).

train, valid, test = load_pairs("numbers", "en", "fr")      # or "multi30k", or "path/to/your/pairs.tsv"
train, valid, test = load_parallel("multi30k", byte_pairs=4000)     # the same, as tokens
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch

from groundup import checks
from groundup.data.multi30k import multi30k
from groundup.data.numbers import number_pairs
from groundup.data.sequences import ParallelText
from groundup.data.tokenizers import BytePairTokenizer, Tokenizer, WordTokenizer

Pairs = list[tuple[str, str]]

#: The parallel texts that `load_pairs` knows by name, and the languages that each is read in if none are given.
PAIRS = {"numbers": ("en", "fr"), "multi30k": ("de", "en")}


def load_pairs(
    name_or_path: str | PathLike[str], source: str = "", target: str = "", *, seed: int = 0, lower: bool = True
) -> tuple[Pairs, Pairs, Pairs]:
    """(train, valid, test) of "numbers", of "multi30k" (whose test set is that of 2016), or of your own pairs.

    source, target: the languages of the first two. seed: which numbers are drawn, or which two twentieths of your own
    pairs are held out. lower: captions are put into lower case.
    """
    if name_or_path not in PAIRS:
        checks.require(not source and not target, "source and target are the languages of numbers and of multi30k")
        pairs = read_pairs(name_or_path)
        checks.require(len(pairs) > 2, f"{name_or_path} must hold at least three pairs: to learn, to choose, to test")
        order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
        part = max(1, len(pairs) // 20)
        test, valid, train = (
            [pairs[i] for i in chosen] for chosen in (order[:part], order[part : 2 * part], order[2 * part :])
        )
        return train, valid, test
    languages = (source or PAIRS[str(name_or_path)][0], target or PAIRS[str(name_or_path)][1])
    if name_or_path == "numbers":
        train, test = number_pairs(*languages, count=20_500, seed=seed)
        return train[500:], train[:500], test
    train, valid, test = (multi30k(part, *languages, lower=lower) for part in ("train", "val", "test"))
    return train, valid, test


def load_parallel(
    name_or_path: str | PathLike[str],
    source: str = "",
    target: str = "",
    *,
    seed: int = 0,
    min_count: int = 1,
    byte_pairs: int = 0,
) -> tuple[ParallelText, ParallelText, ParallelText]:
    """The pairs of `load_pairs`, with a tokenizer of each language, trained on what there is to learn.

    min_count    rarer words are unknown
    byte_pairs   instead of words, so many pieces of words of each language: none is unknown. For a few hundred thousand
                 words some thousand pieces do (Sennrich et al. 2016)
    """
    parts = load_pairs(name_or_path, source, target, seed=seed)

    def trained(side: int) -> Tokenizer:
        texts = (pair[side] for pair in parts[0])
        if byte_pairs:
            return BytePairTokenizer.of(texts, max_size=byte_pairs, prefix_space=True)
        return WordTokenizer.of(texts, min_count)

    tokenizers = trained(0), trained(1)
    train, valid, test = (ParallelText(part, *tokenizers) for part in parts)
    return train, valid, test


def read_pairs(path: str | PathLike[str]) -> Pairs:
    """Your own parallel text: UTF-8, one pair a line, source and target with a tab between.

    Raises `ValueError` that names the line which is not so.
    """
    path = Path(path).expanduser()
    checks.require(path.is_file(), f"{str(path)!r} is no file: give a text of lines source, tab, target")
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.strip().split("\t")
        if not line.strip():
            continue
        checks.require(len(parts) == 2, f"{path}, line {number} must be source, tab, target: {len(parts)} parts")
        pairs.append((parts[0].strip(), parts[1].strip()))
    checks.require(len(pairs) > 0, f"{path} is empty: there is no pair in it")
    return pairs
