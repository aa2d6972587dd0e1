"""Describe components in lines that fit a terminal: `groundup show` and `groundup list --weights`."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from groundup import checks, layers, models
from groundup.component import Component
from groundup.tools.inspect import summary
from groundup.weights import published_weights


def example_call(component: Component, preset: str = "") -> str:
    """The component's example, or the same call of a preset. Raises `ValueError` for an unknown preset."""
    if not preset:
        return component.example
    made: Any = component.made
    checks.require(len(getattr(made, "presets", {})) > 0, f"{component.name} has no presets; leave out --preset")
    size = made.input_sizes.get(preset)
    call = ast.parse(component.example, mode="eval").body
    assert isinstance(call, ast.Call)
    inputs = f"torch.randn{(1, *size)}" if size else ", ".join(map(ast.unparse, call.args))
    return f'{component.name}.preset("{preset}")({inputs})'


def build_example(component: Component, preset: str = "") -> tuple[nn.Module, tuple[Any, ...]]:
    """The module and the inputs of `example_call`, on the meta device, where nothing is computed."""
    call = ast.parse(example_call(component, preset), mode="eval").body
    assert isinstance(call, ast.Call)
    parts = (ast.unparse(part) for part in (call.func, ast.Tuple(call.args, ast.Load())))
    names = {**vars(layers), **vars(importlib.import_module(component.module)), "torch": torch}
    with torch.device("meta"):
        module, inputs = (eval(part, names) for part in parts)
    return module, inputs


def component_page(component: Component, preset: str = "", depth: int = 1, width: int = 80) -> str:
    """Return the page of a component: paper, import, proof, arguments, documentation, and its layers if it has any.

    Args:
        component: the component to describe.
        preset: the variant of a model that is run, instead of the one in the component's example.
        depth: how far the module tree is opened.
        width: the columns of a line.

    Raises:
        ValueError: for a preset that the component does not have, or a depth below 1.
    """
    checks.integer("depth", depth)
    example, made = example_call(component, preset), component.made
    presets, package = getattr(made, "presets", {}), component.module.split(".")[1]
    facts = {
        "paper": component.paper,
        "": component.url,
        "import": f"from groundup.{package} import {component.name}",
        "source": str(component.source),
        "proof": f"equal to {component.oracle}",
        "example": example,
    }
    lines = [*_wrap(f"{component.name}: {component.summary}", "", "  ", width), ""]
    for name, fact in facts.items():
        if fact:
            lines += _wrap(fact, f"  {name:<7}  ", " " * 11, width)
    lines += ["", *_wrap(f"{component.name}{_arguments(made)}", "", "    ", width), ""]
    lines += [reflow(inspect.getdoc(made) or "", width), ""]
    if component.example:
        module, inputs = build_example(component, preset)
        lines.append(summary(module, *inputs, depth=depth).format(width))
    for what, figure in component.figures.items():
        lines += _wrap(f"paper: {what} {figure}", "", "  ", width)
    if others := [p for p in presets if p != (preset or next(iter(presets)))]:
        lines += ["", *_wrap(f"other presets: {', '.join(others)} (--preset NAME)", "", "  ", width)]
    return "\n".join(lines).rstrip()


def weights_page(groups: Mapping[str, Sequence[Component]]) -> Iterator[str]:
    """Yield the lines of `groundup list --weights`: the published weights of each model of these families.

    Raises:
        ValueError: for families that have none.
    """
    modules = tuple(c.module for rows in groups.values() for c in rows)
    found: dict[str, dict[str, str]] = {}
    for row in published_weights():
        if row.address:
            found.setdefault(row.model, {})[row.name] = row.preset
    found["GPT2"] = {name: name for name in models.GPT2.aliases}
    found = {model: names for model, names in found.items() if getattr(models, model).__module__.startswith(modules)}
    checks.require(len(found) > 0, f"no weights are published for {', '.join(groups)}")
    width = max(len(name) for names in found.values() for name in names)
    yield f"{'name':<{width + 2}}  preset"
    for model, names in found.items():
        yield f"\n{model}"
        yield from (f"  {name:<{width}}  {preset}" for name, preset in names.items())
    yield "\nOne of them is loaded with"
    yield f'    from groundup.models import {model}\n    {model}.from_pretrained("{next(iter(names))}")'


def _arguments(made: type) -> str:
    """The constructor's signature, without its annotations."""
    signature = inspect.signature(made)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def _wrap(text: str, first: str, rest: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def reflow(documentation: str, width: int) -> str:
    """Return the text with wide prose wrapped again; columns, lists and indented code keep their lines."""
    return "\n\n".join(_reflow_paragraph(paragraph, width) for paragraph in documentation.split("\n\n"))


def _reflow_paragraph(paragraph: str, width: int) -> str:
    lines = paragraph.split("\n")
    if max(map(len, lines)) <= width or all(line.startswith("    ") for line in lines):
        return paragraph
    items: list[tuple[str, int, int, str]] = []  # what precedes the prose, indentation here, of its next lines, prose
    for line in lines:
        indent = len(line) - len(line.lstrip())
        # "- " of a list, or a name with its meaning in a column of its own
        column = re.match(
            r"""\s*(- |['"\w][`'"\w.,* ]{0,29}?\s{2,}(?=\S))""", line
        )  # of a list, or a name with its meaning
        named = re.match(r"\s*\w+: ", line)
        if items and not column and not named and indent in items[-1][1:3]:
            before, here, hang, prose = items.pop()
            items.append((before, here, hang, f"{prose} {line.strip()}"))
        elif column:
            items.append((line[: column.end()], column.end(), column.end(), line[column.end() :]))
        else:
            items.append((line[:indent], indent, indent + 4 * bool(named), line[indent:]))
    return "\n".join(line for before, _, hang, prose in items for line in _wrap(prose, before, " " * hang, width))
