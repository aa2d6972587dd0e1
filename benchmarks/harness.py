"""Measure a benchmark: check that ours and the peer compute the same, then time both, interleaved in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from benchmarks.memory import peak_bytes
from benchmarks.timing import Ratio, Settings, interleave, no_garbage_collection, ratio, sampler
from groundup.backend import backend
from rows.benchmark import Benchmark
from rows.units import Unit


class Unequal(AssertionError):
    """The two sides of a row do not compute the same: their times must not be compared."""


@dataclass(frozen=True)
class Result:
    """Times and memory of a row; `not_compiled` says why `compiled` is None."""

    family: str
    name: str
    size: str
    work: str
    against: str
    limit: float
    default: Ratio
    reference: Ratio
    compiled: Ratio | None
    not_compiled: str
    peer_seconds: float
    our_bytes: int
    peer_bytes: int
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))


def measure(row: Benchmark, device: torch.device, settings: Settings) -> Result:
    """Check that both sides agree, then measure their time and memory. Raises `Unequal`."""

    def build_unit(build: Callable[[], Unit]) -> Unit:
        torch.manual_seed(0)
        with torch.device(device):
            return build()

    def outcome(unit: Unit) -> list[Tensor]:
        torch.manual_seed(1)  # both sides draw the same numbers
        return [t.detach().clone() for t in unit.outcome()]

    peer = build_unit(row.peer)
    expected = outcome(peer)

    def ours(mode: str, compiled: bool = False) -> Callable[[], object]:
        """Our unit under one backend, checked against the peer's outcome."""
        unit = build_unit(row.ours)
        with backend(mode):
            if compiled:
                unit.compile()
            difference = row.compare(outcome(unit), expected, row.tolerance)
        if difference is not None:
            variant = f"{mode}, compiled" if compiled else mode
            raise Unequal(f"{row.key}: ours ({variant}) is not the peer's function: {difference}")
        return unit.run

    default, reference = ours("auto"), ours("reference")
    compiled, not_compiled = None, row.not_compiled or ("" if settings.compiled else "not asked for")
    if not not_compiled:
        torch._dynamo.reset()  # rows share code; a second shape would be compiled as a dynamic one
        try:
            compiled = ours("reference", compiled=True)
        except Unequal:
            raise
        except Exception as error:  # the row's other numbers do not depend on the compiler
            print(f"    torch.compile: {error}")
            not_compiled = f"torch.compile raised {_root(error)}"

    def make_sampler(run: Callable[[], object], mode: str) -> Callable[[], float]:
        def under(work: Callable[[], float]) -> Callable[[], float]:
            def call() -> float:
                with backend(mode):  # entered outside of the timed call
                    return work()

            return call

        with backend(mode):
            return under(sampler(run, settings, synchronize, time.perf_counter))

    def synchronize() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with no_garbage_collection():
        pair = make_sampler(default, "auto"), make_sampler(peer.run, "auto")
        others = [make_sampler(run, "reference") for run in (reference, compiled) if run is not None]
        times = interleave(pair, others, settings)

    with backend("auto"):
        our_bytes = peak_bytes(lambda: build_unit(row.ours).run, device)
        peer_bytes = peak_bytes(lambda: build_unit(row.peer).run, device)
    return Result(
        *(row.family, row.name, row.size, row.work, row.against, row.limit),
        default=ratio(times[0], times[1]),
        reference=ratio(times[2], times[1]),
        compiled=ratio(times[3], times[1]) if compiled is not None else None,
        not_compiled=not_compiled,
        peer_seconds=median(times[1]),
        our_bytes=our_bytes,
        peer_bytes=peer_bytes,
    )


def _root(error: BaseException) -> str:
    """The class of the original error: `InvalidCxxCompiler` says more than the error that wraps it."""
    with suppress(AttributeError):
        while error.__cause__ is not None:
            error = error.__cause__
    return type(error).__name__
