"""The command line: groundup list, show NAME, classify PHOTO, generate TEXT, plan MODEL."""

from __future__ import annotations

import inspect as python_inspect
import os
import shutil
import sys
from typing import Annotated

import tyro
from torch import nn

from groundup import __version__, checks
from groundup.catalogue import FAMILIES, by_family, find
from groundup.inspect import summary

app = tyro.extras.SubcommandApp()


@app.command(name="list")
def list_components(
    family: Annotated[str, tyro.conf.arg(metavar="NAME")] = "",
) -> None:
    """List every component: its number, name, what it is, and the paper.

    Args:
        family: show one family only; a wrong name lists them.
    """
    if family and family not in FAMILIES:
        raise ValueError(f"there is no family {family!r}; choose one of {', '.join(FAMILIES)}")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for title, rows in by_family(family).items():
        print(f"{title}\n")
        name_width, summary_width = max(len(c.name) for c in rows), max(len(c.summary) for c in rows)
        for c in rows:
            line = f"{c.number:>5}  {c.name:<{name_width}}  {c.summary:<{summary_width}}  {c.paper}"
            print(line if len(line) <= width else line[: width - 1] + "…")
        print()
    print("`groundup show NAME` tells more.")


@app.command
def show(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")], preset: str = "", depth: int = 1
) -> None:
    """Show one component: where it comes from, and for a model its layers, parameters and multiply-adds.

    Args:
        name: as `groundup list` gives it, in any case.
        preset: the variant of a model to show.
        depth: how far to open a model's module tree.
    """
    component = find(name)
    thing = component.load()
    checks.integer("depth", depth)
    if preset and not component.input_size:
        raise ValueError(f"{component.name} has no presets; leave out --preset")
    model: nn.Module | None = None
    if component.input_size:
        model = thing.preset(preset, device="meta") if preset else thing(device="meta")
    print(f"{component.name}: {component.summary}\n")
    print(f"  paper    {component.paper}")
    print(f"           {component.url}")
    print(f"  import   from {component.module} import {component.name}")
    print(f"  source   {component.source}")
    print(f"  proof    equal to {component.oracle}\n")
    if model is None:
        print(f"{component.name}{_arguments(thing)}\n")
        print(python_inspect.getdoc(thing))
        return
    report = summary(model, thing.input_sizes.get(preset, component.input_size), depth=depth)
    print(report)
    for what, figure in component.figures:
        print(f"paper: {what} {figure}")
    if others := [p for p in thing.presets if p != (preset or next(iter(thing.presets)))]:
        print(f"\nother presets: {', '.join(others)} (--preset NAME)")


def _arguments(thing: type) -> str:
    """The constructor's signature, without its annotations."""
    signature = python_inspect.signature(thing)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


@app.command
def classify(
    photos: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO [PHOTO ...]")],
    model: str = "resnet50",
    weights: str = "",
    top: int = 5,
    saliency: str = "",
    num_classes: int | None = None,
) -> None:
    """Say what is on a photo, or on several: the likeliest classes, with their probabilities.

    Args:
        photos: image files.
        model: the folder of a model you trained, as runs/cifar10/model; or published weights, as resnet50 or
            timm/legacy_seresnet50.in1k; or a class, with --weights.
        weights: a file, folder, address or hub repository that has the weights, instead of the published ones.
        top: how many classes to print for each photo.
        saliency: a picture to draw (.png), which shows the pixels that speak for the three likeliest classes.
        num_classes: the number of classes that --weights are for, if it is not that of the published ones.
    """
    from groundup.classify import report  # not at the top: it imports all models

    checks.require(len(photos) > 0, "name an image file: groundup classify PHOTO [--model FOLDER]")
    for line in report(photos, model, weights, top, saliency, num_classes):
        print(line, flush=True)


@app.command(name="plan")
def plan_training(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    gpus: int = 1,
    memory: str = "80G",
    parallel: str = "ddp",
    tokens: str = "0",
    step_tokens: str = "0",
    micro_batch: int = 1,
    recompute: bool = False,
    peak: str = "312T",
    efficiency: float = 0.4,
) -> None:
    """Plan the training of a language model: memory of a device, communication, work and time.

    Args:
        model: gpt2, gpt2-xl, gpt3-175b, llama1-65b, llama2-7b …: family and preset.
        gpus: how many devices.
        memory: of one of them.
        parallel: ddp, fsdp, or fsdp=64: groups of 64 share a copy of the model.
        tokens: to train on; 20 a parameter by default.
        step_tokens: of one optimizer step; one micro-batch on every device by default.
        micro_batch: sequences on a device at a time.
        recompute: keep only the blocks' inputs, and compute their insides again.
        peak: floating-point operations a second of a device; by default an A100's in bfloat16.
        efficiency: the share of them that is had.
    """
    from groundup import plan  # not at the top: it imports all language models

    given = plan.size(tokens)
    made = plan.plan(
        model, gpus, parallel, given, plan.size(step_tokens), micro_batch, recompute, plan.size(peak), efficiency
    )
    print("\n".join(plan.report(made, plan.size(memory), given or 20.0 * made.parameters)))


@app.command(name="generate")
def generate_text(
    prompt: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TEXT")],
    model: str = "gpt2",
    max_new_tokens: int = 100,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = 0.95,
    repetition_penalty: float = 1.0,
    past_context: str = "refuse",
    seed: int = 0,
) -> None:
    """Go on with a text, as a language model does: token by token, printed as they come.

    Args:
        prompt: how the text begins.
        model: gpt2, gpt2-medium, gpt2-large, gpt2-xl, a repository of the hub, or a folder of weights and tokenizer.
        max_new_tokens: how many tokens to write.
        temperature: 0 takes the likeliest; below 1 is careful, above it bold.
        top_k: draw among so many of the likeliest.
        top_p: draw among the likeliest that have this probability together.
        repetition_penalty: above 1, what was written is written less.
        past_context: what happens at the end of what the model can see: refuse, or slide.
        seed: of what is drawn.
    """
    import torch

    from groundup.decoding.prompts import PAST_CONTEXT
    from groundup.generate import load, write  # not at the top: it imports all models

    checks.integer("max_new_tokens", max_new_tokens)  # before a download, not after it
    checks.real("temperature", temperature, 0.0)
    checks.real("repetition_penalty", repetition_penalty, 1.0)
    checks.integer("top_k", 1 if top_k is None else top_k)
    checks.require(top_p is None or checks.probability("top_p", top_p) > 0, f"top_p must lie in (0, 1], got {top_p}")
    checks.require(-(2**63) <= seed < 2**64, f"seed must fit into 64 bits, got {seed}")
    checks.choice("past_context", past_context, PAST_CONTEXT)
    language_model, tokenizer = load(model)
    print(prompt, end="", flush=True)
    try:
        write(
            language_model,
            tokenizer,
            prompt,
            lambda text: print(text, end="", flush=True),
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            past_context=past_context,
            generator=torch.Generator().manual_seed(seed),
        )
    finally:
        print()  # what goes wrong has a line of its own, too


@app.command
def version() -> None:
    """Print the version."""
    print(__version__)


def main() -> None:
    """The entry point: what a person can mend is said in a line or a few, with exit code 2, never a traceback."""
    try:
        given = ["version"] if sys.argv[1:] == ["--version"] else sys.argv[1:] or ["--help"]
        app.cli(prog="groundup", description="Deep learning from the ground up.", args=given)
        sys.stdout.flush()
    except BrokenPipeError:  # `groundup list | head`: what is still to be written goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, ImportError) as error:  # an extra that is missing says how to install it
        print(f"groundup: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
