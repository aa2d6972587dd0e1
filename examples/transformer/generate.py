"""Six ways to generate text, and the time with and without a cache: `python examples/transformer/generate.py`.

A small GPT trains on the Python language reference for a minute, then continues one prompt in six ways. --data PATH
trains on your own text; --model gpt2, or a saved folder such as runs/char_gpt/model, uses that model instead.
"""

from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter as clock

from groundup.data import CharacterTokenizer, Loader, TokenWindows, first_words, load_text, window_length
from groundup.generation import generate
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler
from groundup.plots.style import BLUE, ORANGE, page
from groundup.tools.text import encode, end_of_text, load, save
from groundup.training import RunOptions, Trainer, command_line, language_model, run

import torch

PROMPT = "The class statement "
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
    model: str = ""  # published weights or a folder, instead of the small GPT
    data: str = "python"  # the text of the small GPT: python, shakespeare, or the path of your own
    prompt: str = ""  # by default "The class statement ", or the text's first word
    new_tokens: int = 100
    steps: int = 600


def main() -> None:
    config, run_dir = command_line(Config, "generate", __doc__)
    text = PROMPT if config.model else load_text(config.data)
    if config.model:
        model, tokenizer = load(config.model)
    else:
        tokens = (tokenizer := CharacterTokenizer.of(text)).encode(text)
        context = window_length(tokens, 128)
        model = GPT2(len(tokenizer), context, 128, 4, 4, dropout=0.0)
        batches = Loader(TokenWindows(tokens, context, stride=1), 8, shuffle=True, seed=config.seed)
        optimizer = AdamW(model.parameters(), lr=3e-3)
        scheduler = LR_CosineDecayScheduler(optimizer, 50, config.steps)
        options = {"scheduler": scheduler, "steps": 5 if config.smoke else config.steps, "config": config.settings()}
        Trainer(model, optimizer, language_model(), batches, run_dir=run_dir, **options).fit(resume=config.resume)
        save(model, run_dir / "model", tokenizer)
    if not hasattr(model.eval(), "context"):
        raise ValueError(f"{config.model} holds a {type(model).__name__}, which has no cache; give a GPT or a LLaMA")
    prompt = encode(tokenizer, config.prompt or (PROMPT if config.data == "python" else first_words(text)))
    count = min(10 if config.smoke else config.new_tokens, model.context - len(prompt))
    stop = end_of_text(tokenizer) or 0
    for name, way in WAYS.items():
        found = generate(model, [prompt], max_new_tokens=count, stop=stop, **way)
        said = tokenizer.decode(found.tokens[0].tolist())
        print(f"\n{name}, {-found.log_p[0] / found.lengths[0]:.2f} nats per token:\n  {said}")
    # The same tokens without a cache: the whole text is read again for each token.
    seen, at = list(prompt), [clock()]
    found = generate(model, [prompt], max_new_tokens=count, temperature=0.0, on_token=lambda _: at.append(clock()))
    times = {"with a cache": [1000 * (b - a) for a, b in pairwise(at)], "without": []}
    with torch.no_grad():
        for _ in range(count):
            start = clock()
            seen.append(int(model(torch.tensor([seen]))[0, -1].argmax()))
            times["without"].append(1000 * (clock() - start))
    means = [sum(values) / count for values in times.values()]
    same = sum(a == b for a, b in zip(found.tokens[0].tolist(), seen[len(prompt) :]))
    with page(run_dir / "cache.png", 7.0, 3.6) as figure:
        axis = figure.subplots()
        for (name, values), colour in zip(times.items(), (BLUE, ORANGE)):
            axis.plot(values, color=colour, label=name)
        axis.set(xlabel="token", ylabel="milliseconds", title="time per new token", ylim=(0, None))
        axis.legend()
    print(f"""
cached and uncached     agree on {same} of {count} tokens · expected all
time per token          {means[0]:.1f} ms with a cache, {means[1]:.1f} without: {run_dir}/cache.png
the code                src/groundup/generation/prompts.py, src/groundup/layers/cache.py
write                   groundup generate {tokenizer.decode(prompt)!r} --model {config.model or f"{run_dir}/model"}
published weights       groundup generate "Once upon a time" --model gpt2""")


if __name__ == "__main__":
    run(main)
