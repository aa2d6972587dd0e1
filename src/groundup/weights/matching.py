"""Matching of weight files to models: the ways to read a file, the one that fits, and the copy of its tensors.

A file of tensors does not say which model it belongs to. Every known way to read it, a `Candidate`, is tried on names
and shapes alone, with a model on the meta device. Only when exactly one fits is the first number copied, so that a
failure leaves a model as it was.
"""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from groundup.data.download import sha256
from groundup.weights import registry
from groundup.weights.config import OWN_NAMES, Config
from groundup.weights.registry import Published
from groundup.weights.weight_files import CONFIG, SAFETENSORS, Weights, open_weights
from groundup.weights.weight_map import SAME_NAMES, Table, WeightError, plan, to_ours

logger = logging.getLogger("groundup")


def load_weights(model: nn.Module, path: str | Path, table: Table = SAME_NAMES) -> None:
    """Copy the weights of a file or folder into a model: all of them, or none if they do not fit.

    Args:
        model: any module; its parameters and buffers are overwritten.
        path: file or folder, as `open_weights` takes it.
        table: weight map from the file's names to the model's; by default the names are the same.

    Raises `WeightError` naming the file and every tensor at fault; the model is then unchanged.

    Example:
        >>> path = getfixture("tmp_path") / "linear.pth"
        >>> torch.save(nn.Linear(3, 2).state_dict(), path)
        >>> load_weights(nn.Linear(3, 2), path)
    """
    weights, state = open_weights(path), model.state_dict()
    check_dense(weights)
    _convert(weights.path, table, weights.meta, {name: tensor.to("meta") for name, tensor in state.items()})
    _copy(_convert(weights.path, table, weights, state), state)


@dataclass(frozen=True)
class Candidate:
    """One way to read a file.

    Args:
        what: its source, for messages.
        model: a class, or another callable that builds the model from `arguments`.
        arguments: keyword arguments of `model`.
        table: weight map from the file's names to the model's.
        row: the published row, if it comes from one.
        doubtful: True if the row holds for its own file only, and this may be another file.
    """

    what: str
    model: Any
    arguments: Mapping[str, Any]
    table: Table
    row: Published | None = None
    doubtful: bool = False


class Fit(NamedTuple):
    """The candidate that fits a file.

    Args:
        candidate: the way to read the file.
        arguments: arguments of the model that the file fits, which may have another number of classes.
        model: that model, on the meta device.
    """

    candidate: Candidate
    arguments: dict[str, Any]
    model: Any


def find_class(model: type[Any], name: str) -> type[Any] | None:
    """Return the subclass of `model` called `name`, or `model` itself if it is or derives from `name`; else None."""
    if name in (base.__name__ for base in model.__mro__):
        return model
    return next((found for child in model.__subclasses__() if (found := find_class(child, name))), None)


def _builds_same(model: type[Any], config: Config) -> bool:
    """Return True if `model` is the class of config.json, or a subclass that builds the same from its arguments."""
    base = next(base for base in model.__mro__ if base.__name__ == config.model)
    general, own, given = signature(base).parameters, signature(model).parameters, config.arguments or {}
    for name, parameter in general.items():
        if name not in own and name in given:
            return False
        makes_the_class = name in own and name != "num_classes" and own[name].default != parameter.default
        if makes_the_class and given.get(name, parameter.default) != own[name].default:
            return False
    return True


def candidate_from_row(row: Published, model: type[Any], preset: str = "") -> Candidate:
    """Return the candidate of a published row for `model` or a subclass. Raises `ValueError` if it is for another."""
    if preset not in ("", row.preset):
        raise ValueError(f"{row.name} is published for the preset {row.preset!r}, got preset={preset!r}")
    if (owner := find_class(model, row.model)) is None:
        raise ValueError(f"{row.name} is a {row.model}, not a {model.__name__}: call {row.model}.from_pretrained")
    return Candidate(row.name, owner, _preset_arguments(owner, row.preset), row.table, row)


def list_candidates(
    model: type[Any], path: Path, config: Config | None, preset: str, table: str | Table | None
) -> list[Candidate]:
    """Return the candidates for a file: the one that its config.json, `table` or its name states, or all known ones.

    Args:
        model: class that the caller asks for.
        path: file or folder of the weights.
        config: its config.json, if it has one.
        preset: key of the class's presets; "" for the constructor's defaults.
        table: weight map, or the published name of one; None if the caller does not say.
    """
    if isinstance(table, str):
        return [candidate_from_row(_find_row(table, "table", preset), model, preset)]
    if table is not None:
        return [Candidate("the given table", model, _preset_arguments(model, preset), table)]
    if config is not None and config.model:
        if (owner := find_class(model, config.model)) is None or not _builds_same(owner, config):
            raise ValueError(
                f"{path} holds a {config.call}, not a {model.__name__}: call {config.model}.from_pretrained"
            )
        _preset_arguments(model, preset)  # not needed, but a name that means nothing is a mistake
        own = config.names == OWN_NAMES
        names = SAME_NAMES if own else _find_row(config.names, f"names in {path / CONFIG}").table
        return [Candidate(f"its {CONFIG} says", owner, config.arguments or {}, names)]
    known = []
    for row in registry.published_weights():
        try:
            known.append(candidate_from_row(row, model, preset))
        except ValueError:
            continue
        if path.name == Path(row.address).name != SAFETENSORS:
            return known[-1:]
        if row.alone and not preset:
            known[-1] = replace(known[-1], doubtful=True)
    if "device" not in signature(model).parameters:  # a base class, not a model itself
        return known
    return [Candidate("groundup's own names", model, _preset_arguments(model, preset), SAME_NAMES), *known]


def check_dense(weights: Weights) -> None:
    """Raise `WeightError` that names a tensor with another layout than a dense one."""
    for name, tensor in weights.meta.items():
        if tensor.layout != torch.strided:
            raise WeightError(
                f"{weights.path}: {name} has the layout {tensor.layout}, and a model's tensors are dense: save it with "
                ".to_dense()"
            )


def choose_candidate(
    choices: Sequence[Candidate], weights: Weights, changes: Mapping[str, Any], dtype: torch.dtype | None = None
) -> Fit:
    """Return the candidate that fits, with the model that the file fits.

    Args:
        choices: candidates, in order of preference.
        weights: the file.
        changes: arguments that the caller changes. With another num_classes, the file may fit all but the classifier;
            the returned arguments then have the file's number of classes.
        dtype: of the model.

    Raises `WeightError` that says why no candidate fits, or which ones the tensors cannot tell apart.
    """
    check_dense(weights)
    fits: list[Fit] = []
    doubtful: list[Fit] = []
    failures = []
    for candidate in choices:
        try:
            fit = _fit(candidate, weights, changes, dtype)
            (doubtful if candidate.doubtful else fits).append(fit)
        except WeightError as failure:
            failures.append(f"as {candidate.what}: {failure}")
    for fit in doubtful:
        other = fit.candidate
        assert other.row is not None
        if sha256(weights.path).startswith(other.row.sha256):
            return fit
        own = f"if its weights come from {other.what}, pass preset={other.row.preset!r}"
        if not fits:
            raise WeightError(
                f"{weights.path} has the names of {other.what}, but is another file, and its tensors do not tell how "
                f"that is read: {own}; else name the preset and the arguments that it was built with"
            )
        logger.warning("%s is read as %s; %s", weights.path, fits[0].candidate.what, own)
    if not fits:
        if len(failures) == 1:
            raise WeightError(f"{weights.path}, read {failures[0]}")
        tried = (textwrap.shorten(failure, 300, placeholder=" …") for failure in failures)
        raise WeightError("\n  ".join((f"{weights.path} fits nothing that is known of the model; tried", *tried)))
    if any((fit.candidate.model, fit.arguments) != (fits[0].candidate.model, fits[0].arguments) for fit in fits):
        raise WeightError(
            f"{weights.path} fits several models, which its tensors do not tell apart: "
            f"{', '.join(fit.candidate.what for fit in fits)}; say which with table="
        )
    return fits[0]


def _fit(candidate: Candidate, weights: Weights, changes: Mapping[str, Any], dtype: torch.dtype | None) -> Fit:
    """Return the model that the file fits: with `changes`, or with the file's number of classes."""
    arguments = {**candidate.arguments, **changes}
    try:
        model = candidate.model(**arguments, device="meta", dtype=dtype)
    except (TypeError, ValueError) as failure:
        if changes:
            raise
        raise ValueError(f"{weights.path}, read as {candidate.what}: no model is built so: {failure}") from failure
    try:
        to_ours(candidate.table, weights.meta, model.state_dict())
        return Fit(candidate, arguments, model)
    except WeightError as failure:
        classes = _count_classes(candidate, weights)
        if classes is None or classes == getattr(model, "num_classes", None):
            raise
        if "num_classes" not in changes:
            raise WeightError(f"it is for {classes} classes, pass num_classes={classes}; {failure}") from None
    arguments["num_classes"] = classes
    model = candidate.model(**arguments, device="meta", dtype=dtype)
    to_ours(candidate.table, weights.meta, model.state_dict())
    return Fit(candidate, arguments, model)


def _count_classes(candidate: Candidate, weights: Weights) -> int | None:
    """Return the number of classes of the file, the rows of its classifier's weight; None if it is not known."""
    name = f"{getattr(candidate.model, 'classifier', None)}.weight"
    try:
        source = next((step.theirs for step in plan(candidate.table, weights.meta) if name in step.ours), None)
    except WeightError:
        return None
    return None if source is None or not weights.meta[source].dim() else weights.meta[source].size(0)


def _preset_arguments(model: type[Any], name: str) -> Mapping[str, Any]:
    if name and name not in model.presets:
        raise ValueError(f"{model.__name__} has no preset {name!r}; it has {', '.join(map(repr, model.presets))}")
    return model.presets[name] if name else {}


def _find_row(name: str, what: str, preset: str = "") -> Published:
    if (row := registry.find_names(name, preset)) is None:
        raise ValueError(f"{what} must be a published name, got {name!r}{registry.suggest_names(name)}")
    return row


def build_model(
    fit: Fit,
    weights: Weights,
    changes: Mapping[str, Any],
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> tuple[Any, list[str]]:
    """Return the model with the file's numbers, and the names of its tensors that keep their initial values.

    Args:
        fit: the fit that `choose_candidate` returned.
        weights: the file.
        changes: arguments that the caller changes. Tensors that have another shape with them keep initial values.
        device, dtype: of the model.
    """
    candidate = fit.candidate
    wanted = {**candidate.arguments, **changes}
    if fit.arguments == wanted:
        model = _allocate(fit, device, dtype)
        state = model.state_dict()
        _copy(_convert(weights.path, candidate.table, weights, state), state)
        return model, []
    model = candidate.model(**wanted, device=device, dtype=dtype)
    state, of_file = model.state_dict(), fit.model.state_dict()
    fresh = [name for name in state if state[name].shape != of_file[name].shape]
    tensors = _convert(weights.path, candidate.table, weights, {**state, **{name: of_file[name] for name in fresh}})
    _copy({name: tensor for name, tensor in tensors.items() if name not in fresh}, state)
    return model, fresh


def _convert(path: Path, table: Table, theirs: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the model's tensors, made from the file's; with meta tensors only names and shapes are checked."""
    try:
        return to_ours(table, theirs, state)
    except WeightError as failure:
        raise WeightError(f"{path}: {failure}") from failure


def _allocate(fit: Fit, device: torch.device | str | None, dtype: torch.dtype | None) -> Any:
    """Return the model in memory, to be overwritten; built again, with random numbers, only where that is needed."""
    blank = fit.model
    derived = {id(b) for part in blank.modules() if hasattr(part, "derive") for b in part.buffers(recurse=False)}
    buffers = [(name, b) for name, b in blank.named_buffers() if id(b) not in derived]  # others are computed
    each_once = [name for name, _ in (*blank.named_parameters(), *buffers)]
    if blank.state_dict().keys() != set(each_once):  # shared parameters, or buffers that are in no file
        return fit.candidate.model(**fit.arguments, device=device, dtype=dtype)
    return blank.to_empty(device=torch.get_default_device() if device is None else device)


def _copy(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    if empty := [name for name, tensor in tensors.items() if tensor.is_meta and not state[name].is_meta]:
        raise WeightError(
            f"the file has only the shape of what fills {empty[0]}, saved from the meta device, and no numbers: "
            "save a model that has them"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            state[name].copy_(tensor)
