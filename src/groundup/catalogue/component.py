"""One row of the catalogue."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAMILIES = {
    "layers": "Layers",
    "autoencoders": "Autoencoders",
    "optimizers": "Optimizers and schedulers",
    "shallow": "Shallow models",
    "energy": "Energy-based models",
    "recurrent": "Recurrent networks",
    "convolutional": "Convolutional networks",
    "residual": "Residual networks",
    "graph": "Graph networks",
    "attention": "Attention networks",
    "transformer": "Transformer networks",
    "vision": "Visual transformers",
    "blocks": "Convolutional blocks",
}


@dataclass(frozen=True)
class Component:
    """One component: where it lives, where it comes from, and what proves it."""

    number: int
    name: str
    family: str
    module: str
    summary: str
    paper: str
    url: str
    oracle: str
    input_size: tuple[int, ...] = ()  # of a model: the shape of one sample
    figures: tuple[tuple[str, str], ...] = ()  # of a model: what its paper states

    def load(self) -> Any:
        """The class itself."""
        return getattr(importlib.import_module(self.module), self.name)

    @property
    def source(self) -> Path:
        """The file that defines it."""
        return Path(inspect.getfile(self.load()))
