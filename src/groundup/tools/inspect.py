"""Inspect a model: shapes, parameters and multiply-adds of its parts, and the outputs of any part of it."""

from __future__ import annotations

import copy
import inspect as python_inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from html import escape
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from groundup import checks
from groundup.backend import backend


@dataclass(frozen=True)
class Part:
    """One module of a model. `multiply_adds` counts those of matrix products and convolutions, for one sample."""

    name: str
    kind: str
    output: tuple[int, ...]  # without the batch
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Summary:
    """The parts of a model. `str()` is a table of at most 80 columns; notebooks show a table, too."""

    model: str
    inputs: tuple[tuple[int, ...], ...]  # of one sample
    output: tuple[int, ...]
    parts: tuple[Part, ...]
    parameters: int
    trainable: int
    multiply_adds: int

    def __str__(self) -> str:
        return self.format()

    __repr__ = __str__

    def format(self, width: int = 80) -> str:
        """Return the table in at most `width` columns: equal layers share a line, and long names are shortened."""
        rows = self._rows()
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        for column, least in ((1, 8), (0, 12)):  # kinds are shortened first, then names
            widths[column] = min(widths[column], max(least, widths[column] + width - sum(widths) - 8))

        def line(row: Sequence[str]) -> str:
            name, kind, *cells = row
            name = name if len(name) <= widths[0] else "…" + name[1 - widths[0] :]  # its end distinguishes it
            kind = kind if len(kind) <= widths[1] else kind[: widths[1] - 1] + "…"
            cells = [name, kind, *cells]
            left = "  ".join(cell.ljust(w) for cell, w in zip(cells[:3], widths[:3]))
            return f"{left}  {'  '.join(cell.rjust(w) for cell, w in zip(cells[3:], widths[3:]))}".rstrip()

        head, *parts, total = map(line, rows)
        rule = "─" * (sum(widths) + 8)
        return "\n".join([self._title(), head, rule, *parts, *[rule] * bool(parts), total])

    def _repr_html_(self) -> str:
        head, *rows = [[escape(cell) for cell in row] for row in self._rows()]
        align = ["left"] * 3 + ["right"] * 2

        def line(row: Sequence[str], tag: str) -> str:
            cells = (f'<{tag} style="text-align: {side}">{cell}</{tag}>' for cell, side in zip(row, align))
            return f"<tr>{''.join(cells)}</tr>"

        body = "".join(line(row, "td") for row in rows)
        return f"<table><caption>{self._title()}</caption>{line(head, 'th')}{body}</table>"

    def _title(self) -> str:
        return "input " + ", ".join(map(_shape, self.inputs)) if self.inputs else "no input"

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the cells of the table: head, one row per part or group of equal parts, total."""
        rows = [("part", "kind", "output", "parameters", "multiply-adds")]
        for path, kind, output, parameters, multiply_adds, count in _group_equal(self.parts):
            work = f"{count * multiply_adds:,}" if multiply_adds else ""
            rows.append((".".join(path), kind, _shape(output), f"{count * parameters:,}", work))
        total = ("total", self.model, _shape(self.output), f"{self.parameters:,}", f"{self.multiply_adds:,}")
        return [*rows, total]


def _group_equal(parts: Sequence[Part]) -> list[tuple[Any, ...]]:
    """Return (path, kind, output, parameters, multiply-adds, count) of groups of parts.

    Parts are in a group if they are equal and their paths differ in one number.
    """
    rows: list[tuple[Any, ...]] = [
        (tuple(p.name.split(".")), p.kind, p.output, p.parameters, p.multiply_adds, 1) for p in parts
    ]
    for place in reversed(range(max((len(row[0]) for row in rows), default=0))):
        groups: dict[Any, list[str]] = {}
        for path, *rest in rows:
            number = path[place] if len(path) > place and path[place].isdecimal() else None
            alike = (path[:place], number is None or path[place + 1 :], path if number is None else None, *rest)
            groups.setdefault(alike, []).append(number or "")
        rows = [
            ((*before, _format_numbers(numbers), *after), *rest, count * len(numbers))
            if path is None
            else (path, *rest, count)
            for (before, after, path, *rest, count), numbers in groups.items()
        ]
    return rows


def _format_numbers(numbers: Sequence[str]) -> str:
    """Return "0–11" for 0, 1, ..., 11; otherwise the first numbers and the last one."""
    first, *others = numbers
    if not others:
        return first
    if int(others[-1]) - int(first) == len(others):
        return f"{first}–{others[-1]}"
    return ", ".join([first, *others]) if len(others) < 3 else f"{first}, {others[0]}, … {others[-1]}"


def _shape(sizes: Sequence[int]) -> str:
    return " × ".join(map(str, sizes)) or "scalar"


def summary(model: nn.Module, *inputs: Any, depth: int = 1) -> Summary:
    """Return shapes, parameters and multiply-adds of a model.

    A copy runs on the meta device, where nothing is computed and no memory is used. Parameters that several parts share
    are counted in each of them, and once in the total.

    Args:
        model: the model.
        inputs: for each argument of `forward`, the shape of one sample (without the batch), or a tensor with a batch;
            any other value is passed as it is.
        depth: number of levels of modules to list; deeper modules are counted in their parent. The members of a
            `ModuleList` are at the level of the list, which is not a part itself.

    Example:
        >>> from groundup.layers import Linear
        >>> print(summary(Linear(64, 32), (64,)))
        input 64
        part   kind    output  parameters  multiply-adds
        ────────────────────────────────────────────────
        total  Linear  32           2,080          2,048
    """
    if not inputs:
        forward = python_inspect.signature(model.forward)
        needed = any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in forward.parameters.values())
        checks.require(not needed, "inputs: give the shape of one sample for each argument of forward")
    checks.integer("depth", depth)
    arguments = [_argument(value) for value in inputs]
    tensors = [value for value in arguments if isinstance(value, Tensor)]
    batch = tensors[0].size(0) if tensors else 1
    checks.require(batch > 0, "inputs must hold at least one sample")
    twin = _on_meta(model).eval()

    names = {module: name for name, module in twin.named_modules() if name and _depth(twin, name) <= depth}
    outputs: dict[str, tuple[int, ...]] = {}  # in the order of the calls

    def note(module: nn.Module, _: object, output: object) -> None:
        outputs[names[module]] = _sample(output, batch)

    for module in names:
        module.register_forward_hook(note)
    with backend("auto"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = twin(*arguments)
    flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}

    kind, modules = type(model).__name__, dict(twin.named_modules())
    parts = tuple(
        Part(
            name,
            type(modules[name]).__name__,
            shape,
            sum(p.numel() for p in modules[name].parameters()),
            flops.get(f"{kind}.{name}", 0) // 2 // batch,
        )
        for name, shape in outputs.items()
    )
    return Summary(
        kind,
        tuple(tuple(tensor.shape[1:]) for tensor in tensors),
        _sample(result, batch),
        parts,
        sum(p.numel() for p in model.parameters()),
        sum(p.numel() for p in model.parameters() if p.requires_grad),
        flops.get("Global", 0) // 2 // batch,
    )


def _argument(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to("meta")
    return torch.empty(1, *value, device="meta") if isinstance(value, Sequence) else value


def _depth(model: nn.Module, name: str) -> int:
    """Return the level of a module; lists of modules, which are not called, do not count."""
    path = name.split(".")
    above = (".".join(path[:end]) for end in range(1, len(path)))
    return 1 + sum(not isinstance(model.get_submodule(parent), (nn.ModuleList, nn.ModuleDict)) for parent in above)


def _sample(output: Any, batch: int) -> tuple[int, ...]:
    """Return the shape of an output, or of its first tensor, for one sample."""
    while isinstance(output, (tuple, list)) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        return ()
    shape = tuple(output.shape)
    return shape[1:] if shape[:1] == (batch,) else shape


def _on_meta(model: nn.Module) -> nn.Module:
    """Return a copy with parameters and buffers on the meta device; the originals are not copied."""
    memo: dict[int, object] = {}
    for p in model.parameters():
        memo[id(p)] = nn.Parameter(p.detach().to("meta"), requires_grad=p.requires_grad)
    for b in model.buffers():
        memo[id(b)] = b.detach().to("meta")
    return copy.deepcopy(model, memo)


# ---- outputs of parts ------------------------------------------------------------------------------------------

#: Module name → the outputs of the module, one entry per call.
Captured = dict[str, list[Any]]


@contextmanager
def capture(model: nn.Module, *what: str | type[nn.Module]) -> Iterator[Captured]:
    """Record the outputs of some modules within the block, as copies.

    Args:
        model: the model.
        what: names of modules, with * and ?, or types.

    Raises `ValueError` for a name or type that no module has.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with capture(model, "0", nn.ReLU) as outputs:
        ...     _ = model(torch.ones(1, 2))
        >>> outputs["1"][0].shape
        torch.Size([1, 3])
    """
    checks.require(len(what) > 0, 'what: name modules ("layers.*") or types (Conv2d) to capture')
    chosen: dict[str, nn.Module] = {}
    for wanted in what:
        found = {
            name: module
            for name, module in model.named_modules()
            if (fnmatchcase(name, wanted) if isinstance(wanted, str) else isinstance(module, wanted))
        }
        if not found:
            names = ", ".join(name for name, _ in model.named_modules() if name)
            raise ValueError(f"no module of {type(model).__name__} matches {wanted!r}; it has {names}")
        chosen |= found
    seen: Captured = {name: [] for name, _ in model.named_modules() if name in chosen}
    with ExitStack() as hooks:
        for name, module in chosen.items():

            def record(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
                seen[name].append(_copy_output(output))

            hooks.callback(module.register_forward_hook(record).remove)
        yield seen


@contextmanager
def capture_attention(model: nn.Module) -> Iterator[Captured]:
    """Record the attention weights (B, H, T, S) of every layer within the block; the outputs do not change.

    Every module whose `forward` takes `need_weights` is called with it, so the definition runs, which stores the T × S
    weights during the call. Raises `ValueError` if there is no such module.
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if "need_weights" in python_inspect.signature(module.forward).parameters
    }
    checks.require(len(layers) > 0, f"{type(model).__name__} has no attention: no part's forward takes need_weights")
    seen: Captured = {name: [] for name in layers}
    asked: list[bool] = []  # what the callers asked for, the innermost last

    def ask(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        bound = python_inspect.signature(module.forward).bind(*args, **kwargs)
        asked.append(bool(bound.arguments.get("need_weights", False)))
        bound.arguments["need_weights"] = True
        return bound.args, bound.kwargs

    with ExitStack() as hooks:
        for name, module in layers.items():

            def record(_: nn.Module, __: Any, output: Any, name: str = name) -> Any:
                seen[name].append(_copy_output(output[1]))
                return output if asked.pop() else output[0]

            hooks.callback(module.register_forward_pre_hook(ask, with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(record).remove)
        yield seen


def attention_rollout(layers: Sequence[Tensor]) -> Tensor:
    """Return R = Ã_L ... Ã_1 (B, T, T), where Ã = (mean of the heads + I) / 2; rows sum to 1.

    R[t, s] is the share of token s in the last layer's token t, if information moved by attention only and residual
    connections kept half. Why: the weights of a later layer are about mixtures of tokens, not about the tokens.
    Abnar and Zuidema 2020, Quantifying Attention Flow in Transformers, arXiv:2005.00928.

    Args:
        layers: the attention weights (B, H, T, T) of each layer, as `capture_attention` records them.
    """
    checks.require(len(layers) > 0, "layers must hold the weights of at least one layer, got none")
    total = torch.eye(layers[0].size(-1)).to(layers[0]).expand(len(layers[0]), -1, -1)
    for weights in layers:
        total = (weights.mean(1) @ total + total) / 2
    return total


def _copy_output(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()  # a later module may work in place
    if isinstance(value, (tuple, list)):
        parts = map(_copy_output, value)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
