"""What a language model writes: published or one's own weights, the tokenizer beside them, text as it comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from groundup import checks
from groundup.data import load_tokenizer
from groundup.decoding import generate
from groundup.models.transformer_networks import GPT2, GPT3, LLaMA1, LLaMA2
from groundup.pretrained.config import CONFIG, read_object
from groundup.pretrained.files import metas_parts
from groundup.pretrained.language import REPOSITORIES
from groundup.pretrained.loading import locate

#: What config.json calls a model, and the class that it is.
MODELS = {"gpt2": GPT2, "llama": LLaMA2, **{cls.__name__: cls for cls in (GPT2, GPT3, LLaMA1, LLaMA2)}}
SPARE = 1024  # places without a token that a vocabulary may have: published ones are rounded up, by 943 at the most


def load(name: str, dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder, a repository of the hub, or its short name, as "gpt2".

    Raises `ValueError` where the folder does not say what it holds, or its tokenizer has tokens that the model has not.
    """
    folder = locate(name, REPOSITORIES)
    folder = folder if folder.is_dir() else folder.parent
    model = model_class(folder).from_pretrained(folder, dtype=dtype)
    tokenizer = load_tokenizer(folder)
    agree(model, tokenizer, folder)
    return model, tokenizer


def model_class(folder: Path) -> Any:
    """The class of the model that lies there.

    Meta's params.json does not tell LLaMA 1 from Llama 2, which differ in the context alone: Llama 2 is taken, whose
    context is 4096 where the file states no max_seq_len. `LLaMA1.from_pretrained` reads the same folder with 2048.
    """
    if metas_parts(folder):
        return LLaMA2
    if not (folder / CONFIG).is_file():
        raise ValueError(f"{folder} does not say what model it holds: there is no {CONFIG} in it")
    config = read_object(folder / CONFIG)
    kind = config.get("class") or config.get("model_type")
    if not isinstance(kind, str) or kind not in MODELS:
        raise ValueError(f"{folder} holds a {kind!r}; there are {', '.join(map(repr, MODELS))}")
    return MODELS[kind]


def agree(model: Any, tokenizer: Any, where: Path) -> None:
    """A vocabulary may have some places to spare, as padded ones do; a token without a place is another model's."""
    size = tokenizer.get_vocab_size()
    if not size <= model.vocab_size <= size + SPARE:
        raise ValueError(
            f"the tokenizer in {where} has {size} tokens, and the model's vocab_size is {model.vocab_size}: "
            "they do not belong together"
        )


def end_of_text(tokenizer: Any) -> list[int]:
    """The tokens that end a text, of those that are usual."""
    found = (tokenizer.token_to_id(name) for name in ("<|endoftext|>", "</s>", "<|end_of_text|>"))
    return [token for token in found if token is not None]


def write(model: Any, tokenizer: Any, prompt: str, tell: Callable[[str], object], **options: Any) -> str:
    """Go on with `prompt`, telling the text as soon as it is known; returns all that was written.

    options    of `groundup.decoding.generate`; what a beam search finds is told at its end

    The model writes in eval mode, and is then in the mode that it was in.
    """
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as failure:
        raise ValueError(f"prompt must be a text that UTF-8 can hold, got {prompt!r}") from failure
    start, size = tokenizer.encode(prompt).ids, tokenizer.get_vocab_size()
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
