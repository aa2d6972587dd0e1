"""Multi30k: captions of photos in English, translated to German by professionals.

Elliott et al. 2016, Multi30K: Multilingual English-German Image Descriptions, arXiv:1605.00459; task 1 of WMT 2016.
For research and education, not for commerce.
"""

from __future__ import annotations

import gzip

from groundup import checks
from groundup.data.download import fetch

Pairs = list[tuple[str, str]]

#: The parts of the set, with the names of their files.
PARTS = {"train": "train", "val": "val", "test": "test_2016_flickr"}


def multi30k(part: str = "train", source: str = "de", target: str = "en", lower: bool = False) -> Pairs:
    """Pairs (source, target) of "train" (29,000), "val" (1,014) or "test" (1,000, of 2016), "de" and "en" either way.

    Downloaded once (see `groundup.data.fetch`). lower: all in lower case.
    """
    checks.choice("part", part, tuple(PARTS))
    sides = []
    for name, language in (("source", source), ("target", target)):
        path = fetch(f"multi30k/{PARTS[part]}.{checks.choice(name, language, ('de', 'en'))}.gz")
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        sides.append([line.strip() for line in (text.lower() if lower else text).strip("\n").split("\n")])
    return list(zip(*sides, strict=True))
