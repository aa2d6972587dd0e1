"""Make torchvision importable next to a CPU build of PyTorch, for tests and benchmarks."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def ready_torchvision() -> torch.library.Library | None:
    """Call before the first import of torchvision, timm or transformers.

    PyPI's torchvision contains operators compiled for CUDA. Without CUDA they do not load, and the import fails because
    their schemas are missing. With the schemas declared, everything that is written in Python works.
    """
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    compiled = [*Path(spec.origin).parent.glob("_C*.so"), *Path(spec.origin).parent.glob("_C*.pyd")]
    try:
        for file in compiled:
            torch.ops.load_library(file)
        if compiled:
            return None
    except OSError:
        pass
    library = torch.library.Library("torchvision", "DEF")  # lives as long as the cache holds it
    for schema in _OPERATORS:
        library.define(schema)
    return library
