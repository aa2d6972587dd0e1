"""Adapter of transforms of one sample, such as torchvision's, to transforms of batches."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate


def for_batches(transform: Callable[..., Any]) -> Callable[..., Any]:
    """Return a transform that can be called with (batch, generator): itself, or a `PerSample` of it.

    torchvision's transforms take one sample; some accept any number of arguments, and would transform the generator.
    """
    if not type(transform).__module__.startswith("torchvision."):
        try:
            inspect.signature(transform).bind(None, None)
            return transform
        except (TypeError, ValueError):  # ValueError: a function of C++ has no signature
            pass
    return PerSample(transform)


class PerSample:
    """A transform of one sample, applied to each sample of a batch separately.

    Args:
        transform: function of one sample. It may draw from the global generators of PyTorch, NumPy and Python: they
            are seeded from the batch's generator, and restored afterwards, so that a batch depends on nothing else.

    Example:
        >>> PerSample(lambda image: image.flip(-1))(torch.tensor([[1, 2], [3, 4]]))
        tensor([[2, 1],
                [4, 3]])
    """

    def __init__(self, transform: Callable[[Any], Any]) -> None:
        self.transform = transform

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Any:
        with _seed_global_generators(generator):
            try:
                return default_collate([self.transform(sample) for sample in x])
            except Exception as error:
                name = getattr(self.transform, "__name__", type(self.transform).__name__)
                hint = ". For ToTensor() take torchvision.transforms.v2.ToDtype(torch.float32, scale=True)"
                raise TypeError(
                    f"transform {name} failed on a sample, a tensor of {x.dtype} and shape {tuple(x.shape[1:])}: "
                    f"{error}{hint if 'PIL' in str(error) else ''}"
                ) from error

    def __repr__(self) -> str:
        return repr(self.transform)


@contextmanager
def _seed_global_generators(generator: torch.Generator | None) -> Iterator[None]:
    if generator is None:
        yield
        return
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    seed = int(torch.randint(2**32, (), generator=generator))
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])
