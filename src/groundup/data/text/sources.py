"""Texts: the Python language reference, which comes with CPython, tiny Shakespeare, and files of your own.

text = load_text("python")                          # or "shakespeare", or "path/to/your/file.txt"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from groundup import checks
from groundup.data.download import fetch

_WORD = re.compile(r"[^\W\d]\w*(?:['’]\w+)*")  # a letter or _, then letters, digits and _; apostrophes inside


def python_reference() -> str:
    """The chapters of the Python language reference that `help()` shows: 79 of them, 465,000 characters in 3.11.

    `pydoc_data.topics`, a part of every CPython: its text is that of the Python that runs. Copyright Python Software
    Foundation, https://docs.python.org/3/reference/.
    """
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


def tiny_shakespeare() -> str:
    """Scenes from Shakespeare's plays: 1,115,394 characters, 65 different ones.

    Karpathy 2015, char-rnn, https://github.com/karpathy/char-rnn. Downloaded once (see `groundup.data.fetch`).
    """
    return fetch("tinyshakespeare/input.txt").read_text(encoding="utf-8")


#: The texts that `load_text` knows by name.
TEXTS: dict[str, Callable[[], str]] = {"python": python_reference, "shakespeare": tiny_shakespeare}


def load_text(name_or_path: str | PathLike[str]) -> str:
    """The text "python" or "shakespeare", or that of your own file, in UTF-8; a byte order mark is left out.

    Raises `ValueError` for what is neither a name nor a file, and for a file that is empty or not UTF-8.
    """
    if name_or_path in TEXTS:
        return TEXTS[str(name_or_path)]()
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise ValueError(
            f"name_or_path must be one of {', '.join(map(repr, TEXTS))}, or the path of a text file; "
            f"{str(name_or_path)!r} is neither"
        )
    text = read_utf8(path)
    if not text.strip():
        raise ValueError(f"{path} is empty: there is no text in it")
    return text


def read_utf8(path: Path) -> str:
    """The content of a text file, without a byte order mark, its line breaks as \\n.

    Raises `ValueError` that names the file and the byte where it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 at byte {error.start:,}; save it as UTF-8, without markup") from error


def split_text(data: str | PathLike[str], validation: str | PathLike[str] = "") -> tuple[str, str]:
    """(the text to learn, the text held out): the first nine tenths of `data` and the rest, or all and `validation`.

    Both as `load_text` takes them. Raises `ValueError` for a text of which a tenth is nothing.
    """
    text = load_text(data)
    if validation:
        return text, load_text(validation)
    cut = len(text) * 9 // 10
    checks.require(cut > 0, f"{data} has {len(text)} characters: give a longer text")
    return text[:cut], text[cut:]


def first_words(text: str) -> str:
    """The first word of a text, at most 20 characters of it: a prompt that every model of that text can continue."""
    return text.split()[0][:20]


def words(text: str) -> list[str]:
    """The words of a text in lower case: letters, digits and _, not beginning with a digit; "don't" is one."""
    return _WORD.findall(text.lower())
