"""Files of tokens for language models: texts are tokenized once, and windows of the tokens are read from the disk.

folder = prepare_tokens("my/texts", 8000, "my/tokens")     # once: byte pairs, train.bin, valid.bin
tokens = open_tokens("my/tokens", "train")                 # mapped into memory, of any size
loader = Loader(TokenWindows(tokens, 1024), 8, shuffle=True)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from hashlib import sha256
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.registry import TEXTS
from groundup.data.text.corpora import load_text
from groundup.data.text.sentencepiece import SentencePieces
from groundup.data.text.tokenizers import import_tokenizers, merge_byte_pairs, read_tokenizer_content
from groundup.durable import one_at_a_time, sync, write_file

logger = logging.getLogger("groundup")

SPLITS = ("train", "valid")


class TokenWindows(Dataset[tuple[Tensor, Tensor]]):
    """Windows (x, y) of `context` tokens each, with y one token ahead of x; window i starts at i · stride.

    Args:
        tokens: integers, a tensor or an array of one axis, such as `open_tokens` returns.
        context: number of tokens in x and in y.
        stride: distance between the starts of windows; by default `context`, so that each token is in one window.

    Example:
        >>> TokenWindows(torch.arange(7), 3)[1]
        (tensor([3, 4, 5]), tensor([4, 5, 6]))
    """

    def __init__(self, tokens: Any, context: int, stride: int | None = None) -> None:
        self.tokens = tokens if isinstance(tokens, (Tensor, np.ndarray)) else np.asarray(tokens)
        self.context = checks.integer("context", context)
        self.stride = context if stride is None else checks.integer("stride", stride)
        checks.require(self.tokens.ndim == 1, f"tokens must have one axis, got shape {tuple(self.tokens.shape)}")
        kind = self.tokens.dtype
        if not (kind.kind in "iu" if isinstance(kind, np.dtype) else str(kind).startswith(("torch.int", "torch.uint"))):
            raise TypeError(f"tokens must be integers, got {kind}; a token is a place in a vocabulary")
        if len(tokens) <= context:
            raise ValueError(f"tokens must be more than context={context} to be a window, got {len(tokens)}")

    def __len__(self) -> int:
        return (len(self.tokens) - self.context - 1) // self.stride + 1

    def batch(self, indices: Tensor) -> tuple[Int64[Tensor, "B T"], Int64[Tensor, "B T"]]:
        """Return the windows at `indices`, each in [0, len)."""
        checks.indices("indices", indices, len(self), "the number of windows")
        rows = [
            torch.as_tensor(np.asarray(self.tokens[i : i + self.context + 1], dtype=np.int64))
            for i in (indices * self.stride).tolist()
        ]
        both = torch.stack(rows)
        return both[:, :-1], both[:, 1:]

    def __getitem__(self, number: SupportsIndex) -> tuple[Int64[Tensor, " T"], Int64[Tensor, " T"]]:
        """Return one window; -1 is the last. Raises `IndexError` past either end, which ends a `for` loop."""
        if not isinstance(number, SupportsIndex):
            raise TypeError(f"number must be an int, got {number!r}; for several windows call batch(indices)")
        place, count = index(number), len(self)
        if not -count <= place < count:
            raise IndexError(f"number must lie in [{-count}, {count - 1}], of {count} windows, got {place}")
        x, y = self.batch(torch.tensor([place % count]))
        return x[0], y[0]


def window_length(tokens: Any, length: int, what: str = "the text") -> int:
    """Return `length`, or less if there are too few tokens for a window of it, with a warning in the log.

    Args:
        tokens: tokens of a text.
        length: number of tokens that a model reads.
        what: name of the text for messages.

    Raises `ValueError` for fewer than two tokens, as there is no next one to learn.
    """
    checks.require(len(tokens) > 1, f"{what} has {len(tokens)} tokens, and at least 2 are needed: give a longer one")
    if len(tokens) > checks.integer("length", length):
        return length
    logger.warning("%s has %d tokens: its windows have %d of them, not %d", what, len(tokens), len(tokens) - 1, length)
    return len(tokens) - 1


def train_byte_pairs(texts: Iterable[str], vocab_size: int, end: str = "<|endoftext|>") -> Any:
    """Return a `tokenizers.Tokenizer` of byte pairs like GPT-2's, which can represent any text.

    Sennrich et al. 2016, arXiv:1508.07909; on bytes, Radford et al. 2019, section 2.2.

    Args:
        texts: texts to train on; a pair is merged if it occurs twice.
        vocab_size: number of tokens; a short text has fewer, with a warning in the log.
        end: special token that is put between texts.
    """
    _check_texts(texts)
    size = checks.integer("vocab_size", vocab_size)
    checks.require(size >= 257, f"vocab_size must be at least 257, the bytes and {end!r}, got {vocab_size}")
    tokenizer = merge_byte_pairs(texts, size, [end], min_count=2)
    if (found := tokenizer.get_vocab_size()) < size:
        logger.warning("the text has %s byte pairs that occur twice, and not %s", f"{found:,}", f"{size:,}")
    return tokenizer


def _check_texts(texts: Any) -> None:
    """Raise `TypeError` for one text, which would be read as texts of one character each."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise TypeError(f"texts must be several texts, got {type(texts).__name__}; of one text pass [text]")


def write_tokens(
    folder: str | PathLike[str],
    texts: Iterable[str],
    tokenizer: Any,
    valid: float | Iterable[str] = 0.1,
    end: str | None = "<|endoftext|>",
    source: Mapping[str, Any] | None = None,
) -> Path:
    """Write the tokens of texts as train.bin and valid.bin, with tokenizer.json; return the folder.

    Args:
        folder: created if need be. Programs that have mapped earlier tokens of it keep those.
        texts: texts; one is in memory at a time.
        tokenizer: a `tokenizers.Tokenizer`.
        valid: share of the tokens, at the end, for validation; or texts for validation.
        end: token after each text; None for none.
        source: description of the texts, which tokens.json stores. It is written last, and shows that the folder is
            complete.
    """
    folder = Path(folder).expanduser()
    held_out_texts = valid if isinstance(valid, Iterable) and not isinstance(valid, (str, bytes)) else None
    share = 0.0 if held_out_texts is not None else checks.real("valid", valid)
    checks.require(held_out_texts is not None or 0 < share < 1, f"valid must lie between 0 and 1, got {valid}")
    _check_texts(texts)
    size = tokenizer.get_vocab_size()
    kind = np.uint16 if size <= 2**16 else np.uint32
    closing = [] if end is None else [tokenizer.token_to_id(end)]
    checks.require(None not in closing, f"end={end!r} is no token of the tokenizer; name one, or pass None")
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "all.part"
    with whole.open("wb") as stream:
        counts = []
        for part in (texts, held_out_texts or ()):
            for text in part:
                np.asarray([*tokenizer.encode(text).ids, *closing], dtype=kind).tofile(stream)
            counts.append(stream.tell() // np.dtype(kind).itemsize)
    count = counts[-1]
    held_out = count - counts[0] if held_out_texts is not None else int(count * share)
    checks.require(held_out > 0, f"texts hold {count} tokens, of which {valid} is none: give more text")
    tokens = np.memmap(whole, dtype=kind, mode="r")
    (folder / "tokens.json").unlink(missing_ok=True)
    for name, part in zip(SPLITS, (tokens[: count - held_out], tokens[count - held_out :])):
        file = folder / f"{name}.bin"
        file.unlink(missing_ok=True)  # overwriting would change what others have mapped
        with file.open("wb") as stream:
            for first in range(0, len(part), 2**24):
                part[first : first + 2**24].tofile(stream)
        sync(file)
    del tokens
    whole.unlink()
    tokenizer.save(str(folder / "tokenizer.json"))
    sync(folder / "tokenizer.json")
    about = {"dtype": np.dtype(kind).name, "vocab_size": size, "train": count - held_out, "valid": held_out}
    write_file(folder / "tokens.json", json.dumps(about if source is None else about | {"source": dict(source)}))
    return folder


def prepare_tokens(
    data: str | PathLike[str],
    vocab_size: int,
    folder: str | PathLike[str],
    valid: float = 0.1,
    validation: str | PathLike[str] = "",
) -> Path:
    """Return a folder with the tokens of a text; they are written only if need be.

    Args:
        data: folder that `write_tokens` wrote, which is returned; or a text, as for `load_text`; or a folder of .txt
            files.
        vocab_size: number of byte pairs.
        folder: folder for the tokens. tokens.json states the names, sizes and times of the text's files, `vocab_size`
            and `valid`; the tokens are written again if these differ.
        valid: share of the text, at the end, for validation.
        validation: a text, or a folder of .txt files, for validation instead.

    Raises `ValueError` if `folder` holds tokens that do not state their text, as `write_tokens` alone writes them: they
    are not overwritten, because they may not be reproducible.
    """
    folder, given = Path(folder).expanduser(), Path(data).expanduser()
    if (given / "tokens.json").is_file():
        checks.require(not validation, f"{given} holds tokens, of which some are for validation: leave validation out")
        return given
    files = _text_files(data)
    held_out = _text_files(validation) if validation else []
    asked = {"vocab_size": vocab_size, "valid": valid, **_describe_text(data, files)}
    if validation:
        asked["validation"] = _describe_text(validation, held_out)
    with one_at_a_time(folder.with_name(f".{folder.name}.lock")):  # the first of several processes writes
        if (folder / "tokens.json").is_file():
            found = _read_about(folder).get("source")
            if found is None:
                raise ValueError(
                    f"{folder} holds tokens that do not say of which text: to use them as they are, name this folder "
                    f"as data; to have those of {data} here, remove it"
                )
            if found == asked:
                return folder
        tokenizer = train_byte_pairs((load_text(file) for file in files), vocab_size)
        held = (load_text(file) for file in held_out) if validation else valid
        write_tokens(folder, (load_text(file) for file in files), tokenizer, held, source=asked)
    return folder


def _text_files(data: str | PathLike[str]) -> list[Any]:
    """Return the .txt files of a folder; else `data` itself, for `load_text`."""
    given = Path(data).expanduser()
    files = sorted(given.glob("**/*.txt")) if given.is_dir() and data not in TEXTS else [data]
    checks.require(len(files) > 0, f"{given} holds no .txt file")
    return files


def _describe_text(data: str | PathLike[str], files: Iterable[str | PathLike[str]]) -> dict[str, str]:
    """Return what identifies a text, without reading files that may be large."""
    if data in TEXTS:
        return {"data": str(data), "files": sha256(load_text(data).encode()).hexdigest()}
    hashed, given = sha256(), Path(data).expanduser().resolve()
    for file in files:
        path = Path(file).expanduser().resolve()
        if not path.is_file():
            load_text(file)  # raises an error that lists the known texts
        about = path.stat()
        hashed.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return {"data": str(given), "files": hashed.hexdigest()}


def open_tokens(folder: str | PathLike[str], split: str = "train") -> np.memmap:
    """Return the tokens of a folder, mapped from the disk.

    Args:
        folder: folder that `write_tokens` wrote.
        split: "train" or "valid".

    Raises `ValueError` for a folder that `write_tokens` did not write, or not completely.
    """
    folder = Path(folder).expanduser()
    checks.choice("split", split, SPLITS)
    about = _read_about(folder)
    try:
        tokens: np.memmap = np.memmap(folder / f"{split}.bin", dtype=about["dtype"], mode="r")
    except (OSError, ValueError) as failure:
        raise ValueError(f"{folder} holds no tokens ({failure}); write them with write_tokens") from failure
    if len(tokens) != about[split]:
        raise ValueError(f"{folder / f'{split}.bin'} holds {len(tokens)} tokens, and {about[split]} were written")
    return tokens


def _read_about(folder: Path) -> dict[str, Any]:
    """Return the content of tokens.json. Raises `ValueError` if it is missing or damaged."""
    file = folder / "tokens.json"
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as failure:
        raise ValueError(f"{folder} holds no tokens ({failure}); write them with write_tokens") from failure
    counts = [about.get(split) for split in SPLITS] if isinstance(about, dict) else [None]
    if not all(type(count) is int for count in counts) or about.get("dtype") not in ("uint16", "uint32"):
        raise ValueError(f"{file} is not what write_tokens writes, or damaged; remove {folder} and write it again")
    return about


def load_tokenizer(path: str | PathLike[str]) -> Any:
    """Return a tokenizer from a file.

    Args:
        path: a tokenizer.json of the library `tokenizers` or of `groundup.data.Tokenizer.save`, a tokenizer.model of
            SentencePiece, or a folder that holds one of them.

    Raises `ValueError`, naming the file, if there is none, or it is damaged.
    """
    path = Path(path).expanduser()
    found = [path / name for name in ("tokenizer.json", "tokenizer.model")] if path.is_dir() else [path]
    file = next((file for file in found if file.is_file()), None)
    if file is None:
        raise ValueError(f"there is no {found[0]}; a tokenizer is in the folder of the weights that it belongs to")
    if file.suffix == ".model":
        return SentencePieces(file)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "groundup" in content:
            return read_tokenizer_content(content)
        return import_tokenizers().Tokenizer.from_file(str(file))
    except ImportError:
        raise
    except Exception as failure:  # the library raises Exception itself
        raise ValueError(f"{file} is no tokenizer.json, or cut off: {failure}") from failure
