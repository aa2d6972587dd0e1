"""Folders of trained text models: saved by a training, loaded to be asked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from groundup import checks
from groundup.data import Tokenizer, load_tokenizer
from groundup.models.attention_networks import BahdanauAttention
from groundup.models.recurrent_networks import LangModel, Seq2Seq
from groundup.models.transformer_networks import GPT2, GPT3, LLaMA1, LLaMA2, Transformer
from groundup.training import distributed
from groundup.weights.config import read_object
from groundup.weights.hub import locate
from groundup.weights.pretrained_language import REPOSITORIES
from groundup.weights.weight_files import CONFIG, list_meta_parts

#: The name of a model in config.json and its class: language models, and translators.
MODELS = {"gpt2": GPT2, "llama": LLaMA2, **{cls.__name__: cls for cls in (GPT2, GPT3, LLaMA1, LLaMA2, LangModel)}}
TRANSLATORS = {cls.__name__: cls for cls in (Transformer, Seq2Seq, BahdanauAttention)}
TOKENIZER, SOURCE, TARGET = "tokenizer.json", "source_tokenizer.json", "target_tokenizer.json"
SPARE = 1024  # places without a token that a vocabulary may have: published ones are rounded up, by 943 at the most


def save(model: Any, folder: str | Path, tokenizer: Any, target_tokenizer: Any = None, **options: Any) -> Path:
    """Save a trained model with its tokenizer, or a translator with both of its; return the folder.

    options    of the model's `save_pretrained`, as names="transformers"

    Of several processes the main one alone writes.
    """

    def written() -> Path:
        path = model.save_pretrained(folder, **options)
        names = (TOKENIZER,) if target_tokenizer is None else (SOURCE, TARGET)
        for name, one in zip(names, (tokenizer, target_tokenizer)):
            one.save(str(path / name))
        return Path(folder)

    return distributed.on_main(written)


def load(name: str, dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """(language model, tokenizer) of a folder, a repository of the hub, or its short name, as "gpt2".

    Raises `ValueError` where the folder does not say what it holds, or its tokenizer has tokens that the model has not.
    """
    folder = locate(name, REPOSITORIES)
    folder = folder if folder.is_dir() else folder.parent
    model = model_class(folder).from_pretrained(folder, dtype=dtype)
    tokenizer = load_tokenizer(folder)
    agree(model.vocab_size, tokenizer, folder)
    return model, tokenizer


def load_translator(name: str | Path) -> tuple[Any, Tokenizer, Tokenizer]:
    """(model, source tokenizer, target tokenizer) of the folder that the training of a translator saved."""
    folder = folder_of(name)
    model = model_class(folder, TRANSLATORS).from_pretrained(folder)
    source, target = load_tokenizer(folder / SOURCE), load_tokenizer(folder / TARGET)
    keys = ("source_vocab", "target_vocab", "vocab_size", "target_vocab_size")
    sizes = [size for key in keys if (size := model.init_arguments.get(key)) is not None]  # one, where they share it
    for tokenizer, size in zip((source, target), (sizes[:1] + sizes[-1:]) * bool(sizes)):
        if not isinstance(tokenizer, Tokenizer) or len(tokenizer) != size:
            raise ValueError(f"{folder} holds a model of {size} tokens, and {tokenizer}: they do not belong together")
    return model, source, target


def folder_of(name: str | Path) -> Path:
    """The folder of that name. Raises `ValueError` where there is none."""
    folder = Path(name).expanduser()
    checks.require(
        folder.is_dir(), f"model must be a folder that a training saved, as runs/NAME/model, got {str(name)!r}"
    )
    return folder


def model_class(folder: Path, known: Mapping[str, Any] = MODELS) -> Any:
    """The class, of those `known`, of the model that lies there.

    Meta's params.json does not tell LLaMA 1 from Llama 2, which differ in the context alone: Llama 2 is taken, whose
    context is 4096 where the file states no max_seq_len. `LLaMA1.from_pretrained` reads the same folder with 2048.
    """
    if list_meta_parts(folder):
        return LLaMA2
    if not (folder / CONFIG).is_file():
        raise ValueError(f"{folder} does not say what model it holds: there is no {CONFIG} in it")
    config = read_object(folder / CONFIG)
    kind = config.get("class") or config.get("model_type")
    if isinstance(kind, str) and kind in known:
        return known[kind]
    other = {**dict.fromkeys(MODELS, "generate"), **dict.fromkeys(TRANSLATORS, "translate")}.get(str(kind))
    raise ValueError(
        f"{folder} holds a {kind!r}; "
        + (f"ask it with `groundup {other}`" if other else f"there are {', '.join(map(repr, known))}")
    )


def agree(vocab_size: int, tokenizer: Any, where: Path) -> None:
    """A vocabulary may have some places to spare, as padded ones do; a token without a place is another model's."""
    size = tokenizer.get_vocab_size()
    if not size <= vocab_size <= size + SPARE:
        raise ValueError(
            f"the tokenizer in {where} has {size} tokens, and the model's vocab_size is {vocab_size}: "
            "they do not belong together"
        )


def quoted(text: str | Path) -> str:
    """The text as a shell takes it for one word: in double quotes, which every shell knows, where that is enough."""
    text = str(text)
    if re.fullmatch(r"[\w./-]+", text, re.ASCII):
        return text
    return shlex.quote(text) if re.search(r'["$`!\\\n]', text) else f'"{text}"'


def listed(pieces: Sequence[str], most: int = 10) -> str:
    """The pieces, quoted, at most `most` of them."""
    return ", ".join(map(repr, pieces[:most])) + (f" and {len(pieces) - most} more" if len(pieces) > most else "")
