"""Peak memory of a unit of work, to the byte: every allocation and release of PyTorch's allocator, summed.

Counted: tensors created while the unit is built (inputs, parameters, gradients, optimizer state) and everything that
one run of it takes from the allocator, including temporaries inside kernels. On a CPU the events come from
PyTorch's profiler; on a GPU the allocator keeps the peak itself. Not counted: what a kernel's library allocates
without PyTorch (oneDNN's scratch memory), code, and Python's own objects.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate

import torch
from torch.autograd.profiler import profile


@contextmanager
def _silence_stderr() -> Iterator[None]:
    """Drop what the profiler's C++ writes to standard error at each start and stop."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def cpu_events(work: Callable[[], object]) -> tuple[list[int], object]:
    """Bytes of every CPU allocation (positive) and release (negative) during `work`, in order, and its result."""
    profiler = profile(use_kineto=True, profile_memory=True)
    with _silence_stderr():
        profiler.__enter__()
    try:
        result = work()
    finally:
        with _silence_stderr():
            profiler.__exit__(None, None, None)
    events = [e for e in profiler.kineto_results.events() if e.name() == "[memory]"]
    return [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())], result


def peak_bytes(build: Callable[[], Callable[[], object]], device: torch.device) -> int:
    """Return the most bytes alive at once during the third run of the function that `build` returns."""

    def warm_up() -> Callable[[], object]:
        run = build()
        for _ in range(2):  # state that is created once, such as an optimizer's, counts as permanent
            run()
        return run

    gc.collect()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        run = warm_up()
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before

    built, run = cpu_events(warm_up)
    events, _ = cpu_events(run)  # type: ignore[arg-type]
    return sum(built) + max(accumulate(events, initial=0))
