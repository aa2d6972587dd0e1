"""The number of threads of a training step on a CPU: one if the step is small.

Why: the threads of an operation wait for each other at its end. While other programs run, that can take milliseconds,
longer than a small step. So a small step uses one thread, and a large one as many as PyTorch chooses. The number
depends on the work of the step and never on a clock, because the last bits of a sum depend on it: equal seeds give
equal bits on an idle machine and on a busy one.

Waiting itself is cheap if `groundup` is imported before `torch`: see `groundup/__init__.py`.
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

#: A step of more operations (multiply-adds, or elements written) uses several threads. LeNet-5 with 32 images has 38
#: million, and is as fast with one thread as with two.
ONE_THREAD_MAX_OPERATIONS = 100_000_000
#: Environment variables by which a user, or torchrun, sets the number of threads.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_default_threads = torch.get_num_threads()
_RNN = {torch.ops.aten.mkldnn_rnn_layer: 1, torch.ops.aten.mkldnn_rnn_layer_backward: 2}


def is_set_by_user() -> bool:
    """Return whether the number of threads was set, by an environment variable or by `torch.set_num_threads`."""
    return any(name in os.environ for name in VARIABLES) or torch.get_num_threads() != _default_threads


@contextmanager
def restore_threads() -> Iterator[None]:
    """Restore PyTorch's number of threads at the end of the block."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def use_one_thread(why: str) -> None:
    """Use one thread from now on and print `why`, unless the user set the number of threads."""
    if not is_set_by_user() and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        say(f"one thread: {why}, and more would wait for each other; set OMP_NUM_THREADS to choose")


def use_saved_threads(count: int) -> None:
    """Use `count` threads, those of the run to resume, if there are as many cores and the user set no number."""
    if not is_set_by_user() and integer("threads", count) <= max(count_cores(), _default_threads):
        torch.set_num_threads(count)


def count_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_threads(device: torch.device, compile: bool, shown: bool = True) -> AbstractContextManager[Any]:
    """Return the context for the first step of a run: a `ThreadChoice`, or nothing if there is no choice.

    There is none on a GPU, with one thread, with the user's own number (torchrun sets one too), and for a compiled
    model, whose operations PyTorch does not start one by one.

    Args:
        device: where the step is computed.
        compile: whether the model is compiled.
        shown: print the choice.
    """
    fixed = device.type != "cpu" or compile or torch.get_num_threads() == 1 or is_set_by_user() or is_initialized()
    return nullcontext() if fixed else ThreadChoice(shown)


class ThreadChoice(TorchDispatchMode):
    """Runs a step in one thread until it has made `ONE_THREAD_MAX_OPERATIONS`, then in all threads.

    It counts operations when PyTorch starts them, forward and backward. So the step is computed once and draws the
    random numbers that it would draw anyway. The number of threads stays as it is at the end of the block.
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
        if kind is None and self.shown and self.operations < ONE_THREAD_MAX_OPERATIONS:
            say(
                f"one thread: a step has {self.operations / 1e6:.2g} million operations, and more threads would wait "
                "for each other; set OMP_NUM_THREADS to choose"
            )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.operations < ONE_THREAD_MAX_OPERATIONS:
            self.operations += _count_operations(func, args, kwargs or {}, out)
            if self.operations >= ONE_THREAD_MAX_OPERATIONS:
                torch.set_num_threads(self.threads)
        return out


def _count_operations(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    """Return the multiply-adds of a product or a convolution, or the elements that another operation writes."""
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
