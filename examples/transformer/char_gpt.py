"""A small GPT learns to write, character by character: `python examples/transformer/char_gpt.py`.

--data shakespeare trains on tiny Shakespeare, --data PATH on your own text file. --recipe public is nanoGPT's for a
CPU: the same model, steps and batch, so that losses may be compared.
"""

from dataclasses import dataclass
from typing import Literal

from groundup.data import Loader, TokenWindows, load_text
from groundup.decoding import generate
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler, decay_groups
from groundup.training import RunOptions, Trainer, command_line, language_model, perplexity, run

import torch

# Validation loss in nats a character to expect: (data, recipe).
EXPECTED = {
    ("shakespeare", "public"): "1.88-1.90 (nanoGPT states 1.88)",
    ("shakespeare", "ours"): "1.77",
    ("python", "ours"): "1.33",
}
#: (peak learning rate, weight decay, β₂, and of the steps the share that warms up)
RECIPES = {"public": (1e-3, 0.1, 0.99, 0.05), "ours": (4e-3, 0.1, 0.95, 0.1)}


@dataclass
class Config(RunOptions):
    data: str = "python"  # python (the language's reference), shakespeare, or the path of your own text
    recipe: Literal["ours", "public"] = "ours"
    steps: int = 2000
    batch_size: int = 12
    context: int = 64
    embed_dim: int = 128
    num_layers: int = 4
    num_heads: int = 4
    dropout: float = 0.0


def main() -> None:
    config, run_dir = command_line(Config, "char_gpt", __doc__)

    # Data: the last tenth of the text is held out.
    text = load_text(config.data)
    alphabet = sorted(set(text))
    number = {c: i for i, c in enumerate(alphabet)}
    tokens = torch.tensor([number[c] for c in text])
    cut = int(0.9 * len(tokens))
    train = TokenWindows(tokens[:cut], config.context, stride=1)
    batches = Loader(train, config.batch_size, shuffle=True, seed=config.seed, drop_last=True)
    held_out = Loader(TokenWindows(tokens[cut:], config.context), 100)

    # Model, and training.
    sizes = (config.context, config.embed_dim, config.num_layers, config.num_heads)
    model = GPT2(len(alphabet), *sizes, dropout=config.dropout)
    lr, decay, beta2, warmup = RECIPES[config.recipe]
    optimizer = AdamW(decay_groups(model, decay), lr=lr, betas=(0.9, beta2))
    ramp = int(warmup * config.steps)
    scheduler = LR_CosineDecayScheduler(optimizer, ramp, config.steps - ramp, min_lr=lr / 10)
    trainer = Trainer(
        model,
        optimizer,
        language_model(),
        batches,
        run_dir=run_dir,
        evaluate=perplexity(held_out, language_model()),
        scheduler=scheduler,
        steps=5 if config.smoke else config.steps,
        evaluate_every=max(1, config.steps // 4),
        clip_norm=1.0,
        monitor="loss",
        mode="min",
        config=config.settings(),
        seed=config.seed,
    )
    result = trainer.fit(resume=config.resume)

    # Look.
    options = {"temperature": 0.8, "past_context": "slide", "generator": torch.Generator().manual_seed(config.seed)}
    written = generate(model.eval(), [[0]], max_new_tokens=40 if config.smoke else 500, **options)
    print("".join(alphabet[i] for i in written.tokens[0]))
    expected = EXPECTED.get((config.data, config.recipe), "what the text allows")
    print(f"""
validation loss {result.final["loss"]:.3f} nats a character · expected {"any" if config.smoke else expected}
pictures        {run_dir}/curves.png (training)
the model       src/groundup/models/transformer_networks/gpt.py · Radford et al. 2019, section 2.3
layer by layer          groundup show GPT2
go on after Ctrl-C      python examples/transformer/char_gpt.py --resume
Shakespeare, your text  python examples/transformer/char_gpt.py --data shakespeare | --data PATH""")


if __name__ == "__main__":
    run(main)
