"""Continue a prompt with a language model, and print the text while it is generated."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from groundup import checks
from groundup.data import CharacterTokenizer, Tokenizer, WordTokenizer
from groundup.generation import generate
from groundup.tools.text.model_folders import format_command, format_list, save

#: Default length of a continuation. Characters are shorter than words and byte pairs.
DEFAULT_NEW_TOKENS, DEFAULT_NEW_CHARACTERS = 100, 400


def end_of_text(tokenizer: Any) -> list[int]:
    """Return the tokens of a tokenizer that end a text, of the usual ones."""
    names = ("<end>",) if isinstance(tokenizer, Tokenizer) else ("<|endoftext|>", "</s>", "<|end_of_text|>")
    return [token for token in map(tokenizer.token_to_id, names) if token is not None]


def encode(tokenizer: Any, prompt: str) -> list[int]:
    """Return the tokens of a prompt. Raises `ValueError` that names what the vocabulary does not contain."""
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as failure:
        raise ValueError(f"prompt must be a text that UTF-8 can hold, got {prompt!r}") from failure
    if not isinstance(tokenizer, Tokenizer):
        return tokenizer.encode(prompt).ids
    if unknown := tokenizer.unknown(prompt):
        kind = "words" if isinstance(tokenizer, WordTokenizer) else "characters"
        known = len(tokenizer) - len(tokenizer.special)
        raise ValueError(
            f"the prompt has {format_list(unknown)}, not among the {known:,} {kind} that the model was trained on"
        )
    return tokenizer.encode(prompt).tolist()


def write(model: Any, tokenizer: Any, prompt: str, on_text: Callable[[str], object], **options: Any) -> str:
    """Continue `prompt` and return the continuation.

    The model computes in eval mode; the modes of its parts are restored.

    Args:
        model: a language model.
        tokenizer: its tokenizer.
        prompt: the start of the text.
        on_text: called with each piece of text as soon as it is known; for a beam search once, at the end.
        options: of `groundup.generation.generate`.

    Raises `ValueError` for a prompt that the model cannot read, and for a model that reads in both directions.
    """
    if getattr(getattr(model, "core", None), "bidirectional", False):
        raise ValueError(
            "the model reads both ways, to fill gaps, and cannot continue a text: ask it with `groundup fill`"
        )
    start, size = encode(tokenizer, prompt), tokenizer.get_vocab_size()
    stops = end_of_text(tokenizer)
    if not start:
        checks.require(len(stops) > 0, "prompt is empty, and the tokenizer has no token that a text begins with")
        start = stops[:1]
    tokens: list[int] = []

    def has_text(token: int) -> bool:
        return token not in stops and token < size  # a padded vocabulary has places without a token

    passed_on = before = tokenizer.decode(start)

    def on_token(token: torch.Tensor) -> None:
        nonlocal passed_on
        if not has_text(int(token)):
            return
        tokens.append(int(token))
        text = tokenizer.decode([*start, *tokens])
        if not text.endswith("\ufffd"):  # the first bytes of a character that is incomplete
            on_text(text[len(passed_on) :])
            passed_on = text

    modes = [(part, part.training) for part in model.modules()]
    try:
        found = generate(model.eval(), [start], stop=stops, on_token=on_token, **options)
    finally:
        for part, training in modes:
            part.training = training
    text: str = tokenizer.decode([*start, *filter(has_text, found.tokens[0].tolist())])
    on_text(text[len(passed_on) :])
    return text[len(before) :]


def save_and_write(
    model: Any, tokenizer: Any, folder: str | Path, prompt: str, seed: int = 0, new: int | None = None, **options: Any
) -> str:
    """Save a trained language model, print a continuation of `prompt`, and return the command that prints it again.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        folder: where to save both.
        prompt: the start of the text.
        seed: seed of the random draws.
        new: number of tokens to write; by default as many as the command.
        options: of `save`.
    """
    save(model, folder, tokenizer, **options)
    _print(prompt)
    write_as_command(model, tokenizer, prompt, max_new_tokens=new, seed=seed)
    _print("\n")
    return format_command("generate", prompt, folder, max_new_tokens=new, seed=seed or None)


def write_as_command(
    model: Any,
    tokenizer: Any,
    prompt: str,
    *,
    max_new_tokens: int | None = None,
    temperature: float = 0.8,
    top_p: float | None = 0.95,
    past_context: str = "slide",
    seed: int = 0,
    **options: Any,
) -> str:
    """Print the continuation of `prompt` as `write` returns it, with the defaults of `groundup generate`."""
    if max_new_tokens is None:
        is_of_characters = isinstance(tokenizer, CharacterTokenizer)
        max_new_tokens = DEFAULT_NEW_CHARACTERS if is_of_characters else DEFAULT_NEW_TOKENS
    generator = torch.Generator().manual_seed(seed)
    options |= {"temperature": temperature, "top_p": top_p, "past_context": past_context, "generator": generator}
    return write(model, tokenizer, prompt, _print, max_new_tokens=max_new_tokens, **options)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
