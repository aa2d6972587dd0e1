"""The command line: `groundup list`, `groundup show NAME`, and the others that `groundup --help` lists."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated

import tyro

from groundup import __version__, checks, current_backend
from groundup.catalogue import by_family, find
from groundup.catalogue.page import component_page, weights_page

DESCRIPTION = """Deep learning from the ground up.

Start with `groundup list`, then `groundup show LSTM`.
`groundup COMMAND --help` explains a command."""

app = tyro.extras.SubcommandApp()


@app.command(name="list")
def list_components(
    family: Annotated[str, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: all families)")] = "",
    weights: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """List all components: number, name, summary and paper.

    Args:
        family: list only this family: a heading of the list, such as "Graph networks", or the name of its module.
        weights: list the published weights instead: for each model, the names that from_pretrained takes.
    """
    groups = by_family(family)
    if weights:
        print("\n".join(weights_page(groups)))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for title, rows in groups.items():
        print(f"{title}\n")
        name_width, summary_width = max(len(c.name) for c in rows), max(len(c.summary) for c in rows)
        for c in rows:
            line = f"{c.number:>5}  {c.name:<{name_width}}  {c.summary:<{summary_width}}  {c.paper}"
            print(line if len(line) <= width else line[: width - 1] + "…")
        print()
    print("`groundup show NAME` shows one of them. `groundup list --weights` lists the published weights.")


@app.command
def show(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")],
    preset: Annotated[str, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: the first)")] = "",
    depth: int = 1,
) -> None:
    """Show one component: paper, equation, arguments, layers, shapes and cost.

    Args:
        name: a name that groundup list prints, in upper or lower case.
        preset: a variant of the model, such as gpt2-xl for GPT2.
        depth: number of levels of nested modules to show.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    print(component_page(find(name), preset, depth, max(60, width)))


@app.command
def classify(
    photo: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO")],
    model: str = "resnet50",
    weights: str = "",
    top: int = 5,
    saliency: str = "",
    num_classes: int | None = None,
) -> None:
    """Say what is on a photo: the likeliest classes, with their probabilities.

    Args:
        photo: an image file.
        model: an image classifier, or published weights: resnet50, timm/legacy_seresnet50.in1k.
        weights: a file, folder, address or hub repository, instead of the published weights.
        top: how many classes to name.
        saliency: a file (.png) to draw into what speaks for the best three.
        num_classes: of weights that are for other classes than the published.
    """
    from groundup.classify import report  # not at the top: it imports all models

    for line in report(photo, model, weights, top, saliency, num_classes):
        print(line, flush=True)


@app.command(name="plan")
def plan_training(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    gpus: int = 1,
    memory: str = "80G",
    parallel: str = "ddp",
    tokens: Annotated[str, tyro.conf.arg(help_behavior_hint="(default: 20 per parameter)")] = "0",
    step_tokens: Annotated[str, tyro.conf.arg(help_behavior_hint="(default: one micro-batch per device)")] = "0",
    micro_batch: int = 1,
    recompute: bool = False,
    peak: str = "312T",
    efficiency: float = 0.4,
) -> None:
    """Estimate memory, communication, compute and time of a training.

    Args:
        model: a language model and its preset: gpt2, gpt2-xl, gpt3-175b, llama1-65b, llama2-7b, ...
        gpus: number of devices.
        memory: memory of one device, in bytes.
        parallel: ddp, fsdp, or fsdp=64, where each group of 64 devices shares one copy of the model.
        tokens: number of tokens to train on.
        step_tokens: number of tokens per optimizer step.
        micro_batch: number of sequences per device and forward pass.
        recompute: store only the inputs of the blocks, and compute the activations again in the backward pass.
        peak: peak floating-point operations per second of one device. The default is an A100 in bfloat16.
        efficiency: the fraction of the peak that the training reaches.
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
    """Run the command in `sys.argv`. User errors print a line or a few and exit with 2, without a traceback."""
    try:
        current_backend()  # raises for a wrong GROUNDUP_BACKEND
        given = ["version"] if sys.argv[1:] == ["--version"] else sys.argv[1:] or ["--help"]
        app.cli(prog="groundup", description=DESCRIPTION, args=given)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has stopped, as in `groundup list | head`: drop the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, ImportError) as error:  # the ImportError of a missing extra says how to install it
        print(f"groundup: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
