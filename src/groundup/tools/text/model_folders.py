"""Folders of trained text models: save a model with its tokenizer, load it again, and find its class."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import torch

import groundup.models
from groundup import checks
from groundup.data import Tokenizer, load_tokenizer
from groundup.models.saved import model_classes
from groundup.training import distributed
from groundup.weights.config import Config, read_config
from groundup.weights.hub import locate
from groundup.weights.pretrained_language import REPOSITORIES
from groundup.weights.weight_files import CONFIG

TOKENIZER, SOURCE, TARGET = "tokenizer.json", "source_tokenizer.json", "target_tokenizer.json"
#: Largest number of places of a vocabulary without a token. Published vocabularies are rounded up, by at most 943.
MAX_UNUSED_TOKENS = 1024


def list_text_models() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (language models, translators) by class name, those of groundup.models and imported ones of the user.

    Both have `step`. A translator also has `begin(source, lengths)`.
    """
    exported = set(dir(groundup.models))
    decoders = {
        name: cls
        for name, cls in model_classes().items()
        if hasattr(cls, "step") and (name in exported or not cls.__module__.startswith("groundup."))
    }
    translators = {name: cls for name, cls in decoders.items() if _is_translator(cls)}
    return {name: cls for name, cls in decoders.items() if name not in translators}, translators


def _is_translator(cls: Any) -> bool:
    return hasattr(cls, "begin") and "source" in signature(cls.begin).parameters


def find_model_class(folder: Path, config: Config | None, command: str = "generate") -> Any:
    """Return the class of the model in a folder.

    Args:
        folder: the folder, for messages.
        config: its configuration: see `read_config`.
        command: "generate" for language models, "translate" for translators.

    Other libraries' files name only the format, such as "llama", and Meta's not even that. Of the models with that
    format the one with the largest context is taken: of LLaMA 1 and Llama 2, which differ in nothing else, Llama 2.
    `LLaMA1.from_pretrained` reads the same folder with a context of 2048.

    Raises `ValueError` for a folder that does not name its model, or names one for another command.
    """
    if config is None:
        raise ValueError(f"{folder} does not say what model it holds: there is no {CONFIG} in it")
    language_models, translators = list_text_models()
    by_format: dict[str, Any] = {}
    for cls in sorted(language_models.values(), key=lambda cls: getattr(cls, "paper_context", 0)):
        if getattr(cls, "format", None):
            by_format[cls.format] = cls
    models = {"generate": by_format | language_models, "translate": translators}
    kind = "llama" if config.meta_parts else config.model or (config.foreign or {}).get("model_type")
    if isinstance(kind, str) and kind in models[command]:
        return models[command][kind]
    other = next((other for other in models if kind in list(models[other])), None)
    remedy = f"ask it with `groundup {other}`" if other else f"there are {', '.join(map(repr, models[command]))}"
    raise ValueError(f"{folder} holds a {kind!r}; {remedy}")


def save(model: Any, folder: str | Path, tokenizer: Any, target_tokenizer: Any = None, **options: Any) -> Path:
    """Save a trained model with its tokenizer and return the folder. Of several processes the main one saves.

    Args:
        model: a language model or a translator.
        folder: created if need be.
        tokenizer: of a language model, or of the source language.
        target_tokenizer: of the target language, for a translator.
        options: of the model's `save_pretrained`, such as names="transformers".
    """

    def save_all() -> Path:
        path = model.save_pretrained(folder, **options)
        names = (TOKENIZER,) if target_tokenizer is None else (SOURCE, TARGET)
        for name, one in zip(names, (tokenizer, target_tokenizer)):
            one.save(str(path / name))
        return Path(folder)

    return distributed.on_main(save_all)


def load(name: str, dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """Load (language model, tokenizer).

    Args:
        name: a folder, a repository of the hub, or its short name, such as "gpt2".
        dtype: of the model; that of the file by default.

    Raises `ValueError` for a folder that does not name its model, or whose tokenizer has more tokens than the model.
    """
    path = locate(name, REPOSITORIES)
    folder = path if path.is_dir() else path.parent
    config = read_config(folder)
    model = find_model_class(folder, config).load_folder(folder, config, dtype=dtype)
    tokenizer = load_tokenizer(folder)
    size = tokenizer.get_vocab_size()
    if not size <= model.vocab_size <= size + MAX_UNUSED_TOKENS:
        raise ValueError(
            f"the tokenizer in {folder} has {size} tokens, and the model's vocab_size is {model.vocab_size}: "
            "they do not belong together"
        )
    return model, tokenizer


def load_translator(name: str | Path) -> tuple[Any, Tokenizer, Tokenizer]:
    """Load (translator, source tokenizer, target tokenizer) from a folder that `save_translator` wrote.

    Raises `ValueError` if the tokenizers have other numbers of tokens than the model.
    """
    folder = find_folder(name)
    config = read_config(folder)
    model = find_model_class(folder, config, "translate").load_folder(folder, config)
    source, target = load_tokenizer(folder / SOURCE), load_tokenizer(folder / TARGET)
    keys = ("source_vocab", "target_vocab", "vocab_size", "target_vocab_size")
    sizes = [size for key in keys if (size := model.init_arguments.get(key)) is not None]  # one if they are shared
    for tokenizer, size in zip((source, target), (sizes[:1] + sizes[-1:]) * bool(sizes)):
        if not isinstance(tokenizer, Tokenizer) or len(tokenizer) != size:
            raise ValueError(f"{folder} holds a model of {size} tokens, and {tokenizer}: they do not belong together")
    return model, source, target


def find_folder(name: str | Path) -> Path:
    """Return the folder of that name. Raises `ValueError` if there is none."""
    folder = Path(name).expanduser()
    checks.require(
        folder.is_dir(), f"model must be a folder that a training saved, as runs/NAME/model, got {str(name)!r}"
    )
    return folder


def format_command(command: str, text: str | Path, folder: str | Path, **flags: Any) -> str:
    """Return a `groundup` command that asks the model in `folder` about `text`. Flags that are None are left out."""
    words = ["groundup", command, quote(text), "--model", quote(folder)]
    for name, value in flags.items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return " ".join(words)


def quote(text: str | Path) -> str:
    """Return the text as one word of a shell: if possible in double quotes, which every shell knows.

    Example:
        >>> print(quote("two words"))
        "two words"
    """
    text = str(text)
    if re.fullmatch(r"[\w./-]+", text, re.ASCII):
        return text
    return shlex.quote(text) if re.search(r'["$`!\\\n]', text) else f'"{text}"'


def format_list(pieces: Iterable[str] | Sequence[str], most: int = 10) -> str:
    """Return the pieces in quotes, at most `most` of them.

    Example:
        >>> format_list(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    pieces = list(pieces)
    return ", ".join(map(repr, pieces[:most])) + (f" and {len(pieces) - most} more" if len(pieces) > most else "")
