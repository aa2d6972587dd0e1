"""A GPT of byte pairs, trained on your own texts: `python examples/transformer/gpt_bpe.py --data FOLDER`.

It learns the byte pairs, writes the tokens to the disk once, maps them into memory and trains. Without --data the text
is the Python language reference. `groundup generate` reads the model in the folder of the run.
"""

from dataclasses import dataclass
from math import log

from groundup.data import Loader, TokenWindows, load_tokenizer, open_tokens, prepare_tokens, window_length
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler, decay_groups
from groundup.tools.text import save_and_write
from groundup.training import RunOptions, Trainer, command_line, count_pairs, language_model, load_best, perplexity, run


@dataclass
class Config(RunOptions):
    data: str = "python"  # python, shakespeare, a text file, or a folder of .txt files
    validation: str = ""  # texts to validate on, in the same forms; by default the last tenth of the data
    vocab_size: int = 1024
    steps: int = 700
    batch_size: int = 16
    context: int = 128
    embed_dim: int = 128
    num_layers: int = 4
    num_heads: int = 4
    dropout: float = 0.1
    lr: float = 4e-3


def main() -> None:
    config, run_dir = command_line(Config, "gpt_bpe", __doc__)

    # Data: the texts are read once; the tokens are kept on the disk.
    where = run_dir.parent / f"{run_dir.name}-tokens"
    folder = prepare_tokens(config.data, config.vocab_size, where, validation=config.validation)
    tokenizer, train, valid = load_tokenizer(folder), open_tokens(folder, "train"), open_tokens(folder, "valid")
    size = tokenizer.get_vocab_size()
    bytes_per_token = len(tokenizer.decode(valid.tolist()).encode()) / len(valid)
    print(f"{len(train) + len(valid):,} tokens, {size:,} different, of {bytes_per_token:.2f} bytes")
    context = window_length(train, config.context)
    batches = Loader(TokenWindows(train, context, stride=7), config.batch_size, shuffle=True, seed=config.seed)
    held_out = Loader(TokenWindows(valid, window_length(valid, context, "the held-out text")), 32)

    # Model, and training.
    sizes = (context, config.embed_dim, config.num_layers, config.num_heads)
    model = GPT2(size, *sizes, dropout=config.dropout)
    optimizer = AdamW(decay_groups(model, 0.1), lr=config.lr, betas=(0.9, 0.95))
    ramp = config.steps // 10
    scheduler = LR_CosineDecayScheduler(optimizer, ramp, config.steps - ramp, min_lr=config.lr / 10)
    trainer = Trainer(
        model,
        optimizer,
        language_model(),
        batches,
        run_dir=run_dir,
        evaluate=perplexity(held_out, language_model()),
        scheduler=scheduler,
        steps=5 if config.smoke else config.steps,
        evaluate_every=max(1, min(config.steps // 5, len(batches) // 3)),
        clip_norm=1.0,
        monitor="loss",
        mode="min",
        config=config.settings(),
        seed=config.seed,
    )
    trainer.fit(resume=config.resume)

    # Save the best weights, and write a sample.
    loss = load_best(model, run_dir)["loss"]
    command = save_and_write(model, tokenizer, run_dir / "model", "The", config.seed, new=20 if config.smoke else None)
    bits, counted = (nats / log(2) / bytes_per_token for nats in (loss, count_pairs(train, valid)))
    own = "any" if config.smoke else f"about {counted:.2f} or less, the loss of a bigram model"
    expected = "1.85" if config.data == "python" and not config.smoke else own
    print(f"""
validation {bits:.3f} bits per byte ({loss:.3f} nats per token) · expected {expected}
picture    {run_dir}/curves.png (training)
the model  src/groundup/models/transformer_networks/gpt.py · Radford et al. 2019, sections 2.2 and 2.3
write                   {command}
your own texts          python examples/transformer/gpt_bpe.py --data FOLDER""")


if __name__ == "__main__":
    run(main)
