"""Translate sentences with a trained translator."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundup import checks
from groundup.data import ParallelText, Tokenizer
from groundup.tools.text.model_folders import format_command, format_list, save
from groundup.training import translate

logger = logging.getLogger("groundup")


def translate_sentences(
    model: Any, source: Tokenizer, target: Tokenizer, sentences: Sequence[str], beam: int = 5, max_len: int = 60
) -> list[str]:
    """Return the translation of each sentence, by beam search.

    Args:
        model: a translator.
        source: tokenizer of its source language.
        target: tokenizer of its target language.
        sentences: the sentences. Words that the model does not know are named in the log, and read as <unknown>.
        beam: width of the beam search.
        max_len: maximum number of tokens of a translation.

    Raises `ValueError` for a sentence without words.
    """
    for sentence in sentences:
        checks.require(len(source.encode(sentence)) > 0, f"a sentence must have words, got {sentence!r}")
        if unknown := source.unknown(sentence):
            logger.warning("the model has not seen %s, and reads it as <unknown>", format_list(unknown))
    return translate(model, ParallelText([(sentence, "") for sentence in sentences], source, target), beam, max_len)


def save_translator(model: Any, text: ParallelText, folder: str | Path, beam: int = 5) -> str:
    """Save a trained translator with its tokenizers; return the command that translates `text`'s first sentence."""
    save(model, folder, text.source_tokenizer, text.target_tokenizer)
    return format_command("translate", text.pairs[0][0], folder, beam=None if beam == 5 else beam)
