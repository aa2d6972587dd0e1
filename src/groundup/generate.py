"""What text models answer, published or one's own: the next tokens, a translation, a missing word, similar words.

A training saves its model with `save`, in a folder that holds all that an answer needs:

    config.json  model.safetensors       the class, its arguments and its weights
    tokenizer.json                       of a language model, or
    source_tokenizer.json  target_tokenizer.json      of a translator
    vectors.txt                          alone: of word vectors, see `groundup.data.write_vectors`
"""

from __future__ import annotations

import logging
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from groundup import checks
from groundup.autoencoders.word2vec import nearest
from groundup.data import (
    PAD,
    CharacterTokenizer,
    ParallelText,
    Tokenizer,
    Vocabulary,
    WordTokenizer,
    load_tokenizer,
    read_vectors,
)
from groundup.decoding import generate
from groundup.functional import softmax
from groundup.models.attention_networks import BahdanauAttention
from groundup.models.recurrent_networks import LangModel, Seq2Seq
from groundup.models.transformer_networks import GPT2, GPT3, LLaMA1, LLaMA2, Transformer
from groundup.pretrained.config import CONFIG, read_object
from groundup.pretrained.files import metas_parts
from groundup.pretrained.language import REPOSITORIES
from groundup.pretrained.loading import locate
from groundup.training import distributed, translate

logger = logging.getLogger("groundup")

#: What config.json calls a model, and the class that it is: of language models, and of translators.
MODELS = {"gpt2": GPT2, "llama": LLaMA2, **{cls.__name__: cls for cls in (GPT2, GPT3, LLaMA1, LLaMA2, LangModel)}}
TRANSLATORS = {cls.__name__: cls for cls in (Transformer, Seq2Seq, BahdanauAttention)}
TOKENIZER, SOURCE, TARGET = "tokenizer.json", "source_tokenizer.json", "target_tokenizer.json"
VECTORS = "vectors.txt"
SPARE = 1024  # places without a token that a vocabulary may have: published ones are rounded up, by 943 at the most
NEW_TOKENS, NEW_CHARACTERS = 100, 400  # how much is written, if nothing is said
GAP = re.compile(r"-?_{3,}")


# ---- folders of models -----------------------------------------------------------------------------------------------


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
    folder = _folder(name)
    model = model_class(folder, TRANSLATORS).from_pretrained(folder)
    source, target = load_tokenizer(folder / SOURCE), load_tokenizer(folder / TARGET)
    keys = ("source_vocab", "target_vocab", "vocab_size", "target_vocab_size")
    sizes = [size for key in keys if (size := model.init_arguments.get(key)) is not None]  # one, where they share it
    for tokenizer, size in zip((source, target), (sizes[:1] + sizes[-1:]) * bool(sizes)):
        if not isinstance(tokenizer, Tokenizer) or len(tokenizer) != size:
            raise ValueError(f"{folder} holds a model of {size} tokens, and {tokenizer}: they do not belong together")
    return model, source, target


def _folder(name: str | Path) -> Path:
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
    if metas_parts(folder):
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


# ---- language models -------------------------------------------------------------------------------------------------


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
        raise ValueError(
            f"the prompt has {_listed(unknown)}, not among the {len(tokenizer):,} {what} that the model was trained on"
        )
    return tokenizer.encode(prompt).tolist()


def _listed(pieces: Sequence[str], most: int = 10) -> str:
    return ", ".join(map(repr, pieces[:most])) + (f" and {len(pieces) - most} more" if len(pieces) > most else "")


def new_tokens(tokenizer: Any) -> int:
    """How many tokens are written if nothing is said: characters are shorter than words and byte pairs."""
    return NEW_CHARACTERS if isinstance(tokenizer, CharacterTokenizer) else NEW_TOKENS


def write(model: Any, tokenizer: Any, prompt: str, tell: Callable[[str], object], **options: Any) -> str:
    """Continue `prompt`, and call `tell` with each piece of text as soon as it is known; returns all of it.

    options    of `groundup.decoding.generate`; what a beam search finds is told at its end

    The model writes in eval mode, and is then in the mode that it was in.
    """
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


def quoted(text: str | Path) -> str:
    """The text as a shell takes it for one word: in double quotes, which every shell knows, where that is enough."""
    text = str(text)
    if re.fullmatch(r"[\w./-]+", text, re.ASCII):
        return text
    return shlex.quote(text) if re.search(r'["$`!\\\n]', text) else f'"{text}"'


# ---- translators -----------------------------------------------------------------------------------------------------


def translate_sentences(
    model: Any, source: Tokenizer, target: Tokenizer, sentences: Sequence[str], beam: int = 5, max_len: int = 60
) -> list[str]:
    """The translation of each sentence, by a beam search of that width, as a training's test set is translated.

    Words that the model has not seen are named in a line of the log, and read as unknown.
    """
    for sentence in sentences:
        checks.require(len(source.encode(sentence)) > 0, f"a sentence must have words, got {sentence!r}")
        if unknown := source.unknown(sentence):
            logger.warning("the model has not seen %s, and reads it as <unknown>", _listed(unknown))
    return translate(model, ParallelText([(sentence, "") for sentence in sentences], source, target), beam, max_len)


def save_translator(model: Any, text: ParallelText, folder: str | Path, beam: int = 5) -> str:
    """Save a trained translator with its tokenizers; return the command that translates `text`'s first sentence."""
    save(model, folder, text.source_tokenizer, text.target_tokenizer)
    width = "" if beam == 5 else f" --beam {beam}"
    return f"groundup translate {quoted(text.pairs[0][0])} --model {quoted(folder)}{width}"


# ---- words -----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def fill(model: LangModel, tokenizer: Tokenizer, text: str, top: int = 5) -> list[tuple[str, float]]:
    """The likeliest words for the gap in `text`, which is written ___, with their probabilities.

    The model is one that was trained to find masked words: PAD is what stands in the gap.
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
    """(model, tokenizer) of the folder that the training of masked words saved."""
    folder = _folder(name)
    model, tokenizer = load(str(folder))
    if not isinstance(model, LangModel) or not isinstance(tokenizer, WordTokenizer):
        raise ValueError(f"{folder} holds no model of masked words; ask it with `groundup generate`")
    return model, tokenizer


def similar(name: str | Path, words: Sequence[str], top: int = 10) -> dict[str, list[tuple[str, float]]]:
    """For each word the words with the most similar vectors, with the cosines; nearest first.

    name    a file in word2vec's text format, or a folder with vectors.txt

    Raises `ValueError` for a word that has no vector, with near ones.
    """
    path = Path(name).expanduser()
    known, vectors = read_vectors(path / VECTORS if path.is_dir() else path)
    asked = Vocabulary(known, torch.zeros(len(known), dtype=torch.int64)).index(words)
    found = nearest(vectors[asked], vectors, asked[:, None], min(checks.integer("top", top), len(known) - 1))
    return {
        word: [(known[i], cosine) for i, cosine in zip(row.tolist(), cosines.tolist())]
        for word, cosines, row in zip(words, *found)
    }
