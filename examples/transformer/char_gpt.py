"""A small GPT of characters: `python examples/transformer/char_gpt.py`.

--data shakespeare trains on tiny Shakespeare, --data PATH on your own text file. --recipe public is that of
nanoGPT for a CPU: the same model, steps and batch, so that losses can be compared.
"""

from dataclasses import dataclass
from typing import Literal

from groundup.data import CharacterTokenizer, Loader, TokenWindows, first_words, split_text, window_length
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler, decay_groups
from groundup.tools.text import save_and_write
from groundup.training import RunOptions, Trainer, command_line, count_pairs, language_model, load_best, perplexity, run

# (data, recipe): the expected validation loss in nats per character.
EXPECTED = {
    ("shakespeare", "public"): "1.88-1.90 (nanoGPT states 1.88)",
    ("shakespeare", "ours"): "1.77",
    ("python", "ours"): "1.33",
}
PROMPTS = {"python": "The class statement", "shakespeare": "ROMEO:"}
#: (peak learning rate, weight decay, β₂, share of the steps for warm-up)
RECIPES = {"public": (1e-3, 0.1, 0.99, 0.05), "ours": (4e-3, 0.1, 0.95, 0.1)}


@dataclass
class Config(RunOptions):
    data: str = "python"  # python (its language reference), shakespeare, or the path of your own text
    validation: str = ""  # a text to validate on; by default the last tenth of the data
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

    # Data: every character is a token; the last tenth of the text is held out.
    texts = split_text(config.data, config.validation)
    tokenizer = CharacterTokenizer(sorted(set("".join(texts))), special=False)
    train, valid = map(tokenizer.encode, texts)
    context = window_length(train, config.context)
    batches = Loader(TokenWindows(train, context, stride=1), config.batch_size, shuffle=True, seed=config.seed)
    held_out = Loader(TokenWindows(valid, window_length(valid, context, "the held-out text")), 100)

    # Model, and training.
    sizes = (context, config.embed_dim, config.num_layers, config.num_heads)
    model = GPT2(len(tokenizer), *sizes, dropout=config.dropout)
    lr, decay, beta2, warmup = RECIPES[config.recipe]
    optimizer = AdamW(decay_groups(model, decay), lr=lr, betas=(0.9, beta2))
    ramp = int(warmup * config.steps)
    scheduler = LR_CosineDecayScheduler(optimizer, ramp, config.steps - ramp, min_lr=lr / 10)
    trainer = Trainer(
        *(model, optimizer, language_model(), batches),
        run_dir=run_dir,
        evaluate=perplexity(held_out, language_model()),
        scheduler=scheduler,
        steps=5 if config.smoke else config.steps,
        evaluate_every=max(1, min(config.steps // 4, len(batches) // 3)),
        clip_norm=1.0,
        monitor="loss",
        mode="min",
        config=config.settings(),
        seed=config.seed,
    )
    trainer.fit(resume=config.resume)

    # Save the best weights, and write a sample.
    loss = load_best(model, run_dir)["loss"]
    prompt = PROMPTS.get(config.data) or first_words(texts[0])
    command = save_and_write(model, tokenizer, run_dir / "model", prompt, config.seed, new=40 if config.smoke else None)
    own = f"about {count_pairs(train, valid):.2f} or less, the loss of a bigram model"
    expected = "any" if config.smoke else EXPECTED.get((config.data, config.recipe), own)
    print(f"""
validation loss {loss:.3f} nats per character · expected {expected}
pictures        {run_dir}/curves.png (training)
the model       src/groundup/models/transformer_networks/gpt.py · Radford et al. 2019, section 2.3
layer by layer          groundup show GPT2
write                   {command}
resume after Ctrl-C     python examples/transformer/char_gpt.py --resume
Shakespeare, your text  python examples/transformer/char_gpt.py --data shakespeare | --data PATH""")


if __name__ == "__main__":
    run(main)
