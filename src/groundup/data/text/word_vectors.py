"""Word vectors as text, one word per line: the format of word2vec, GloVe, gensim and fastText.

5000 64                             number of words, and of numbers per word (GloVe's files have no such line)
the 0.0418 -0.1573 …
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.durable import write_file


def write_vectors(path: str | PathLike[str], words: Sequence[str], vectors: Float[Tensor, "V E"]) -> None:
    """Write the vector of each word, with enough digits that `read_vectors` returns the same float32 numbers.

    Args:
        path: file to write; its folder is created if need be.
        words: V words. Raises `ValueError` for one with a space or a line break, which the format cannot hold.
        vectors: (V, E) vectors.

    Example:
        >>> path = getfixture("tmp_path") / "vectors.txt"
        >>> write_vectors(path, ["cat"], torch.tensor([[0.5, 1.0]]))
        >>> read_vectors(path)
        (('cat',), tensor([[0.5000, 1.0000]]))
    """
    checks.size(
        "vectors", checks.rank("vectors", vectors, 2, layout="(V, E)"), 0, len(words), "rows, one for each word"
    )
    for word in words:
        checks.require(word.split() == [word], f"words must be without spaces, got {word!r}")
    rows = vectors.detach().float().cpu().tolist()
    lines = [
        f"{len(words)} {vectors.size(1)}",
        *(f"{word} {' '.join(f'{number:.9g}' for number in row)}" for word, row in zip(words, rows)),
    ]
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, "\n".join(lines) + "\n")


def read_vectors(path: str | PathLike[str]) -> tuple[tuple[str, ...], Float[Tensor, "V E"]]:
    """Return (words, vectors) of a file.

    Args:
        path: file in word2vec's text format, with or without its first line.

    Raises `ValueError`, naming the file and the line, if it is damaged.
    """
    path = Path(path).expanduser()
    checks.require(path.is_file(), f"{str(path)!r} is no file of word vectors")
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError as failure:
        raise ValueError(
            f"{path} is not UTF-8 at byte {failure.start:,}: it is no text file of word vectors"
        ) from failure
    stated = lines[0].split()
    header = len(stated) == 2 and all(part.isdecimal() for part in stated)
    words: list[str] = []
    rows: list[list[float]] = []
    for number, line in enumerate(lines[header:], 1 + header):
        word, *numbers = line.rstrip(" \r").split(" ")
        try:
            row = [float(part) for part in numbers]
        except ValueError as failure:
            raise ValueError(f"{path}, line {number}: {failure}") from failure
        if not row or len(row) != (len(rows[0]) if rows else len(row)):
            raise ValueError(
                f"{path}, line {number} has {len(row)} numbers, and {len(rows[0]) if rows else 'none'} before"
            )
        words.append(word)
        rows.append(row)
    if header and [len(rows), len(rows[0]) if rows else 0] != [int(part) for part in stated]:
        raise ValueError(f"{path} holds {len(rows)} words, and its first line says {' × '.join(stated)}: it is cut off")
    checks.require(len(set(words)) == len(words), f"{path} has a word twice")
    return tuple(words), torch.tensor(rows, dtype=torch.float32)
