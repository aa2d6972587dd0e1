"""How many threads a training step gets on a CPU: one where the step is small.

The threads of an operation wait for one another at its end. While other programs run, a thread that waits may wait for
milliseconds, which is longer than a small step takes. So a small step runs in one thread, which waits for nothing, and
a large one in as many as PyTorch takes. The number depends on the step's work alone and never on a clock, because the
last bits of a sum depend on it: equal seeds give equal bits on an idle machine and on a busy one.

Waiting itself is cheap when `groundup` is imported before `torch`: see `groundup/__init__.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.distributed import is_initialized
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from groundup.checks import integer
from groundup.training.logs import say

#: Operations (multiply-adds, or elements written) from which on a step is shared among threads. LeNet-5 with 32 images
#: has 38 million of them, and is as fast in one thread as in two.
LARGE_STEP = 100_000_000
#: Set by a person, or by torchrun, who then choose the number of threads.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_default = torch.get_num_threads()
_RNN = {torch.ops.aten.mkldnn_rnn_layer: 1, torch.ops.aten.mkldnn_rnn_layer_backward: 2}


def chosen_by_user() -> bool:
    """Whether an environment variable, or `torch.set_num_threads` after this import, set the number of threads."""
    return any(name in os.environ for name in VARIABLES) or torch.get_num_threads() != _default


@contextmanager
def restored_threads() -> Iterator[None]:
    """After the block PyTorch has as many threads as before it."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def use_one_thread(why: str) -> None:
    """Compute in one thread from here on and say so, unless the user chose the number of threads."""
    if not chosen_by_user() and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        say(f"one thread: {why}, and more would wait for one another; set OMP_NUM_THREADS to choose")


def use_saved_threads(count: int) -> None:
    """Use as many threads as the run that is resumed, where this machine has the cores and the user chose no number."""
    if not chosen_by_user() and integer("threads", count) <= max(available_cores(), _default):
        torch.set_num_threads(count)


def available_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choice_of_threads(device: torch.device, compile: bool, shown: bool = True) -> AbstractContextManager[Any]:
    """The context for a run's first step: a `ThreadChoice`, or nothing where there is nothing to choose.

    That is on another device than a CPU, with one thread, with the user's own number (torchrun sets one, too), and for
    a compiled model, whose operations PyTorch does not start one by one. With `shown` it says what it chose.
    """
    fixed = device.type != "cpu" or compile or torch.get_num_threads() == 1 or chosen_by_user() or is_initialized()
    return nullcontext() if fixed else ThreadChoice(shown)


class ThreadChoice(TorchDispatchMode):
    """Runs the block, a whole step, in one thread until its operations reach `LARGE_STEP`, then in all threads.

    It counts operations as PyTorch starts them, forward and backward, so that the step is computed once and draws the
    random numbers it would draw anyway. The number of threads stays after the block.
    """

    def __init__(self, shown: bool = False) -> None:
        super().__init__()
        self.shown = shown
        self.operations, self.threads = 0, torch.get_num_threads()

    def __enter__(self) -> ThreadChoice:
        torch.set_num_threads(1)
        return super().__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        if kind is None and self.shown and self.operations < LARGE_STEP:
            say(
                f"one thread: a step has {self.operations / 1e6:.2g} million operations, and more threads would wait "
                "for one another; set OMP_NUM_THREADS to choose"
            )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.operations < LARGE_STEP:
            self.operations += _operations(func, args, kwargs or {}, out)
            if self.operations >= LARGE_STEP:
                torch.set_num_threads(self.threads)
        return out


def _operations(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    """The multiply-adds of a product or a convolution; the elements that any other operation writes."""
    if func.is_view:
        return 0
    operator = func._overloadpacket
    if operator in _RNN:
        x, weight_ih, weight_hh = args[:3]
        return _RNN[operator] * x.numel() // x.size(-1) * (weight_ih.numel() + weight_hh.numel())
    if sparse := [x for x in args if isinstance(x, Tensor) and x.layout is not torch.strided]:
        width = out.size(-1) if isinstance(out, Tensor) and out.dim() else 1
        return max(x._nnz() for x in sparse) * width
    if operator in flop_registry:
        return flop_registry[operator](*args, **kwargs, out_val=out) // 2
    return max((x.numel() for x in tree_iter(out) if isinstance(x, Tensor)), default=0)
