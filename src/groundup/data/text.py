"""Texts: the Python language reference, which comes with CPython, tiny Shakespeare, and files of your own.

text = load_text("python")                          # or "shakespeare", or "path/to/your/file.txt"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path

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
    """The text "python" or "shakespeare", or that of your own file, in UTF-8.

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
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 at byte {error.start:,}; save it as UTF-8, without markup") from error
    if not text.strip():
        raise ValueError(f"{path} is empty: there is no text in it")
    return text


def words(text: str) -> list[str]:
    """The words of a text in lower case: letters, digits and _, not beginning with a digit; "don't" is one."""
    return _WORD.findall(text.lower())
