"""Numbers in words: a parallel text in any pair of languages that needs no file.

number_name(95, "fr")                               # "quatre-vingt-quinze"
train, test = number_pairs("en", "fr")              # pairs ("ninety-five", "quatre-vingt-quinze"), no number in both
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from groundup import checks
from groundup.data.registry import PAIRS

Pairs = list[tuple[str, str]]


def _words(text: str) -> list[str]:
    return text.split()


_ENGLISH = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_ENGLISH_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_FRENCH = _words(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf"
)
_FRENCH_TENS = _words("vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt")
_GERMAN = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_GERMAN_TENS = _words("zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")


def _english(n: int) -> str:
    if n < 20:
        return _ENGLISH[n]
    if n < 100:
        return _ENGLISH_TENS[n // 10 - 2] + (f"-{_ENGLISH[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{_ENGLISH[n // 100]} hundred" + (f" and {_english(n % 100)}" if n % 100 else "")
    link = " and " if n % 1000 < 100 else " "
    return f"{_english(n // 1000)} thousand" + (f"{link}{_english(n % 1000)}" if n % 1000 else "")


def _french(n: int, last: bool = True) -> str:
    """Return n in French; `last` means that nothing follows, so that quatre-vingts and cents have an s."""
    if n < 20:
        return _FRENCH[n]
    if n < 100:
        scores = n // 10 in (7, 9)  # soixante-dix, quatre-vingt-dix: counted from the ten below
        tens, rest = _FRENCH_TENS[n // 10 - 2], n % 10 + 10 * scores
        if rest == 0:
            return tens + "s" if n == 80 and last else tens
        return f"{tens} et {_FRENCH[rest]}" if rest in (1, 11) and n < 80 else f"{tens}-{_FRENCH[rest]}"
    if n < 1000:
        hundreds = "cent" if n < 200 else f"{_FRENCH[n // 100]} cent"
        if n % 100 == 0:
            return hundreds + "s" if n > 100 and last else hundreds
        return f"{hundreds} {_french(n % 100, last)}"
    thousands = "mille" if n < 2000 else f"{_french(n // 1000, last=False)} mille"
    return thousands + (f" {_french(n % 1000)}" if n % 1000 else "")


def _german(n: int, last: bool = True) -> str:
    """Return n in German; `last` means that nothing follows, so that 1 is eins and not ein."""
    if n < 20:
        return "ein" if n == 1 and not last else _GERMAN[n]
    if n < 100:
        return (f"{_german(n % 10, last=False)}und" if n % 10 else "") + _GERMAN_TENS[n // 10 - 2]
    size, word = (100, "hundert") if n < 1000 else (1000, "tausend")
    return f"{_german(n // size, last=False)}{word}" + (_german(n % size) if n % size else "")


#: Languages that need no other library, with functions for 0 to 999,999.
LANGUAGES: dict[str, Callable[[int], str]] = {"en": _english, "fr": _french, "de": _german}


def number_name(n: int, language: str) -> str:
    """Return a number in words.

    Args:
        n: from 0 to 999,999.
        language: "en" (British), "fr" (of France) or "de"; others need the library num2words.

    Raises `ValueError` for an unknown language.

    Example:
        >>> number_name(95, "fr")
        'quatre-vingt-quinze'
    """
    checks.integer("n", n, 0)
    checks.require(n < 1_000_000, f"n must be at most 999,999, got {n:,}")
    if language in LANGUAGES:
        return LANGUAGES[language](n)
    try:
        from num2words import num2words  # type: ignore[import-not-found]
    except ImportError as missing:
        raise ImportError(
            f"language {language!r} needs num2words: pip install num2words, or take one of {', '.join(LANGUAGES)}"
        ) from missing
    try:
        return num2words(n, lang=language)
    except NotImplementedError as unknown:
        raise ValueError(
            f"language must be one that num2words has, or one of {', '.join(LANGUAGES)}, got {language!r}"
        ) from unknown


def number_pairs(
    source: str = "en",
    target: str = "fr",
    count: int = 20_000,
    held_out: int = 1000,
    below: int = 1_000_000,
    seed: int = 0,
) -> tuple[Pairs, Pairs]:
    """Return (train, test) pairs of different numbers in words.

    Args:
        source, target: languages of the pairs, as for `number_name`.
        count, held_out: numbers of training and test pairs.
        below: the numbers are smaller than this.
        seed: determines the numbers. They are drawn over all magnitudes: as many with one digit as with six, as long
            as there are enough.

    Example:
        >>> train, test = number_pairs("en", "de", count=5, held_out=2)
        >>> len(train), len(test)
        (5, 2)
    """
    wanted = checks.integer("count", count) + checks.integer("held_out", held_out)
    checks.require(wanted <= checks.integer("below", below), f"there are only {below:,} numbers, {wanted:,} are wanted")
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0))
    sizes = torch.arange(below).clamp(min=1).log10().floor().long()  # digits, less one
    room = sizes.bincount()
    weight = (1 / room.double())[sizes]
    chosen = _draw(weight, wanted, generator)
    named = [(number_name(n, source), number_name(n, target)) for n in chosen]
    return named[held_out:], named[:held_out]


def _draw(weight: torch.Tensor, count: int, generator: torch.Generator) -> list[int]:
    """Draw different indices with these weights: those of the largest u^(1/w) (Efraimidis and Spirakis 2006)."""
    u = torch.rand(len(weight), dtype=torch.float64, generator=generator)
    chosen = (u.log() / weight).topk(count).indices
    return chosen[torch.randperm(count, generator=generator)].tolist()


@PAIRS.register("numbers")
def _load_parts(source: str, target: str, seed: int, lower: bool) -> tuple[Pairs, Pairs, Pairs]:
    train, test = number_pairs(source or "en", target or "fr", count=20_500, seed=seed)
    return train[500:], train[:500], test
