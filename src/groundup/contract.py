"""The contract of a function: what its arguments must be, read from its signature and checked at the door.

A signature such as

    def linear(
        x: Float[Tensor, "*batch in_features"],
        weight: Float[Tensor, "out_features in_features"],
        bias: Float[Tensor, " out_features"] | None = None,
    )

says that x is a floating-point tensor and that its last axis is as long as weight's. `Contract` derives these checks:

    Float, Int, Bool, Int64 [Tensor, "B T E"]     type, number of axes, sizes that are equal or fixed ("2 3", "4*H")
    Float[...] | Float[...]                       any of several layouts
    Literal["mean", "sum"]                        one of these values
    Annotated[float, checks.probability]          what the check accepts
    bool, int, float                              a value of this type; int also where float is asked for

What a signature cannot say, such as "divisible by the number of heads", is a function of `groundup.rules` that receives
the bound call. `groundup.backend` asks the contract of a call once, and remembers the calls that were found right.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from groundup import checks

#: The bound call: a named tuple of the arguments, by name, defaults included.
Call: TypeAlias = Any
#: A function of `groundup.rules`: raises `ValueError` or `TypeError` for a wrong call.
Rule: TypeAlias = Callable[[Call], object]
#: Axis → (size, argument that is the first to have it, index of the axis there).
Sizes: TypeAlias = dict[str, tuple[Any, str, int]]

DTYPES = {"Float": "a floating-point", "Int": "an integer", "Int64": "an int64", "Bool": "a boolean"}
#: Nouns for axes in messages, for axes whose letter does not say what they count.
AXIS_WORDS = {**dict.fromkeys(("in_features", "I", "E", "D"), "features"), "H": "hidden units"}
REMEDIES = {"Float": "convert with {name}.float()", "Bool": "convert with {name}.bool()"}


@dataclass(frozen=True)
class Layout:
    """One annotation of a tensor: `kind` is "Float", "Int", ... or "Shaped", `axes` are its dimensions' names."""

    kind: str
    dtypes: tuple[torch.dtype, ...]  # empty for any
    axes: tuple[str, ...]

    @property
    def text(self) -> str:
        """The layout as messages print it: "(N, C, H, W)"."""
        axes = ["..." if is_variadic(axis) else axis for axis in self.axes]
        return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"

    def sizes_of(self, value: Tensor) -> list[tuple[str, Any, int]]:
        """(axis, size, index) of each axis; the size of a variadic one is a tuple."""
        shape, rank = value.shape, value.dim()
        many = rank - len(self.axes) + 1  # how many axes a variadic one stands for
        found: list[tuple[str, Any, int]] = []
        position = 0
        for axis in self.axes:
            if is_variadic(axis):
                found.append((axis, tuple(shape[position : position + many]), position))
                position += many
            else:
                found.append((axis, shape[position], position - rank))
                position += 1
        return found

    def accepts_dtype(self, value: Tensor) -> bool:
        return not self.dtypes or value.dtype in self.dtypes

    def accepts_rank(self, rank: int) -> bool:
        fixed = [axis for axis in self.axes if not is_variadic(axis)]
        return rank == len(fixed) if len(fixed) == len(self.axes) else rank >= len(fixed)


class Contract:
    """The checks of the arguments of `function`: those that its signature states, then those of `rule`."""

    def __init__(self, function: Callable[..., Any], rule: Rule | None = None) -> None:
        self.function, self.rule = function, rule
        parameters = inspect.signature(function).parameters
        defaults = [p.default for p in parameters.values() if p.default is not p.empty]
        bind: Any = namedtuple(function.__name__, parameters, defaults=defaults)  # type: ignore[misc]
        #: The arguments by name, defaults included: what the rules of `groundup.rules` receive.
        self.bind: Callable[..., Call] = bind
        hints = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
        self.tensors: list[tuple[int, str, tuple[Layout, ...], bool]] = []
        self.values: list[tuple[int, str, Callable[[str, Any], object], bool]] = []
        for position, name in enumerate(parameters):
            members = split_union(hints.get(name))
            options = [member for member in members if member is not types.NoneType]
            optional = len(options) < len(members)
            layouts = tuple(read_layout(option) for option in options if hasattr(option, "dim_str"))
            if layouts and len(layouts) == len(options):
                self.tensors.append((position, name, layouts, optional))
            elif (check := value_check(options)) is not None:
                self.values.append((position, name, check, optional))

    def check(self, args: tuple[Any, ...]) -> None:
        """Raise `ValueError` or `TypeError` that names the argument, what came and what to do, if the call is wrong.

        The rule is asked before sizes are compared, because it knows more about the call than an axis' name.
        """
        call = self.bind(*args)
        sizes: Sizes = {}
        found: list[tuple[str, Tensor, Layout]] = []
        for position, name, layouts, optional in self.tensors:
            if not (optional and call[position] is None):
                layout = match_layout(name, call[position], layouts, sizes)
                found.append((name, call[position], layout))
        if not torch.compiler.is_compiling():  # where they may be symbols
            for position, name, check, optional in self.values:
                if not (optional and call[position] is None):
                    check(name, call[position])
        if self.rule is not None:
            self.rule(call)
        for name, value, layout in found:
            check_sizes(name, value, layout, sizes, call)


def split_union(hint: Any) -> list[Any]:
    """The members of a union; another annotation alone."""
    return list(typing.get_args(hint)) if typing.get_origin(hint) in (typing.Union, types.UnionType) else [hint]


def read_layout(annotation: Any) -> Layout:
    """The `Layout` of a jaxtyping annotation."""
    names = annotation.dtypes if isinstance(annotation.dtypes, tuple) else ()
    dtypes = tuple(getattr(torch, name) for name in names if isinstance(getattr(torch, name, None), torch.dtype))
    return Layout(annotation.dtype.__name__, dtypes, tuple(annotation.dim_str.split()))


def value_check(options: list[Any]) -> Callable[[str, Any], object] | None:
    """The check of an argument that is no tensor, if its annotation states one."""
    if len(options) != 1:
        return None
    (option,) = options
    if typing.get_origin(option) is typing.Annotated:
        return typing.cast(Callable[[str, Any], object], option.__metadata__[0])
    if typing.get_origin(option) is typing.Literal:
        return functools.partial(checks.choice, options=typing.get_args(option))
    return {bool: check_bool, int: check_int, float: check_float}.get(option)


def check_bool(name: str, value: Any) -> None:
    if not isinstance(value, (bool, torch.SymBool)) and type(value).__name__ not in ("bool_", "bool"):  # NumPy's
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")


def check_int(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (Integral, torch.SymInt)):
        raise TypeError(f"{name} must be an int, got {value!r} ({type(value).__name__})")


def check_float(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (Real, torch.SymInt, torch.SymFloat)):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")


# ---- tensors -----------------------------------------------------------------------------------------------------


def match_layout(name: str, value: Any, layouts: tuple[Layout, ...], sizes: Sizes) -> Layout:
    """Return the layout that `value` has, by its type and number of axes; note in `sizes` the axes it is first to have.

    Raises:
        TypeError, ValueError: it has none of `layouts`.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}; convert with torch.as_tensor")
    typed = [layout for layout in layouts if layout.accepts_dtype(value)]
    if not typed:
        kinds = dict.fromkeys(layout.kind for layout in layouts)
        remedy = REMEDIES.get(layouts[0].kind, "convert with {name}.long()").format(name=name)
        raise TypeError(f"{name} must be {' or '.join(DTYPES[k] for k in kinds)} tensor, got {value.dtype}; {remedy}")
    rank = value.dim()
    for layout in typed:
        if layout.accepts_rank(rank):
            for axis, size, index in layout.sizes_of(value):
                if axis not in ("_", "...") and not is_expression(axis):
                    sizes.setdefault(axis, (size, name, index))
            return layout
    text = " or ".join(layout.text for layout in typed)
    known = ", ".join(f"{axis} = {sizes[axis][0]}" for axis in typed[0].axes if axis in sizes)
    single = typed[0].axes[:1] in (("N",), ("B",)) and len(typed) == 1 and typed[0].accepts_rank(rank + 1)
    raise ValueError(
        f"{name} must have shape {text}{known and ' with ' + known}, got {rank} axes: {tuple(value.shape)}"
        + (f"; a single sample gets its batch axis with {name}.unsqueeze(0)" if single else "")
    )


def check_sizes(name: str, value: Tensor, layout: Layout, sizes: Sizes, call: Call) -> None:
    """Raise unless every axis of `value` is as long as the first argument's axis of that name."""
    for axis, size, _ in layout.sizes_of(value):
        factor, base = 1, axis
        if axis.isdigit():
            if size != int(axis):
                raise ValueError(f"{name} must have shape {layout.text}, got {tuple(value.shape)}")
            continue
        if is_expression(axis):  # "4*H"
            number, _, base = axis.partition("*")
            factor = int(number)
        if base not in sizes:
            continue
        expected, owner, owner_index = sizes[base]
        if size == (expected if factor == 1 else factor * expected):
            continue
        if isinstance(expected, tuple):
            what = "leading axes" if len(layout.axes) > 1 else "shape"
            raise ValueError(f"{name} must have {what} {expected}, as {owner} has, got shape {tuple(value.shape)}")
        theirs = getattr(call, owner)
        if isinstance(value, nn.Parameter) and not isinstance(theirs, nn.Parameter) and size % factor == 0:
            # The parameter belongs to a layer; what it is given is wrong.
            wanted = name_size(base, size // factor)
            raise ValueError(
                f"{owner} must have {wanted} (axis {owner_index}), as {name} {layout.text} has, got {expected}: shape "
                f"{tuple(theirs.shape)}{channels_remedy(owner, theirs, owner_index, size)}"
            )
        raise ValueError(
            f"{name} must have shape {layout.text} with {base} = {expected}, as {owner} has, got {tuple(value.shape)}"
        )


def name_size(axis: str, size: int) -> str:
    """The size of an axis in words, as in "3 features"."""
    return f"{size} {AXIS_WORDS[axis]}" if axis in AXIS_WORDS else f"{axis} = {size}"


def is_variadic(axis: str) -> bool:
    """Return True if `axis` stands for any number of axes: "*batch" or "..."."""
    return axis.startswith("*") or axis == "..."


def is_expression(axis: str) -> bool:
    """Return True if `axis` is a number, or a multiple of another: "3" or "4*H"."""
    return axis[:1].isdigit()


def channels_remedy(name: str, value: Tensor, index: int, channels: int) -> str:
    """The remedy for images whose channels come last."""
    if index == -3 and value.dim() == 4 and value.size(-1) == channels:
        return f"; the channels come before height and width: pass {name}.permute(0, 3, 1, 2)"
    return ""
