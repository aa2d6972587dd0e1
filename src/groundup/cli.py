"""The command line: `groundup list`, `groundup show NAME`, and the others that `groundup --help` lists."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated

import tyro

from groundup import __version__, checks, current_backend
from groundup.component import by_family, find

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
        from groundup.tools.describe import weights_page

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
    from groundup.tools.describe import component_page

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
    from groundup.tools.classify import report  # not at the top: it imports all models

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
    from groundup.tools.labelling import label

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
    from groundup.tools import plan  # not at the top: it imports all language models

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
    from groundup.generation.prompts import PAST_CONTEXT
    from groundup.generation.sampling import check_sampling
    from groundup.tools.text import encode, load, write_as_command  # not at the top: it imports all models

    checks.integer("max_new_tokens", 1 if max_new_tokens is None else max_new_tokens)  # before a download, not after it
    check_sampling(temperature, top_k, top_p, repetition_penalty)
    checks.require(-(2**63) <= seed < 2**64, f"seed must fit into 64 bits, got {seed}")
    checks.choice("past_context", past_context, PAST_CONTEXT)
    language_model, tokenizer = load(model)
    encode(tokenizer, prompt)  # a prompt that cannot be read is an error before anything is printed
    print(prompt, end="", flush=True)
    try:
        write_as_command(
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
    from groundup.tools.text import load_translator, translate_sentences

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
    from groundup.tools.text import fill as fill_gap
    from groundup.tools.text import load_filler

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
    from groundup.tools.text import similar as similar_words

    checks.require(len(words) > 0, "give a word: groundup similar WORD --model FOLDER")
    for word, found in similar_words(model, words, top).items():
        print(f"{word:>12}   {', '.join(other for other, _ in found)}")


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
