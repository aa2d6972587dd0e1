"""Weight maps: tables from the tensor names that the world publishes to ours, applied strictly in both directions.

    TABLE = (
        Row("conv1", "stem.conv"),                                    a module, with all its tensors
        Row("layer{s}.{b}.conv{c}", "layer{s}.{b}.conv{c}"),          {s}: any text without a dot
        Row("attn.c_attn", ("q_proj", "k_proj", "v_proj"), *SPLIT),   one tensor there, three here
        Drop("attn.bias", "the causal mask, which is no parameter"),
        Absent("bn{i}.num_batches_tracked", zero, "files from before 2018 do not have it"),
    )

The first row whose pattern matches is used. Every tensor of the file must be used or dropped, every tensor of the model
filled, and all shapes equal, before the first tensor is copied: a model is never half loaded. Loading by position or
ignoring unknown names would let a wrong file pass, and only the accuracy would show it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

Transform = Callable[..., "Tensor | Sequence[Tensor]"]


class WeightError(ValueError):
    """The file does not fit the model; the message names every tensor at fault."""


def same(t: Tensor) -> Tensor:
    """Return the tensor unchanged."""
    return t


@dataclass(frozen=True)
class Row:
    """One line of a weight map: `theirs` ↔ `ours`.

    Args:
        theirs: pattern of a published name; it matches a tensor, or a module with all its tensors.
        ours: pattern of our name; or several, if one published tensor holds several of ours.
        to_ours: function from their tensor to ours, or to as many as there are names in `ours`.
        to_theirs: its inverse, which takes as many tensors as there are names in `ours`.
        reading_only: skip the row when exporting; for names that only old files have.

    Example:
        >>> table = (Row("fc.{name}", "head.{name}"),)
        >>> sorted(to_theirs(table, {"head.bias": torch.zeros(2)}))
        ['fc.bias']
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
    """A tensor of the file that the model does not have; it is not exported.

    Args:
        theirs: pattern of the published name.
        reason: why it can be dropped.
        copy_of: pattern of another published tensor with the same numbers. A file in which they differ is refused,
            because the numbers would be lost.

    Example:
        >>> to_ours((Drop("mask", "a constant"),), {"mask": torch.ones(2)}, model={})
        {}
    """

    theirs: str
    reason: str
    copy_of: str = ""


@dataclass(frozen=True)
class Absent:
    """A tensor of the model that a file may lack.

    Args:
        ours: pattern of our name.
        make: function from the model's tensor to the one that is used if the file has none.
        reason: why files lack it.
        exported: False to leave it out when exporting, for tensors that the publisher's model does not have.

    Example:
        >>> to_ours((Absent("count", torch.zeros_like, "old files have none"),), {}, model={"count": torch.ones(1)})
        {'count': tensor([0.])}
    """

    ours: str
    make: Callable[[Tensor], Tensor]
    reason: str
    exported: bool = True


@dataclass(frozen=True)
class Derived:
    """A tensor of the file that is computed from a tensor of the model when exporting, and dropped when loading.

    Args:
        theirs: pattern of the published name.
        ours: pattern of the model's tensor that determines it.
        make: function from the model's tensor to the published one.
        reason: why it follows from that tensor.

    Example:
        >>> table = (Derived("size", "w", lambda w: torch.tensor(len(w)), "the length of w"), Row("w", "w"))
        >>> to_theirs(table, {"w": torch.zeros(3)})["size"]
        tensor(3)
    """

    theirs: str
    ours: str
    make: Callable[[Tensor], Tensor]
    reason: str


Table = Sequence[Row | Drop | Absent | Derived]

#: The weight map of a file that has the model's own names.
SAME_NAMES: Table = (Row("{name}", "{name}"),)

SPLIT_IN_THREE: tuple[Transform, Transform] = (lambda t: t.chunk(3), lambda *parts: torch.cat(parts))
TRANSPOSED: tuple[Transform, Transform] = (lambda t: t.mT, lambda t: t.mT)


@dataclass(frozen=True)
class Plan:
    """The destination of one published tensor: our names, and the row of the table; None if it is dropped."""

    theirs: str
    ours: tuple[str, ...]
    row: Row | None = field(repr=False)


def plan(table: Table, names: Iterable[str]) -> Iterator[Plan]:
    """Yield the destination of each published name. Raises `WeightError` that lists the names without a row."""
    rows = [row for row in table if not isinstance(row, Absent)]
    unknown = []
    for name in names:
        for row in rows:
            if (match := _match(row.theirs, name)) is None:
                continue
            if isinstance(row, (Drop, Derived)):
                yield Plan(name, (), None)
            else:
                yield Plan(name, tuple(_fill(target, match) for target in row.targets), row)
            break
        else:
            unknown.append(name)
    if unknown:
        raise WeightError(f"the file has tensors that the model does not know: {_list_some(unknown)}")


def to_ours(table: Table, theirs: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the model's tensors, made from the published ones.

    Args:
        table: the weight map.
        theirs: the published tensors by name. With meta tensors only names and shapes are checked, and the result
            holds meta tensors.
        model: the model's `state_dict`, which says which names and shapes there must be.

    Raises `WeightError` naming every tensor that is unknown, missing, given twice, or of another shape or kind.

    Example:
        >>> to_ours((Row("fc", "head"),), {"fc.bias": torch.ones(2)}, model={"head.bias": torch.zeros(2)})
        {'head.bias': tensor([1., 1.])}
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
                wrong.append(f"{_describe_name(step.theirs, name)}, which the model does not have")
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
        raise WeightError(f"the file does not fit the model: {_list_some(wrong, '; ')}")
    return result


def _other_copies(table: Table, theirs: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield a message for each tensor that would be dropped as a copy of another, but has other numbers."""
    for row in (row for row in table if isinstance(row, Drop) and row.copy_of):
        for name in theirs:
            if (match := _match(row.theirs, name)) is None or (of := _fill(row.copy_of, match)) not in theirs:
                continue
            copy, first = theirs[name], theirs[of]
            if not copy.is_meta and not torch.equal(copy.to(first.dtype), first):
                yield f"{name} has other numbers than {of}, and was to be dropped: {row.reason}"


def to_theirs(table: Table, model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the model's tensors under the published names, as the publisher's library loads them.

    The inverse of `to_ours`. Raises `WeightError` if the table has no row for a tensor of `model`, a `state_dict`.
    """
    rows = [row for row in table if isinstance(row, Row) and not row.reading_only]
    left_out = [row.ours for row in table if isinstance(row, Absent) and not row.exported]
    result: dict[str, Tensor] = {}
    used: set[str] = set()
    for derived in (row for row in table if isinstance(row, Derived)):
        for name, tensor in model.items():
            if (match := _match(derived.ours, name)) is not None:
                result[_fill(derived.theirs, match)] = derived.make(tensor)
    for name in model:
        if name in used or any(_match(pattern, name) is not None for pattern in left_out):
            continue
        for row in rows:
            if (match := _match(row.targets[0], name)) is not None:
                break
        else:
            raise WeightError(f"the table has no row for {name} of the model")
        sources = [_fill(target, match) for target in row.targets]
        if missing := [source for source in sources if source not in model]:
            raise WeightError(f"{name} goes with {_list_some(missing)}, which the model does not have")
        made = row.to_theirs(*(model[source] for source in sources))
        assert isinstance(made, Tensor)
        result[_fill(row.theirs, match)] = made.contiguous()
        used.update(sources)
    return result


def _match(pattern: str, name: str) -> dict[str, str] | None:
    """Return the text of each placeholder, and under "" the rest of the name; None if the pattern does not match."""
    found = _compile(pattern).fullmatch(name)
    return None if found is None else {"": found["rest"] or "", **found.groupdict()}


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", pattern)
    literal = [re.escape(part) if i % 2 == 0 else rf"(?P<{part}>[^.]+?)" for i, part in enumerate(parts)]
    return re.compile("".join(literal) + r"(?P<rest>\..+)?")


def _fill(pattern: str, match: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda placeholder: match[placeholder[1]], pattern) + match[""]


def _describe_name(theirs: str, ours: str) -> str:
    return f"the file has {ours}" if theirs == ours else f"{theirs} would be {ours}"


def _kind(tensor: Tensor) -> str:
    """Return the kind of number. Copying converts between precisions, but not between kinds."""
    return "float" if tensor.is_floating_point() else "complex" if tensor.is_complex() else "whole number"


def _list_some(items: Sequence[str], separator: str = ", ", most: int = 8) -> str:
    more = len(items) - most
    return separator.join(items[:most]) + (f" and {more} more" if more > 0 else "")
