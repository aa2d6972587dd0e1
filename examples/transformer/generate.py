"""One model, many ways to write, with a cache and without: `python examples/transformer/generate.py`.

A small GPT learns Python's language reference for a minute, and then goes on with one prompt: greedily, drawing among
all characters or the likeliest, with a penalty for what was said, or by beam search. --model gpt2, or a folder of
weights and tokenizer, writes in its place.
"""

import time
from dataclasses import dataclass
from itertools import pairwise

from groundup.data import Loader, TokenWindows, load_text
from groundup.decoding import generate
from groundup.generate import end_of_text, load
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler
from groundup.plots.style import BLUE, ORANGE, page
from groundup.training import RunOptions, Trainer, command_line, language_model, run

import torch

WAYS = {
    "greedy": {"temperature": 0.0},
    "temperature 1": {"temperature": 1.0},
    "top 5": {"top_k": 5},
    "top 90 %": {"top_p": 0.9},
    "greedy, penalty 1.3": {"temperature": 0.0, "repetition_penalty": 1.3},
    "beam of 4": {"width": 4, "length_penalty": 1.0},
}


@dataclass
class Config(RunOptions):
    model: str = ""  # published weights, or a folder, in place of the small GPT
    prompt: str = "The class statement "
    new_tokens: int = 100
    steps: int = 600


def main() -> None:
    config, run_dir = command_line(Config, "generate", __doc__)
    if config.model:
        model, tokenizer = load(config.model)
        encode, decode, stop = lambda text: tokenizer.encode(text).ids, tokenizer.decode, end_of_text(tokenizer) or 0
    else:
        text = load_text("python")
        alphabet = [*sorted(set(text)), ""]  # the last is a token that the text never has
        number = {c: i for i, c in enumerate(alphabet)}
        encode, decode = lambda text: [number[c] for c in text], lambda row: "".join(alphabet[i] for i in row)
        stop = len(alphabet) - 1
        model = GPT2(len(alphabet), 128, 128, 4, 4, dropout=0.0)
        windows = TokenWindows(torch.tensor(encode(text)), 128, stride=1)
        batches = Loader(windows, 8, shuffle=True, seed=config.seed)
        optimizer = AdamW(model.parameters(), lr=3e-3)
        scheduler = LR_CosineDecayScheduler(optimizer, 50, config.steps)
        options = {"scheduler": scheduler, "steps": 5 if config.smoke else config.steps, "config": config.settings()}
        Trainer(model, optimizer, language_model(), batches, run_dir=run_dir, **options).fit(resume=config.resume)
    model.eval()
    prompt, count = encode(config.prompt), 10 if config.smoke else config.new_tokens
    for name, way in WAYS.items():
        generator = torch.Generator().manual_seed(config.seed)
        found = generate(model, [prompt], max_new_tokens=count, stop=stop, generator=generator, **way)
        print(f"\n{name}, {-found.log_p[0] / found.lengths[0]:.2f} nats a token:\n  {decode(found.tokens[0].tolist())}")
    # The same tokens without a cache: all of the text is read again for each.
    seen, stamps = list(prompt), [time.perf_counter()]
    options = {"temperature": 0.0, "on_token": lambda _: stamps.append(time.perf_counter())}
    found = generate(model, [prompt], max_new_tokens=count, **options)
    times = {"with a cache": [1000 * (b - a) for a, b in pairwise(stamps)], "without": []}
    with torch.no_grad():
        for _ in range(count):
            begun = time.perf_counter()
            seen.append(int(model(torch.tensor([seen]))[0, -1].argmax()))
            times["without"].append(1000 * (time.perf_counter() - begun))
    means = [sum(values) / count for values in times.values()]
    same = sum(a == b for a, b in zip(found.tokens[0].tolist(), seen[len(prompt) :]))
    with page(run_dir / "cache.png", 7.0, 3.6, layout="constrained") as figure:
        axis = figure.subplots()
        for (name, values), colour in zip(times.items(), (BLUE, ORANGE)):
            axis.plot(values, color=colour, label=name)
        axis.set(xlabel="token", ylabel="milliseconds", title="the time of each new token", ylim=(0, None))
        axis.legend(frameon=False)
    print(f"""
cached and uncached     {same} of {count} tokens the same · expected all
time a token            {means[0]:.1f} ms with a cache, {means[1]:.1f} without
picture                 {run_dir}/cache.png
the code                src/groundup/decoding/prompts.py, src/groundup/layers/cache.py
published weights       groundup generate "Once upon a time" --model gpt2""")


if __name__ == "__main__":
    run(main)
