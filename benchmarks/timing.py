"""Ratios of time on a machine whose speed drifts: interleaved samples, compared within a round, and their median."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from math import comb
from statistics import median

Sample = Callable[[], float]  # seconds of one run, averaged over a sample long enough for the clock
Clock = Callable[[], float]


@dataclass(frozen=True)
class Settings:
    """Duration of a measurement. `seconds` bounds the sampling of one row; compiling and checking are extra."""

    seconds: float = 4.0
    sample_seconds: float = 5e-3
    min_rounds: int = 7
    max_rounds: int = 60
    compiled: bool = True


#: Enough to see that everything works; the numbers are meaningless.
QUICK = Settings(seconds=0.05, sample_seconds=1e-4, min_rounds=2, max_rounds=3, compiled=False)


@dataclass(frozen=True)
class Ratio:
    """The median of ratios taken round by round, and its 95 % confidence interval."""

    median: float
    low: float
    high: float
    rounds: int


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Switch the garbage collector off during a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def sampler(run: Callable[[], object], settings: Settings, synchronize: Callable[[], None], clock: Clock) -> Sample:
    """Return a function that times `run`, repeated until a sample lasts `settings.sample_seconds`."""

    def seconds(repeats: int) -> float:
        start = clock()
        for _ in range(repeats):
            run()
        synchronize()
        return clock() - start

    repeats = 1
    seconds(1)  # warm-up
    while (taken := seconds(repeats)) < settings.sample_seconds:
        repeats = max(2 * repeats, int(1.1 * repeats * settings.sample_seconds / max(taken, 1e-9)))
        repeats = min(repeats, 1_000_000)
    return lambda: seconds(repeats) / repeats


def interleave(
    pair: tuple[Sample, Sample], others: list[Sample], settings: Settings, clock: Clock = time.perf_counter
) -> list[list[float]]:
    """Sample in rounds until the time is up; return the samples of each, `pair` first; entry i is of round i.

    The pair swaps its order from round to round (A B, B A), so that neither gains by its position. The others are
    sampled before it, each for at most a quarter of the time, so that a slow definition leaves time for the pair.
    """
    samples: list[list[float]] = [[] for _ in range(2 + len(others))]
    spent = [0.0] * len(others)
    start = clock()
    for index in range(settings.max_rounds):
        if index >= settings.min_rounds and clock() - start > settings.seconds:
            break
        for place, sample in enumerate(others):
            if index < min(3, settings.min_rounds) or spent[place] < settings.seconds / 4:
                before = clock()
                samples[2 + place].append(sample())
                spent[place] += clock() - before
        for place in (0, 1) if index % 2 == 0 else (1, 0):
            samples[place].append(pair[place]())
    return samples


def ratio(ours: list[float], peer: list[float]) -> Ratio:
    """Return the median of ours / peer over the rounds that have both."""
    ratios = sorted(a / b for a, b in zip(ours, peer))
    low, high = median_interval(ratios)
    return Ratio(median(ratios), low, high, len(ratios))


def median_interval(ordered: list[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the order statistics that contain the median with at least `confidence`, for any distribution.

    The number of samples below the true median is Binomial(n, 1/2): samples are cut from both ends while the tails
    allow it. With fewer than six samples none can be cut; the full range contains it with probability 1 - 2¹⁻ⁿ.
    """
    n = len(ordered)
    tail = (1 - confidence) / 2
    cut = sum(1 for below in accumulate(comb(n, i) / 2**n for i in range(n)) if below <= tail)
    cut = max(cut, 1)
    return ordered[cut - 1], ordered[n - cut]
