"""Continue a prompt with a language model, and pass the text on as it is generated."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from groundup import checks
from groundup.data import CharacterTokenizer, Tokenizer, WordTokenizer
from groundup.generation import generate
from groundup.tools.text.folders import listed, quoted, save

NEW_TOKENS, NEW_CHARACTERS = 100, 400  # how much is written, if nothing is said


def end_of_text(tokenizer: Any) -> list[int]:
    """The tokens that end a text, of those that are usual."""
    names = ("<end>",) if isinstance(tokenizer, Tokenizer) else ("<|endoftext|>", "</s>", "<|end_of_text|>")
    return [token for token in map(tokenizer.token_to_id, names) if token is not None]


def encode(tokenizer: Any, prompt: str) -> list[int]:
    """The tokens of a prompt. Raises `ValueError` that names what the vocabulary does not have."""
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as failure:
        raise ValueError(f"prompt must be a text that UTF-8 can hold, got {prompt!r}") from failure
    if not isinstance(tokenizer, Tokenizer):
        return tokenizer.encode(prompt).ids
    if unknown := tokenizer.unknown(prompt):
        what = "words" if isinstance(tokenizer, WordTokenizer) else "characters"
        known = len(tokenizer) - len(tokenizer.special)
        raise ValueError(
            f"the prompt has {listed(unknown)}, not among the {known:,} {what} that the model was trained on"
        )
    return tokenizer.encode(prompt).tolist()


def new_tokens(tokenizer: Any) -> int:
    """How many tokens are written if nothing is said: characters are shorter than words and byte pairs."""
    return NEW_CHARACTERS if isinstance(tokenizer, CharacterTokenizer) else NEW_TOKENS


def write(model: Any, tokenizer: Any, prompt: str, tell: Callable[[str], object], **options: Any) -> str:
    """Continue `prompt`, and call `tell` with each piece of text as soon as it is known; returns all of it.

    options    of `groundup.generation.generate`; what a beam search finds is told at its end

    The model writes in eval mode, and is then in the mode that it was in.
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
        return token not in stops and token < size  # a place without a token has none

    told = before = tokenizer.decode(start)

    def on_token(token: torch.Tensor) -> None:
        nonlocal told
        if not has_text(int(token)):
            return
        tokens.append(int(token))
        text = tokenizer.decode([*start, *tokens])
        if not text.endswith("\ufffd"):  # the first bytes of a character that is not whole yet
            tell(text[len(told) :])
            told = text

    modes = [(part, part.training) for part in model.modules()]
    try:
        found = generate(model.eval(), [start], stop=stops, on_token=on_token, **options)
    finally:
        for part, training in modes:
            part.training = training
    text: str = tokenizer.decode([*start, *filter(has_text, found.tokens[0].tolist())])
    tell(text[len(told) :])
    return text[len(before) :]


def save_and_write(
    model: Any, tokenizer: Any, folder: str | Path, prompt: str, seed: int = 0, new: int | None = None, **options: Any
) -> str:
    """Save a trained language model, print what it writes after `prompt`; return the command that writes it again.

    seed       of the generator that draws
    new        how many tokens to write; by default as many as the command does
    options    of `save`
    """
    save(model, folder, tokenizer, **options)
    _tell(prompt)
    write_as_commanded(model, tokenizer, prompt, max_new_tokens=new, seed=seed)
    _tell("\n")
    flags = {"--max-new-tokens": new, "--seed": seed or None}
    given = [f"{flag} {value}" for flag, value in flags.items() if value is not None]
    return " ".join(["groundup generate", quoted(prompt), "--model", quoted(folder), *given])


def write_as_commanded(
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
    """`write` to the terminal, with the defaults of `groundup generate`."""
    return write(
        model,
        tokenizer,
        prompt,
        _tell,
        max_new_tokens=new_tokens(tokenizer) if max_new_tokens is None else max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        past_context=past_context,
        generator=torch.Generator().manual_seed(seed),
        **options,
    )


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
