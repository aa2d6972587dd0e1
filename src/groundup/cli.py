"""The command line: groundup list, show NAME, classify PHOTO, label DATA, generate TEXT, plan MODEL."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import tyro

from groundup import __version__, checks
from groundup.catalogue import Component, by_family, find
from groundup.catalogue.page import component_page

app = tyro.extras.SubcommandApp()


@app.command(name="list")
def list_components(
    family: Annotated[str, tyro.conf.arg(metavar="NAME")] = "",
    weights: bool = False,
) -> None:
    """List the components by family: number, name, summary and paper.

    Args:
        family: list one family only: a heading of the list, as "Graph networks", or the name of a module.
        weights: list the published weights instead, by model: the names that from_pretrained takes.
    """
    groups = by_family(family)
    if weights:
        print("\n".join(_published(groups)))
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


def _published(groups: Mapping[str, Sequence[Component]]) -> Iterator[str]:
    """The lines of published weights: model, then name and preset, for the models of these families."""
    from groundup import models  # not at the top: the list of components needs none of them
    from groundup.pretrained import published_weights

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


@app.command
def show(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")], preset: str = "", depth: int = 1
) -> None:
    """Show one component: paper, arguments, equation; layers, output shapes, parameters and multiply-adds.

    Args:
        name: a name that `groundup list` prints, in any case.
        preset: a variant of a model, as gpt2-xl of GPT2.
        depth: how many levels of the model's modules are shown.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    print(component_page(find(name), preset, depth, max(60, width)))


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


@app.command(name="label")
def label_data(
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")],
    model: str,
    output: str = "",
    rows: int = 20,
) -> None:
    """Label nodes of a graph, whole graphs, or rows of a table, or rate pairs, with a model that an example has saved.

    Args:
        data: a folder or file of the kind that the model was trained on, or a name such as cora.
        model: the folder of the model, such as runs/cora/model.
        output: a file (.csv) to write all labels to.
        rows: how many labels to print.
    """
    from groundup.models.labelling import label  # not at the top: it imports PyTorch's slower parts

    checks.integer("rows", rows, 0)
    found = label(data, model)
    print(f"{found.title}\n")
    print("\n".join(found.lines(rows)))
    if agreement := found.agreement():
        print(f"\n{agreement}")
    if output:
        print(f"\nall labels: {found.write(output)}")


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
    max_new_tokens: int | None = None,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = 0.95,
    repetition_penalty: float = 1.0,
    past_context: str = "slide",
    seed: int = 0,
) -> None:
    """Continue a text with a language model and print it token by token.

    Args:
        prompt: the start of the text.
        model: a folder saved by a training, as runs/char_gpt/model; gpt2, gpt2-medium, gpt2-large, gpt2-xl; or a
            repository of the Hugging Face hub.
        max_new_tokens: how many tokens to write. Default: 100, or 400 if a token is a character.
        temperature: 0 always takes the likeliest token; higher values are more random.
        top_k: draw from this many of the likeliest tokens only.
        top_p: draw from the likeliest tokens that together have this probability.
        repetition_penalty: values above 1 make tokens that occurred before less likely.
        past_context: what happens when the text outgrows the model's context. slide drops its older half, refuse is an
            error.
        seed: seed of the random draws; equal seeds write equal texts.
    """
    from groundup.decoding.prompts import PAST_CONTEXT
    from groundup.generate import encode, load, write_as_commanded  # not at the top: it imports all models

    checks.integer("max_new_tokens", 1 if max_new_tokens is None else max_new_tokens)  # before a download, not after it
    checks.real("temperature", temperature, 0.0)
    checks.real("repetition_penalty", repetition_penalty, 1.0)
    checks.integer("top_k", 1 if top_k is None else top_k)
    checks.require(top_p is None or checks.probability("top_p", top_p) > 0, f"top_p must lie in (0, 1], got {top_p}")
    checks.require(-(2**63) <= seed < 2**64, f"seed must fit into 64 bits, got {seed}")
    checks.choice("past_context", past_context, PAST_CONTEXT)
    language_model, tokenizer = load(model)
    encode(tokenizer, prompt)  # a prompt that cannot be read is an error before anything is printed
    print(prompt, end="", flush=True)
    try:
        write_as_commanded(
            language_model,
            tokenizer,
            prompt,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            past_context=past_context,
            seed=seed,
        )
    finally:
        print()  # an error message starts on its own line


_Texts = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="TEXT ...")]


@app.command
def translate(texts: _Texts, model: str, beam: int = 5) -> None:
    """Translate sentences with a trained translator, one translation on a line.

    Args:
        texts: the sentences, each in quotes.
        model: a folder saved by a training, as runs/translation/model.
        beam: width of the beam search; 1 takes the likeliest word each time.
    """
    from groundup.generate import load_translator, translate_sentences

    checks.require(len(texts) > 0, 'give a sentence to translate: groundup translate "twenty-one" --model FOLDER')
    checks.integer("beam", beam)
    for translation in translate_sentences(*load_translator(model), texts, beam):
        print(translation)


@app.command
def fill(text: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TEXT")], model: str, top: int = 5) -> None:
    """Find the word for the gap in a text, with a model trained by examples/recurrent/masked_words.py.

    Args:
        text: a text with one gap, written ___, as "the ___ statement".
        model: a folder saved by a training, as runs/masked_words/model.
        top: how many words to print.
    """
    from groundup.generate import fill as fill_gap
    from groundup.generate import load_filler

    for word, probability in fill_gap(*load_filler(model), text, top):
        print(f"{100 * probability:5.1f} %  {word}")


@app.command
def similar(
    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="WORD ...")],
    model: str,
    top: int = 10,
) -> None:
    """List the words with the most similar vectors, with a model trained by examples/recurrent/word2vec.py.

    Args:
        words: one word, or several.
        model: a folder saved by a training, as runs/word2vec/model, or a file in word2vec's text format.
        top: how many similar words to print for each.
    """
    from groundup.generate import similar as similar_words

    checks.require(len(words) > 0, "give a word: groundup similar WORD --model FOLDER")
    for word, found in similar_words(model, words, top).items():
        print(f"{word:>12}   {', '.join(other for other, _ in found)}")


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
