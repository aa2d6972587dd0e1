"""Texts: the Python language reference, which is a part of CPython, tiny Shakespeare, and your own files.

text = load_text("python")                          # or "shakespeare", or "path/to/your/file.txt"
"""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path

from groundup import checks
from groundup.data.download import fetch, register_files
from groundup.data.registry import TEXTS

_FILES = {
    "input.txt": (1_115_394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),
}
register_files(
    "tinyshakespeare", _FILES, "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
)

_WORD = re.compile(r"[^\W\d]\w*(?:['’]\w+)*")  # a letter or _, then letters, digits and _; apostrophes inside


@TEXTS.register("python")
def python_reference() -> str:
    """Return the chapters of the Python language reference that `help()` shows: 79, with 465,000 characters, in 3.11.

    They are read from `pydoc_data.topics`, a part of every CPython; the text is that of the running version. Copyright
    Python Software Foundation, https://docs.python.org/3/reference/.
    """
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


@TEXTS.register("shakespeare")
def tiny_shakespeare() -> str:
    """Return scenes from Shakespeare's plays: 1,115,394 characters, 65 different ones.

    Karpathy 2015, char-rnn, https://github.com/karpathy/char-rnn. Downloaded once (see `groundup.data.fetch`).
    """
    return fetch("tinyshakespeare/input.txt").read_text(encoding="utf-8")


def load_text(name_or_path: str | PathLike[str]) -> str:
    """Return a text by name, or that of your own file.

    Args:
        name_or_path: "python", "shakespeare", or a file in UTF-8, with or without a byte order mark.

    Raises `ValueError` for a name that is no text and no file, and for a file that is empty or not UTF-8.

    Example:
        >>> load_text("python")[:23]
        'The "assert" statement\\n'
    """
    if name_or_path in TEXTS:
        named: str = TEXTS[str(name_or_path)]()
        return named
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
    """Return the content of a text file, without a byte order mark, with line breaks as \\n.

    Raises `ValueError` that names the file and the first byte that is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 at byte {error.start:,}; save it as UTF-8, without markup") from error


def split_text(data: str | PathLike[str], validation: str | PathLike[str] = "") -> tuple[str, str]:
    """Return (training text, validation text).

    Args:
        data: text, as for `load_text`; its last tenth is for validation.
        validation: text to use for validation instead.

    Raises `ValueError` for a text that is too short.
    """
    text = load_text(data)
    if validation:
        return text, load_text(validation)
    cut = len(text) * 9 // 10
    checks.require(cut > 0, f"{data} has {len(text)} characters: give a longer text")
    return text[:cut], text[cut:]


def first_words(text: str) -> str:
    """Return the first word of a text, at most 20 characters: a prompt that every model of the text can continue."""
    return text.split()[0][:20]


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: letters, digits and _, not starting with a digit.

    Example:
        >>> words("Don't say 2 words.")
        ["don't", 'say', 'words']
    """
    return _WORD.findall(text.lower())
