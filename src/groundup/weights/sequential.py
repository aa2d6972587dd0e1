"""Descriptions of a `Sequential` of this library's layers: its names and arguments, instead of a pickle.

{"0": {"class": "Flatten", "arguments": {...}}, "1": {"class": "Linear", "arguments": {"in_features": 64, ...}}}
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from groundup import layers
from groundup.layers import __all__ as NAMES

SEQUENTIAL = "Sequential"
_PLACEMENT = ("device", "dtype")


def describe(model: nn.Sequential) -> dict[str, Any]:
    """Return the class and the constructor's arguments of each layer, by the layer's name in `model`.

    The arguments are read from attributes of the same names; the layer that they build is compared with the original.
    Raises `ValueError` for a layer that is not in `groundup.layers`, or whose arguments its attributes do not show.

    Example:
        >>> describe(nn.Sequential(layers.Flatten()))
        {'0': {'class': 'Flatten', 'arguments': {'start_dim': 1, 'end_dim': -1}}}
    """
    return {name: _describe_layer(name, layer) for name, layer in model.named_children()}


def _describe_layer(name: str, layer: nn.Module) -> dict[str, Any]:
    cls, kind = type(layer), type(layer).__name__
    if isinstance(layer, nn.Sequential) and cls is nn.Sequential:
        return {"class": SEQUENTIAL, "arguments": {"layers": describe(layer)}}
    if kind not in NAMES or getattr(layers, kind) is not cls:
        raise ValueError(
            f"layer {name} is a {cls.__module__}.{kind}: a Sequential is saved when it is made of groundup.layers; "
            "use the layer there, or write the model as a subclass of groundup.models.classifier.ImageClassifier"
        )
    for arguments in _candidates(layer):
        try:
            if _settings(build_layer(kind, arguments, "meta", None)) == _settings(layer):
                return {"class": kind, "arguments": arguments}
        except (TypeError, ValueError, RuntimeError):
            continue
    raise ValueError(
        f"layer {name}, a {kind}, does not show the arguments that it was built with, so that it cannot be saved in a "
        "Sequential; write the model as a subclass of groundup.models.classifier.ImageClassifier"
    )


def _candidates(layer: nn.Module) -> Iterator[dict[str, Any]]:
    """Yield arguments that may have built the layer: its attributes, else the defaults, or both values of a bool."""
    choices: dict[str, tuple[Any, ...]] = {}
    for name, parameter in _parameters(type(layer)).items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or name in _PLACEMENT:
            continue
        if name == "bias" and hasattr(layer, name):
            choices[name] = (layer.bias is not None,)
        elif hasattr(layer, name):
            choices[name] = (getattr(layer, name),)
        elif parameter.default is not parameter.empty:
            choices[name] = (True, False) if isinstance(parameter.default, bool) else (parameter.default,)
    for values in product(*choices.values()):
        yield dict(zip(choices, values))


def build_sequential(
    layers: Mapping[str, Any], device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> nn.Sequential:
    """Build the `Sequential` of a description.

    Args:
        layers: what `describe` returned.
        device, dtype: of the parameters.

    Raises `ValueError` for a class that is not in `groundup.layers`.
    """
    parts = OrderedDict()
    for name, entry in layers.items():
        if not isinstance(entry, Mapping) or entry.keys() != {"class", "arguments"}:
            raise ValueError(f"layer {name} must have a class and arguments, got {entry!r}")
        parts[name] = build_layer(entry["class"], entry["arguments"], device, dtype)
    return nn.Sequential(parts)


def build_layer(
    kind: str, arguments: Mapping[str, Any], device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Module:
    """Build the layer of a class name with these arguments. Raises `ValueError` for an unknown class."""
    if kind == SEQUENTIAL:
        return build_sequential(**arguments, device=device, dtype=dtype)
    if kind not in NAMES:
        raise ValueError(f"there is no layer {kind!r} in groundup.layers")
    cls = getattr(layers, kind)
    placement = {name: value for name, value in (("device", device), ("dtype", dtype)) if name in _parameters(cls)}
    layer: nn.Module = cls(**arguments, **placement)
    return layer


def _parameters(cls: type[nn.Module]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(cls).parameters


def _settings(layer: nn.Module) -> dict[str, Any]:
    """Return all settings of a layer that determine its output, except the numbers in its tensors."""
    state: dict[str, Any] = {}
    for at, part in layer.named_modules():
        state[f"{at}:class"] = type(part)
        for name, value in vars(part).items():
            if not name.startswith("_") and name != "training":
                state[f"{at}.{name}"] = value.tolist() if isinstance(value, Tensor) else value
        for name, tensor in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)):
            state[f"{at}.{name}"] = tensor.shape
    return state
