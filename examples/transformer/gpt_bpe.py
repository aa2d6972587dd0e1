"""A GPT of byte pairs, from any texts of your own: `python examples/transformer/gpt_bpe.py --data FOLDER`.

Learns the byte pairs, writes the tokens to the disk once, maps them into memory and trains. Without --data the text is
the Python language reference. The run's folder holds the model as `groundup generate` reads it.
"""

from dataclasses import dataclass
from math import log

from groundup.data import Loader, TokenWindows, load_tokenizer, open_tokens, prepare_tokens
from groundup.generate import write
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler, decay_groups
from groundup.training import RunOptions, Trainer, command_line, language_model, load_best, perplexity, run


@dataclass
class Config(RunOptions):
    data: str = "python"  # python, shakespeare, a text file, or a folder of .txt files
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

    # Data: read once; afterwards the tokens stay on the disk.
    folder = prepare_tokens(config.data, config.vocab_size, run_dir.parent / f"{run_dir.name}-tokens")
    tokenizer, train, valid = load_tokenizer(folder), open_tokens(folder, "train"), open_tokens(folder, "valid")
    size = tokenizer.get_vocab_size()
    bytes_a_token = len(tokenizer.decode(valid.tolist()).encode()) / len(valid)
    print(f"{len(train) + len(valid):,} tokens, {size:,} different, of {bytes_a_token:.2f} bytes")
    windows = TokenWindows(train, config.context, stride=7)
    batches = Loader(windows, config.batch_size, shuffle=True, seed=config.seed, drop_last=True)
    held_out = Loader(TokenWindows(valid, config.context), 32)

    # Model, and training.
    sizes = (config.context, config.embed_dim, config.num_layers, config.num_heads)
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
        evaluate_every=max(1, config.steps // 5),
        clip_norm=1.0,
        monitor="loss",
        mode="min",
        config=config.settings(),
        seed=config.seed,
    )
    result = trainer.fit(resume=config.resume)

    # Look.
    load_best(model, run_dir)
    model.save_pretrained(run_dir / "model")
    tokenizer.save(str(run_dir / "model" / "tokenizer.json"))
    options = {"max_new_tokens": min(80, config.context - 10), "temperature": 0.8, "top_p": 0.95}
    write(model, tokenizer, "The ", lambda text: print(text, end="", flush=True), **options)
    loss = result.best["loss"]
    bits = loss / log(2) / bytes_a_token
    expected = "1.85" if config.data == "python" and not config.smoke else "what the text gives"
    print(f"""

validation {bits:.3f} bits a byte ({loss:.3f} nats a token) · expected {expected}
picture    {run_dir}/curves.png (training)
the model  src/groundup/models/transformer_networks/gpt.py · Radford et al. 2019, sections 2.2 and 2.3
let it write            groundup generate "A class" --model {run_dir}/model
your own texts          python examples/transformer/gpt_bpe.py --data FOLDER""")


if __name__ == "__main__":
    run(main)
