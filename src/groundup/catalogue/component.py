"""One row of the catalogue."""

from __future__ import annotations

import ast
import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from groundup import checks, layers

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
    """One component: where it lives, where it comes from, what proves it, and how it is called.

    `example` is a call, as in "Linear(64, 32)(torch.randn(1, 64))": the names of groundup.layers and of the component's
    own module may stand in it, and torch. `figures` are what a model's paper states, (what, figure).
    """

    number: int
    name: str
    family: str
    module: str
    summary: str
    paper: str
    url: str
    oracle: str
    example: str = ""
    figures: tuple[tuple[str, str], ...] = ()

    def load(self) -> Any:
        """The class itself."""
        return getattr(importlib.import_module(self.module), self.name)

    def example_of(self, preset: str = "") -> str:
        """The example, or the same call of a preset. Raises `ValueError` for a preset that the component lacks."""
        if not preset:
            return self.example
        made = self.load()
        checks.require(len(getattr(made, "presets", {})) > 0, f"{self.name} has no presets; leave out --preset")
        size = made.input_sizes.get(preset)
        call = ast.parse(self.example, mode="eval").body
        assert isinstance(call, ast.Call)
        inputs = f"torch.randn{(1, *size)}" if size else ", ".join(map(ast.unparse, call.args))
        return f'{self.name}.preset("{preset}")({inputs})'

    def run_example(self, preset: str = "") -> tuple[nn.Module, tuple[Any, ...]]:
        """The module of `example_of(preset)` and its inputs: on the meta device, where nothing is computed."""
        call = ast.parse(self.example_of(preset), mode="eval").body
        assert isinstance(call, ast.Call)
        parts = (ast.unparse(part) for part in (call.func, ast.Tuple(call.args, ast.Load())))
        names = {**vars(layers), **vars(importlib.import_module(self.module)), "torch": torch}
        with torch.device("meta"):
            module, inputs = (eval(part, names) for part in parts)
        return module, inputs

    @property
    def source(self) -> Path:
        """The file that defines it."""
        return Path(inspect.getfile(self.load()))
