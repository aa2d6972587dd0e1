"""Pairs of sentences, one a translation of the other: one name, or one path, to (train, test).

train, test = load_pairs("numbers", "en", "fr")     # or "multi30k", or "path/to/your/pairs.tsv"
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch

from groundup import checks
from groundup.data.multi30k import multi30k
from groundup.data.numbers import number_pairs

Pairs = list[tuple[str, str]]

#: The parallel texts that `load_pairs` knows by name, and the languages that each is read in if none are given.
PAIRS = {"numbers": ("en", "fr"), "multi30k": ("de", "en")}


def load_pairs(
    name_or_path: str | PathLike[str], source: str = "", target: str = "", *, seed: int = 0, lower: bool = True
) -> tuple[Pairs, Pairs]:
    """(train, test) of "numbers", of "multi30k" (whose test set is that of 2016), or of your own pairs.

    source, target: the languages of the first two. seed: which numbers are drawn, or which twentieth of your own pairs
    is held out. lower: captions are put into lower case.
    """
    if name_or_path not in PAIRS:
        checks.require(not source and not target, "source and target are the languages of numbers and of multi30k")
        pairs = read_pairs(name_or_path)
        order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
        held_out = max(1, len(pairs) // 20)
        checks.require(
            len(pairs) > held_out, f"{name_or_path} must hold at least two pairs, one to learn and one to test"
        )
        return [pairs[i] for i in order[held_out:]], [pairs[i] for i in order[:held_out]]
    languages = (source or PAIRS[str(name_or_path)][0], target or PAIRS[str(name_or_path)][1])
    if name_or_path == "numbers":
        return number_pairs(*languages, seed=seed)
    return multi30k("train", *languages, lower=lower), multi30k("test", *languages, lower=lower)


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
