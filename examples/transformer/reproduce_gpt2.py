"""GPT-2, 124 million parameters, trained from scratch: `python examples/transformer/reproduce_gpt2.py --size gpt2`.

The whole recipe: byte pairs on the disk, 2¹⁹ tokens per step by accumulation, warm-up and cosine, weight decay for
matrices only, bfloat16, checkpoints that resume to the bit, and `torchrun` for several devices. Without --size, the
same steps train a small model on the Python language reference, as a test of each of them.

Steps, rates and batch are those of GPT-3's table 2.1 for this size (Brown et al. 2020); GPT-2's paper gives none.
"""

from dataclasses import dataclass
from math import log

from groundup.data import Loader, TokenWindows, load_tokenizer, open_tokens, prepare_tokens, window_length
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler, decay_groups
from groundup.tools.text import save_and_write
from groundup.training import RunOptions, Trainer, command_line, count_pairs, language_model, perplexity, run

#: size: (model, tokens per step, micro-batch, steps, peak learning rate, byte pairs).
SIZES = {
    "small": ({"context": 128, "embed_dim": 128, "num_layers": 4, "num_heads": 4}, 2**12, 8, 300, 3e-3, 2048),
    "gpt2": ({}, 2**19, 8, 19_073, 6e-4, 50_257),  # 10¹⁰ tokens
    "gpt2-medium": (GPT2.presets["gpt2-medium"], 2**19, 4, 19_073, 3e-4, 50_257),
}


EXPECTED = {("small", "python"): "4.43"}  # nats per token


@dataclass
class Config(RunOptions):
    size: str = "small"  # small, gpt2 or gpt2-medium
    data: str = "python"  # a text file, a folder of .txt files, or a folder written by write_tokens
    validation: str = ""  # a text file or a folder of .txt files; by default the last twentieth of the data
    steps: int = 0  # 0: chosen by the size
    dropout: float = 0.0
    weight_decay: float = 0.1
    precision: str = "float32"  # or bfloat16, where the device supports it
    compile: bool = False
    checkpointing: bool = False  # saves memory, takes a third more time


def main() -> None:
    config, run_dir = command_line(Config, "reproduce_gpt2", __doc__)
    if config.size not in SIZES:
        raise ValueError(f"size must be one of {', '.join(SIZES)}, got {config.size!r}")
    shape, tokens_per_step, micro_batch, steps, lr, byte_pairs = SIZES[config.size]
    where = run_dir.parent / f"{run_dir.name}-tokens"
    folder = prepare_tokens(config.data, byte_pairs, where, valid=0.05, validation=config.validation)
    tokenizer, train, valid = load_tokenizer(folder), open_tokens(folder, "train"), open_tokens(folder, "valid")
    vocab_size = -(-tokenizer.get_vocab_size() // 128) * 128  # rounded up: matrices of such sizes are faster
    model = GPT2(vocab_size, **shape, dropout=config.dropout)
    model.gradient_checkpointing = config.checkpointing
    print(f"{len(train):,} tokens, {sum(p.numel() for p in model.parameters()):,} parameters")
    window, micro_batch, judged = (128, 2, 1000) if config.smoke else (model.context, micro_batch, 100_000)
    window = window_length(train, window)
    batches = Loader(TokenWindows(train, window), micro_batch, shuffle=True, seed=config.seed)
    held_out = Loader(TokenWindows(valid[:judged], window_length(valid, window, "the held-out text")), micro_batch)
    steps = 3 if config.smoke else config.steps or steps
    optimizer = AdamW(decay_groups(model, config.weight_decay), lr=lr, betas=(0.9, 0.95), eps=1e-8)
    ramp = max(1, steps // 27)  # 375 million of 10¹⁰ tokens
    trainer = Trainer(
        *(model, optimizer, language_model(), batches),
        run_dir=run_dir,
        evaluate=perplexity(held_out, language_model()),
        scheduler=LR_CosineDecayScheduler(optimizer, ramp, steps - ramp, min_lr=lr / 10),
        steps=steps,
        accumulate=1 if config.smoke else tokens_per_step // (micro_batch * model.context),
        evaluate_every=max(1, steps // 20),
        clip_norm=1.0,
        precision=config.precision,
        compile=config.compile,
        monitor="loss",
        mode="min",
        config=config.settings(),
        seed=config.seed,
    )
    result = trainer.fit(resume=config.resume)
    new = 20 if config.smoke else None
    command = save_and_write(model, tokenizer, run_dir / "model", "The", config.seed, new, names="transformers")
    bits = result.final["loss"] / log(2) * len(valid) / len(tokenizer.decode(valid.tolist()).encode())
    counted = f"about {count_pairs(train, valid):.2f} or less, the loss of a bigram model"
    expected = "anything, after 3 steps" if config.smoke else EXPECTED.get((config.size, config.data), counted)
    print(f"""
validation    {result.final["loss"]:.3f} nats per token, {bits:.3f} bits per byte · expected {expected}
picture       {run_dir}/curves.png (training)
the model     src/groundup/models/transformer_networks/gpt.py · Radford et al. 2019
write         {command}
full size     torchrun --nproc-per-node 8 examples/transformer/reproduce_gpt2.py --size gpt2 --data TEXTS""")


if __name__ == "__main__":
    run(main)
