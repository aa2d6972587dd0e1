"""GPT-2, 124 million parameters, from the first token on: `python examples/transformer/reproduce_gpt2.py --size gpt2`.

The whole recipe: byte pairs on the disk, 2¹⁹ tokens a step by accumulation, warm-up and cosine, weight decay for
matrices alone, bfloat16, checkpoints that resume to the bit, and under `torchrun` on several devices. Without --size
the same steps train a small model on the Python language reference, to see each of them work.

Steps, rates and batch are those of GPT-3's table 2.1 for this size (Brown et al. 2020); GPT-2's paper gives none.
"""

from dataclasses import dataclass
from math import log

from groundup.data import Loader, TokenWindows, load_tokenizer, open_tokens, prepare_tokens
from groundup.generate import write
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler, decay_groups
from groundup.training import RunOptions, Trainer, command_line, language_model, perplexity, run

#: What each size is trained with: model, tokens a step, micro-batch, steps, peak rate, byte pairs.
SIZES = {
    "small": ({"context": 128, "embed_dim": 128, "num_layers": 4, "num_heads": 4}, 2**12, 8, 300, 3e-3, 2048),
    "gpt2": ({}, 2**19, 8, 19_073, 6e-4, 50_257),  # 10¹⁰ tokens
    "gpt2-medium": (GPT2.presets["gpt2-medium"], 2**19, 4, 19_073, 3e-4, 50_257),
}


EXPECTED = {"small": "4.43"}  # nats a token


@dataclass
class Config(RunOptions):
    size: str = "small"  # small, gpt2 or gpt2-medium
    data: str = "python"  # a text file, a folder of .txt files, or a folder that write_tokens wrote
    steps: int = 0  # 0: what the size wants
    dropout: float = 0.0
    weight_decay: float = 0.1
    precision: str = "float32"  # bfloat16 where the device has it
    compile: bool = False
    checkpointing: bool = False  # less memory, a third more time


def main() -> None:
    config, run_dir = command_line(Config, "reproduce_gpt2", __doc__)
    if config.size not in SIZES:
        raise ValueError(f"size must be one of {', '.join(SIZES)}, got {config.size!r}")
    shape, tokens_a_step, micro_batch, steps, lr, byte_pairs = SIZES[config.size]
    folder = prepare_tokens(config.data, byte_pairs, run_dir.parent / f"{run_dir.name}-tokens", valid=0.05)
    tokenizer, train, valid = load_tokenizer(folder), open_tokens(folder, "train"), open_tokens(folder, "valid")
    vocab_size = -(-tokenizer.get_vocab_size() // 128) * 128  # rounded up: matrices of such sizes are faster
    model = GPT2(vocab_size, **shape, dropout=config.dropout)
    model.gradient_checkpointing = config.checkpointing
    print(f"{len(train):,} tokens, {sum(p.numel() for p in model.parameters()):,} parameters")
    window, micro_batch, judged = (128, 2, 1000) if config.smoke else (model.context, micro_batch, 100_000)
    batches = Loader(TokenWindows(train, window), micro_batch, shuffle=True, seed=config.seed, drop_last=True)
    held_out = Loader(TokenWindows(valid[:judged], window), micro_batch)
    steps = 3 if config.smoke else config.steps or steps
    optimizer = AdamW(decay_groups(model, config.weight_decay), lr=lr, betas=(0.9, 0.95), eps=1e-8)
    ramp = max(1, steps // 27)  # 375 million of 10¹⁰ tokens
    trainer = Trainer(
        model,
        optimizer,
        language_model(),
        batches,
        run_dir=run_dir,
        evaluate=perplexity(held_out, language_model()),
        scheduler=LR_CosineDecayScheduler(optimizer, ramp, steps - ramp, min_lr=lr / 10),
        steps=steps,
        accumulate=1 if config.smoke else tokens_a_step // (micro_batch * model.context),
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
    model.cpu().save_pretrained(run_dir / "model", names="transformers")
    tokenizer.save(str(run_dir / "model" / "tokenizer.json"))
    write(model, tokenizer, "The ", lambda text: print(text, end="", flush=True), max_new_tokens=50, top_k=50)
    bits = result.final["loss"] / log(2) * len(valid) / len(tokenizer.decode(valid.tolist()).encode())
    expected = "anything, after 3 steps" if config.smoke else EXPECTED.get(config.size, "not run here")
    print(f"""

validation    {result.final["loss"]:.3f} nats a token, {bits:.3f} bits a byte · expected {expected}
picture       {run_dir}/curves.png (training)
the model     src/groundup/models/transformer_networks/gpt.py · Radford et al. 2019
let it write  groundup generate "The" --model {run_dir}/model
whole         torchrun --nproc-per-node 8 examples/transformer/reproduce_gpt2.py --size gpt2 --data TEXTS""")


if __name__ == "__main__":
    run(main)
