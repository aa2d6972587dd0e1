"""Whose names a file has, and what model it belongs to: every way to read it is tried on names and shapes."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from groundup.data.download import sha256
from groundup.weights import registry
from groundup.weights.config import CONFIG, OWN_NAMES, Config
from groundup.weights.files import SAFETENSORS, Weights
from groundup.weights.published import Published
from groundup.weights.table import SAME_NAMES, Table, WeightError, plan, to_ours

logger = logging.getLogger("groundup")


@dataclass(frozen=True)
class Reading:
    """One way to read a file: as `what`, for `model(**arguments)`, by `table`."""

    what: str
    model: Any  # a class, or another callable that builds the model
    arguments: Mapping[str, Any]
    table: Table
    row: Published | None = None
    doubtful: bool = False  # the row holds of its own file alone, and this may be another


def related(model: type[Any], name: str) -> type[Any] | None:
    """The class called `name` among those derived from `model`; `model` itself, where it is derived from that."""
    if name in (base.__name__ for base in model.__mro__):
        return model
    return next((found for child in model.__subclasses__() if (found := related(child, name))), None)


def _builds(model: type[Any], config: Config) -> bool:
    """Whether `model` is the class that config.json names or, of one derived from it, what the arguments there make."""
    base = next(base for base in model.__mro__ if base.__name__ == config.model)
    general, own, given = signature(base).parameters, signature(model).parameters, config.arguments or {}
    for name, parameter in general.items():
        if name not in own and name in given:
            return False
        makes_the_class = name in own and name != "num_classes" and own[name].default != parameter.default
        if makes_the_class and given.get(name, parameter.default) != own[name].default:
            return False
    return True


def reading_of(row: Published, model: type[Any], preset: str = "") -> Reading:
    """A published row, for `model` or a class derived from it. Raises `ValueError` where it is for another."""
    if preset not in ("", row.preset):
        raise ValueError(f"{row.name} is published for the preset {row.preset!r}, got preset={preset!r}")
    if (owner := related(model, row.model)) is None:
        raise ValueError(f"{row.name} is a {row.model}, not a {model.__name__}: call {row.model}.from_pretrained")
    return Reading(row.name, owner, _preset(owner, row.preset), row.table, row)


def readings(
    model: type[Any], path: Path, config: Config | None, preset: str, table: str | Table | None
) -> list[Reading]:
    """The one way to read a file that its config.json, `table` or its own name tells; else all that are known."""
    if isinstance(table, str):
        return [reading_of(_row(table, "table", preset), model, preset)]
    if table is not None:
        return [Reading("the given table", model, _preset(model, preset), table)]
    if config is not None and config.model:
        if (owner := related(model, config.model)) is None or not _builds(owner, config):
            raise ValueError(
                f"{path} holds a {config.call}, not a {model.__name__}: call {config.model}.from_pretrained"
            )
        _preset(model, preset)  # not needed, but a name that means nothing is a mistake
        own = config.names == OWN_NAMES
        names = SAME_NAMES if own else _row(config.names, f"names in {path / CONFIG}").table
        return [Reading(f"its {CONFIG} says", owner, config.arguments or {}, names)]
    known = []
    for row in registry.published_weights():
        try:
            known.append(reading_of(row, model, preset))
        except ValueError:
            continue
        if path.name == Path(row.address).name != SAFETENSORS:
            return known[-1:]
        if row.alone and not preset:
            known[-1] = replace(known[-1], doubtful=True)
    if "device" not in signature(model).parameters:  # a frame for models, not a model itself
        return known
    return [Reading("groundup's own names", model, _preset(model, preset), SAME_NAMES), *known]


def check_dense(weights: Weights) -> None:
    """Raise `WeightError` that names a tensor which is not laid out number by number, as every parameter is."""
    for name, tensor in weights.meta.items():
        if tensor.layout != torch.strided:
            raise WeightError(
                f"{weights.path}: {name} has the layout {tensor.layout}, and a model's tensors are dense: save it with "
                ".to_dense()"
            )


def understood(
    choices: Sequence[Reading], weights: Weights, changes: Mapping[str, Any]
) -> tuple[Reading, dict[str, Any]]:
    """The reading that fits, and the arguments of the model that the file fits, whose classes may be others.

    Raises `WeightError` that says why each does not fit, or between which the tensors do not decide.
    """
    check_dense(weights)
    fits: list[tuple[Reading, dict[str, Any]]] = []
    doubtful: list[tuple[Reading, dict[str, Any]]] = []
    failures = []
    for reading in choices:
        try:
            fit = reading, _fitting(reading, weights, changes)
            (doubtful if reading.doubtful else fits).append(fit)
        except WeightError as failure:
            failures.append(f"as {reading.what}: {failure}")
    for other, given in doubtful:
        assert other.row is not None
        if sha256(weights.path).startswith(other.row.sha256):
            return other, given
        own = f"if its weights come from {other.what}, pass preset={other.row.preset!r}"
        if not fits:
            raise WeightError(
                f"{weights.path} has the names of {other.what}, but is another file, and its tensors do not tell how "
                f"that is read: {own}; else name the preset and the arguments that it was built with"
            )
        logger.warning("%s is read as %s; %s", weights.path, fits[0][0].what, own)
    if not fits:
        if len(failures) == 1:
            raise WeightError(f"{weights.path}, read {failures[0]}")
        tried = (textwrap.shorten(failure, 300, placeholder=" …") for failure in failures)
        raise WeightError("\n  ".join((f"{weights.path} fits nothing that is known of the model; tried", *tried)))
    (first, arguments), *others = fits
    if any((other.model, given) != (first.model, arguments) for other, given in others):
        raise WeightError(
            f"{weights.path} fits several models, which its tensors do not tell apart: "
            f"{', '.join(reading.what for reading, _ in fits)}; say which with table="
        )
    return first, arguments


def _fitting(reading: Reading, weights: Weights, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the model that the file fits: those asked for, or the same with the file's number of classes."""
    arguments = {**reading.arguments, **changes}
    try:
        model = reading.model(**arguments, device="meta")
    except (TypeError, ValueError) as failure:
        if changes:
            raise
        raise ValueError(f"{weights.path}, read as {reading.what}: no model is built so: {failure}") from failure
    try:
        to_ours(reading.table, weights.meta, model.state_dict())
        return arguments
    except WeightError as failure:
        classes = _classes(reading, weights)
        if classes is None or classes == getattr(model, "num_classes", None):
            raise
        if "num_classes" not in changes:
            raise WeightError(f"it is for {classes} classes, pass num_classes={classes}; {failure}") from None
    arguments["num_classes"] = classes
    to_ours(reading.table, weights.meta, reading.model(**arguments, device="meta").state_dict())
    return arguments


def _classes(reading: Reading, weights: Weights) -> int | None:
    """How many classes the file is for: the rows of its classifier's weight."""
    name = f"{getattr(reading.model, 'classifier', None)}.weight"
    try:
        source = next((step.theirs for step in plan(reading.table, weights.meta) if name in step.ours), None)
    except WeightError:
        return None
    return None if source is None or not weights.meta[source].dim() else weights.meta[source].size(0)


def _preset(model: type[Any], name: str) -> Mapping[str, Any]:
    if name and name not in model.presets:
        raise ValueError(f"{model.__name__} has no preset {name!r}; it has {', '.join(map(repr, model.presets))}")
    return model.presets[name] if name else {}


def _row(name: str, what: str, preset: str = "") -> Published:
    if (row := registry.find_names(name, preset)) is None:
        raise ValueError(f"{what} must be a published name, got {name!r}{registry.near(name)}")
    return row
