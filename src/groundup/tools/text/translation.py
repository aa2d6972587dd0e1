"""Translations of sentences by a trained translator."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundup import checks
from groundup.data import ParallelText, Tokenizer
from groundup.tools.text.folders import listed, quoted, save
from groundup.training import translate

logger = logging.getLogger("groundup")


def translate_sentences(
    model: Any, source: Tokenizer, target: Tokenizer, sentences: Sequence[str], beam: int = 5, max_len: int = 60
) -> list[str]:
    """The translation of each sentence, by a beam search of that width, as a training's test set is translated.

    Words that the model has not seen are named in a line of the log, and read as unknown.
    """
    for sentence in sentences:
        checks.require(len(source.encode(sentence)) > 0, f"a sentence must have words, got {sentence!r}")
        if unknown := source.unknown(sentence):
            logger.warning("the model has not seen %s, and reads it as <unknown>", listed(unknown))
    return translate(model, ParallelText([(sentence, "") for sentence in sentences], source, target), beam, max_len)


def save_translator(model: Any, text: ParallelText, folder: str | Path, beam: int = 5) -> str:
    """Save a trained translator with its tokenizers; return the command that translates `text`'s first sentence."""
    save(model, folder, text.source_tokenizer, text.target_tokenizer)
    width = "" if beam == 5 else f" --beam {beam}"
    return f"groundup translate {quoted(text.pairs[0][0])} --model {quoted(folder)}{width}"
