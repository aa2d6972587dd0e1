"""Multi30k: captions of photos in English, translated to German by professionals.

Elliott et al. 2016, Multi30K: Multilingual English-German Image Descriptions, arXiv:1605.00459; task 1 of WMT 2016.
For research and education only, not for commercial use.
"""

from __future__ import annotations

import gzip

from groundup import checks
from groundup.data.download import fetch, register_files
from groundup.data.registry import PAIRS

_FILES = {
    "train.de.gz": (637_044, "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
    "train.en.gz": (568_929, "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
    "val.de.gz": (24_681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    "val.en.gz": (21_650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    "test_2016_flickr.de.gz": (22_890, "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"),
    "test_2016_flickr.en.gz": (21_077, "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"),
}
register_files("multi30k", _FILES, "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/")

#: The parts of the set, and the names of their files.
PARTS = {"train": "train", "val": "val", "test": "test_2016_flickr"}

Pairs = list[tuple[str, str]]


def multi30k(part: str = "train", source: str = "de", target: str = "en", lower: bool = False) -> Pairs:
    """Return pairs (source, target) of captions; downloaded once, see `groundup.data.fetch`.

    Args:
        part: "train" (29,000 pairs), "val" (1,014) or "test" (1,000, of 2016).
        source, target: "de" and "en", in either order.
        lower: convert to lower case.
    """
    checks.choice("part", part, tuple(PARTS))
    sides = []
    for name, language in (("source", source), ("target", target)):
        path = fetch(f"multi30k/{PARTS[part]}.{checks.choice(name, language, ('de', 'en'))}.gz")
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        sides.append([line.strip() for line in (text.lower() if lower else text).strip("\n").split("\n")])
    return list(zip(*sides, strict=True))


@PAIRS.register("multi30k")
def _load_parts(source: str, target: str, seed: int, lower: bool) -> tuple[Pairs, Pairs, Pairs]:
    train, valid, test = (multi30k(part, source or "de", target or "en", lower) for part in PARTS)
    return train, valid, test
