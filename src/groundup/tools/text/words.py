"""Words for a gap in a text, and words with similar vectors."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.autoencoders.word2vec import find_nearest
from groundup.data import PAD, Tokenizer, Vocabulary, WordTokenizer, read_vectors, write_vectors
from groundup.functional import softmax
from groundup.models.recurrent_networks import LangModel
from groundup.tools.text.model_folders import find_folder, format_command, load, save
from groundup.training import distributed

VECTORS = "vectors.txt"
GAP = re.compile(r"-?_{3,}")


@torch.no_grad()
def fill(model: LangModel, tokenizer: Tokenizer, text: str, top: int = 5) -> list[tuple[str, float]]:
    """Return the likeliest words for the gap in a text, with their probabilities.

    Args:
        model: a model that was trained to find masked words, with PAD in the place of the word.
        tokenizer: its tokenizer.
        text: a text with one gap, written ___.
        top: number of words.
    """
    pieces = tokenizer.split(text)
    gaps = [i for i, piece in enumerate(pieces) if GAP.fullmatch(piece)]
    checks.require(len(gaps) == 1, f"text must have one gap, written ___, got {len(gaps)}")
    tokens = tokenizer.encode(text)
    tokens[gaps[0]] = PAD
    training = model.training
    scores = model.eval()(tokens[None].to(model.head.weight.device))[0][0, gaps[0]]
    model.train(training)
    scores[: len(tokenizer.special)] = -torch.inf
    best = softmax(scores, -1).topk(min(checks.integer("top", top), len(tokenizer) - len(tokenizer.special)))
    return [(tokenizer.pieces[i], p) for i, p in zip(best.indices.tolist(), best.values.tolist())]


def load_filler(name: str | Path) -> tuple[LangModel, Tokenizer]:
    """Load (model, tokenizer) from a folder that `save_and_fill` wrote."""
    folder = find_folder(name)
    model, tokenizer = load(str(folder))
    if not isinstance(model, LangModel) or not isinstance(tokenizer, WordTokenizer):
        raise ValueError(f"{folder} holds no model of masked words; ask it with `groundup generate`")
    return model, tokenizer


def save_vectors(folder: str | Path, words: Sequence[str], vectors: Float[Tensor, "V E"], asked: str) -> str:
    """Save the vectors of words in word2vec's text format; return the command that lists the words similar to `asked`.

    Of several processes the main one writes.
    """
    distributed.on_main(lambda: write_vectors(Path(folder) / VECTORS, words, vectors))
    return format_command("similar", asked, folder)


def similar(name: str | Path, words: Sequence[str], top: int = 10) -> dict[str, list[tuple[str, float]]]:
    """Return for each word the words with the most similar vectors, with the cosines, the most similar first.

    Args:
        name: a file in word2vec's text format, or a folder with vectors.txt.
        words: words that have a vector.
        top: number of similar words per word.

    Raises `ValueError` for a word without a vector; the message names words with similar spelling.
    """
    path = Path(name).expanduser()
    known, vectors = read_vectors(path / VECTORS if path.is_dir() else path)
    asked = Vocabulary(known, torch.zeros(len(known), dtype=torch.int64)).index(words)
    found = find_nearest(vectors[asked], vectors, asked[:, None], min(checks.integer("top", top), len(known) - 1))
    return {
        word: [(known[i], cosine) for i, cosine in zip(row.tolist(), cosines.tolist())]
        for word, cosines, row in zip(words, *found)
    }


def save_and_fill(
    model: LangModel, tokenizer: WordTokenizer, folder: str | Path, text: str, window: int = 24, count: int = 5
) -> str:
    """Save a model of masked words, print what it finds in gaps of a text, and return the command for the last gap.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        folder: where to save both.
        text: the text. Of its first `count` pieces of `window` + 1 words, the word in the middle is the gap.
        window: length of a piece, minus 1.
        count: number of pieces.
    """
    save(model, folder, tokenizer)
    pieces, command = tokenizer.split(text), ""
    for start in range(0, min(count * window, len(pieces)), window):
        words = pieces[start : start + window + 1]
        words[len(words) // 2], word = "___", words[len(words) // 2]
        shown = " ".join(words)
        found = ", ".join(f"{other} {100 * p:.0f} %" for other, p in fill(model, tokenizer, shown, 3))
        sys.stdout.write(f"{shown}\n    ___: {found} · the author: {word}\n")
        command = format_command("fill", shown, folder)
    return command
