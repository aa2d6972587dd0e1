"""Weight maps: a table from the names the world publishes to ours, applied strictly, in both directions.

    TABLE = (
        Row("conv1", "stem.conv"),                                    a module, with all its tensors
        Row("layer{s}.{b}.conv{c}", "layer{s}.{b}.conv{c}"),          {s} stands for what lies between two dots, or less
        Row("attn.c_attn", ("q_proj", "k_proj", "v_proj"), *SPLIT),   one tensor there, three here
        Drop("attn.bias", "the causal mask, which is no parameter"),
        Absent("bn{i}.num_batches_tracked", zero, "files from before 2018 do not have it"),
    )

The first row whose pattern matches is taken. Every tensor of the file must be used or dropped, every tensor of the
model filled, and all shapes equal, before the first one is copied: a model is never half loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Transform = Callable[..., "Tensor | Sequence[Tensor]"]


class WeightError(ValueError):
    """A file does not fit a model; every tensor at fault is named."""


def same(t: Tensor) -> Tensor:
    """The tensor as it is."""
    return t


@dataclass(frozen=True)
class Row:
    """`theirs` ↔ `ours`: patterns of names, each matching a tensor, or a module and all tensors in it.

    Several `ours` are made of one tensor by `to_ours`, which returns as many; `to_theirs` takes them and undoes it.
    With `reading_only` the row is passed over when exporting: for names that only old files have.
    """

    theirs: str
    ours: str | tuple[str, ...]
    to_ours: Transform = same
    to_theirs: Transform = same
    reading_only: bool = False

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.ours,) if isinstance(self.ours, str) else self.ours


@dataclass(frozen=True)
class Drop:
    """Something in the file that the model does not have, and why; it is not exported.

    `copy_of`: another name of theirs, whose numbers it has. One that has others is refused: it says something.
    """

    theirs: str
    reason: str
    copy_of: str = ""


@dataclass(frozen=True)
class Absent:
    """Something in the model that a file may lack, and why: then it is filled with `make(its tensor)`.

    With `exported=False` it is left out when exporting: their model has no such tensor.
    """

    ours: str
    make: Callable[[Tensor], Tensor]
    reason: str
    exported: bool = True


@dataclass(frozen=True)
class Derived:
    """Something in the file that follows from a tensor of the model, and why: when exporting, it is made of it."""

    theirs: str
    ours: str
    make: Callable[[Tensor], Tensor]
    reason: str


Table = Sequence[Row | Drop | Absent | Derived]

#: The file has the model's own names.
SAME_NAMES: Table = (Row("{name}", "{name}"),)

SPLIT_IN_THREE: tuple[Transform, Transform] = (lambda t: t.chunk(3), lambda *parts: torch.cat(parts))
TRANSPOSED: tuple[Transform, Transform] = (lambda t: t.mT, lambda t: t.mT)


@dataclass(frozen=True)
class Plan:
    """What becomes of one tensor of theirs; `row` is None for what is dropped."""

    theirs: str
    ours: tuple[str, ...]
    row: Row | None = field(repr=False)


def plan(table: Table, names: Iterable[str]) -> Iterator[Plan]:
    """Where each of their tensors goes. Raises `WeightError` that lists the names for which there is no row."""
    rows = [row for row in table if not isinstance(row, Absent)]
    unknown = []
    for name in names:
        for row in rows:
            if (match := _match(row.theirs, name)) is None:
                continue
            if isinstance(row, (Drop, Derived)):
                yield Plan(name, (), None)
            else:
                yield Plan(name, tuple(_filled(target, match) for target in row.targets), row)
            break
        else:
            unknown.append(name)
    if unknown:
        raise WeightError(f"the file has tensors that the model does not know: {_listed(unknown)}")


def to_ours(table: Table, theirs: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The model's tensors, made of theirs, each with the shape that it has in `model`, a `state_dict`.

    `theirs` may hold meta tensors: then so does the result, and only names and shapes are checked.
    Raises `WeightError` naming what is unknown, missing, given twice, or of another shape.
    """
    result: dict[str, Tensor] = {}
    misfits: set[str] = set()
    wrong = []
    for step in plan(table, theirs):
        if step.row is None:
            continue
        made = step.row.to_ours(theirs[step.theirs])
        parts = (made,) if isinstance(made, Tensor) else tuple(made)
        if len(parts) != len(step.ours):
            raise WeightError(f"{step.theirs} gives {len(parts)} tensors for {len(step.ours)} names {step.ours}")
        for name, part in zip(step.ours, parts):
            if name not in model:
                wrong.append(f"{_renamed(step.theirs, name)}, which the model does not have")
            elif name in result:
                wrong.append(f"{name} is given twice, the second time by {step.theirs}")
            elif _kind(part) != _kind(model[name]):
                misfits.add(name)
                wrong.append(f"{step.theirs} is of {part.dtype}, {name} of the model of {model[name].dtype}")
            elif part.shape != model[name].shape:
                misfits.add(name)
                ours = tuple(model[name].shape)
                wrong.append(f"{step.theirs} has the shape {tuple(part.shape)}, {name} of the model {ours}")
            else:
                result[name] = part
    wrong += _other_copies(table, theirs)
    optional = [row for row in table if isinstance(row, Absent)]
    for name in model:
        if name not in result and name not in misfits:
            row = next((row for row in optional if _match(row.ours, name) is not None), None)
            if row is None:
                wrong.append(f"nothing in the file fills {name}")
            else:
                result[name] = row.make(model[name])
    if wrong:
        raise WeightError(f"the file does not fit the model: {_listed(wrong, '; ')}")
    return result


def _other_copies(table: Table, theirs: Mapping[str, Tensor]) -> Iterator[str]:
    """What is wrong with tensors that are dropped as copies of others; of meta tensors nothing can be."""
    for row in (row for row in table if isinstance(row, Drop) and row.copy_of):
        for name in theirs:
            if (match := _match(row.theirs, name)) is None or (of := _filled(row.copy_of, match)) not in theirs:
                continue
            copy, first = theirs[name], theirs[of]
            if not copy.is_meta and not torch.equal(copy.to(first.dtype), first):
                yield f"{name} has other numbers than {of}, and was to be dropped: {row.reason}"


def to_theirs(table: Table, model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_ours`: a `state_dict` under the published names, as their library loads it."""
    rows = [row for row in table if isinstance(row, Row) and not row.reading_only]
    left_out = [row.ours for row in table if isinstance(row, Absent) and not row.exported]
    result: dict[str, Tensor] = {}
    used: set[str] = set()
    for derived in (row for row in table if isinstance(row, Derived)):
        for name, tensor in model.items():
            if (match := _match(derived.ours, name)) is not None:
                result[_filled(derived.theirs, match)] = derived.make(tensor)
    for name in model:
        if name in used or any(_match(pattern, name) is not None for pattern in left_out):
            continue
        for row in rows:
            if (match := _match(row.targets[0], name)) is not None:
                break
        else:
            raise WeightError(f"the table has no row for {name} of the model")
        sources = [_filled(target, match) for target in row.targets]
        if missing := [source for source in sources if source not in model]:
            raise WeightError(f"{name} goes with {_listed(missing)}, which the model does not have")
        made = row.to_theirs(*(model[source] for source in sources))
        assert isinstance(made, Tensor)
        result[_filled(row.theirs, match)] = made.contiguous()
        used.update(sources)
    return result


def _match(pattern: str, name: str) -> dict[str, str] | None:
    """What the placeholders stand for, and under "" what of the name follows the pattern; None without a match."""
    found = _compiled(pattern).fullmatch(name)
    return None if found is None else {"": found["rest"] or "", **found.groupdict()}


def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern not in _patterns:
        parts = re.split(r"\{(\w+)\}", pattern)
        literal = [re.escape(part) if i % 2 == 0 else rf"(?P<{part}>[^.]+?)" for i, part in enumerate(parts)]
        _patterns[pattern] = re.compile("".join(literal) + r"(?P<rest>\..+)?")
    return _patterns[pattern]


_patterns: dict[str, re.Pattern[str]] = {}


def _filled(pattern: str, match: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda placeholder: match[placeholder[1]], pattern) + match[""]


def _renamed(theirs: str, ours: str) -> str:
    return f"the file has {ours}" if theirs == ours else f"{theirs} would be {ours}"


def _kind(tensor: Tensor) -> str:
    """Precisions are converted when copying; a whole number is not taken for a weight."""
    return "float" if tensor.is_floating_point() else "complex" if tensor.is_complex() else "whole number"


def _listed(items: Sequence[str], separator: str = ", ", most: int = 8) -> str:
    more = len(items) - most
    return separator.join(items[:most]) + (f" and {more} more" if more > 0 else "")
