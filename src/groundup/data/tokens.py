"""Texts as tokens: windows of a long row of them for training, and rows that stay on the disk.

folder = prepare_tokens("my/texts", 8000, "my/tokens")     once: byte pairs, train.bin, valid.bin
tokens = open_tokens("my/tokens", "train")                 mapped into memory, however large
loader = Loader(TokenWindows(tokens, 1024), 8, shuffle=True)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from groundup import checks
from groundup.data.sentencepiece import SentencePieces
from groundup.data.text import load_text
from groundup.durable import one_at_a_time

SPLITS = ("train", "valid")


class TokenWindows(Dataset[tuple[Tensor, Tensor]]):
    """Windows (x, y) of `context` tokens each, y one token ahead of x: number i begins at i · stride.

    tokens    a tensor or an array of one axis, such as `open_tokens` gives
    stride    1 lets every place begin a window; by default windows lie end to end, and each token is in one
    """

    def __init__(self, tokens: Any, context: int, stride: int | None = None) -> None:
        self.tokens, self.context = tokens, checks.integer("context", context)
        self.stride = context if stride is None else checks.integer("stride", stride)
        if len(tokens) <= context:
            raise ValueError(f"tokens must be more than context={context} to be a window, got {len(tokens)}")

    def __len__(self) -> int:
        return (len(self.tokens) - self.context - 1) // self.stride + 1

    def batch(self, indices: Tensor) -> tuple[Int64[Tensor, "B T"], Int64[Tensor, "B T"]]:
        """The windows with these numbers."""
        rows = [
            torch.as_tensor(np.asarray(self.tokens[i : i + self.context + 1], dtype=np.int64))
            for i in (indices * self.stride).tolist()
        ]
        both = torch.stack(rows)
        return both[:, :-1], both[:, 1:]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.batch(torch.tensor([index]))
        return x[0], y[0]


def train_byte_pairs(texts: Iterable[str], vocab_size: int, end: str = "<|endoftext|>") -> Any:
    """A `tokenizers.Tokenizer` of byte pairs learned from `texts`, as GPT-2's: any text goes there and back.

    Sennrich et al. 2016, arXiv:1508.07909; on bytes, Radford et al. 2019, section 2.2. `end` stands between texts.
    """
    tokenizers = _tokenizers()
    checks.require(vocab_size >= 257, f"vocab_size must be at least 257, the bytes and {end!r}, got {vocab_size}")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[end],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def write_tokens(
    folder: str | PathLike[str],
    texts: Iterable[str],
    tokenizer: Any,
    valid: float = 0.1,
    end: str | None = "<|endoftext|>",
) -> Path:
    """Write the tokens of `texts`, each followed by `end`, as train.bin and valid.bin, with tokenizer.json beside them.

    `valid` is the share, at the end, that is held out. One text is in memory at a time.
    """
    folder = Path(folder).expanduser()
    checks.require(0 < valid < 1, f"valid must lie between 0 and 1, got {valid}")
    size = tokenizer.get_vocab_size()
    kind = np.uint16 if size <= 2**16 else np.uint32
    closing = [] if end is None else [tokenizer.token_to_id(end)]
    checks.require(None not in closing, f"end={end!r} is no token of the tokenizer; name one, or pass None")
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "all.part"
    with whole.open("wb") as stream:
        for text in texts:
            np.asarray([*tokenizer.encode(text).ids, *closing], dtype=kind).tofile(stream)
    count = whole.stat().st_size // np.dtype(kind).itemsize
    held_out = int(count * valid)
    checks.require(held_out > 0, f"texts hold {count} tokens, of which {valid} is none: give more text")
    tokens = np.memmap(whole, dtype=kind, mode="r")
    for name, part in zip(SPLITS, (tokens[: count - held_out], tokens[count - held_out :])):
        with (folder / f"{name}.bin").open("wb") as stream:
            for first in range(0, len(part), 2**24):
                part[first : first + 2**24].tofile(stream)
    del tokens
    whole.unlink()
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"dtype": np.dtype(kind).name, "vocab_size": size, "train": count - held_out, "valid": held_out}
    (folder / "tokens.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def prepare_tokens(data: str | PathLike[str], vocab_size: int, folder: str | PathLike[str], valid: float = 0.1) -> Path:
    """The folder of tokens that `data` is, or `folder`, written of its texts if it is not there yet.

    data    what `write_tokens` wrote; or a text as `load_text` knows it, or a folder of .txt files
    """
    folder, given = Path(folder), Path(data).expanduser()
    if (given / "tokens.json").is_file():
        return given
    files = sorted(given.glob("**/*.txt")) if given.is_dir() else [data]
    checks.require(len(files) > 0, f"{given} holds no .txt file")
    with one_at_a_time(folder.with_name(f".{folder.name}.lock")):  # of many processes the first writes
        if not (folder / "tokens.json").is_file():
            tokenizer = train_byte_pairs((load_text(file) for file in files), vocab_size)
            write_tokens(folder, (load_text(file) for file in files), tokenizer, valid)
    return folder


def open_tokens(folder: str | PathLike[str], split: str = "train") -> np.memmap:
    """The tokens of "train" or "valid", on the disk.

    Raises `ValueError` for a folder that `write_tokens` did not write, or not to the end.
    """
    folder = Path(folder).expanduser()
    checks.choice("split", split, SPLITS)
    try:
        about = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
        tokens: np.memmap = np.memmap(folder / f"{split}.bin", dtype=about["dtype"], mode="r")
    except (OSError, ValueError, KeyError) as failure:
        raise ValueError(f"{folder} holds no tokens ({failure}); write them with write_tokens") from failure
    if len(tokens) != about[split]:
        raise ValueError(f"{folder / f'{split}.bin'} holds {len(tokens)} tokens, and {about[split]} were written")
    return tokens


def load_tokenizer(path: str | PathLike[str]) -> Any:
    """The tokenizer of a tokenizer.json or a tokenizer.model, or of a folder that holds one of them.

    Raises `ValueError`, naming the file, when there is none, or it is garbled.
    """
    path = Path(path).expanduser()
    found = [path / name for name in ("tokenizer.json", "tokenizer.model")] if path.is_dir() else [path]
    file = next((file for file in found if file.is_file()), None)
    if file is None:
        raise ValueError(f"there is no {found[0]}; a tokenizer lies beside the weights that it belongs to")
    if file.suffix == ".model":
        return SentencePieces(file)
    kind = _tokenizers().Tokenizer
    try:
        return kind.from_file(str(file))
    except Exception as failure:  # the library raises Exception itself
        raise ValueError(f"{file} is no tokenizer.json, or cut off: {failure}") from failure


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as missing:
        raise ImportError("byte pairs need tokenizers: pip install 'groundup[data]'") from missing
    return tokenizers
