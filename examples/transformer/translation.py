"""The Transformer of 2017 translates: `python examples/transformer/translation.py`.

By default the names of numbers, English to French, tested on numbers it has not seen. --data multi30k translates the
captions of photos, German to English; --data FILE your own pairs, one a line, source and target with a tab between.
"""

from dataclasses import dataclass

from groundup.checks import choice
from groundup.data import PAD, START, BucketLoader, load_parallel
from groundup.functional import linear_cross_entropy
from groundup.inspect import capture_attention
from groundup.models.transformer_networks import Transformer
from groundup.optimizers import Adam, LR_CosineDecayScheduler, LR_NoamScheduler
from groundup.plots import attention_page
from groundup.training import RunOptions, Trainer, command_line, perplexity, run, score_translations

import torch


@dataclass
class Config(RunOptions):
    data: str = "numbers"  # numbers, multi30k, or a file of pairs
    byte_pairs: int = 0  # so many pieces of words of each language, instead of words that occur twice
    epochs: int = 5
    batch_size: int = 64
    d_model: int = 128
    nhead: int = 4
    num_layers: int = 2
    dim_feedforward: int = 256
    dropout: float = 0.1
    lr: float = 2e-3
    warmup_steps: int = 200
    schedule: str = "cosine"  # it comes down to 0 at the end, which is better for few epochs; or noam, the paper's
    precision: str = "float32"  # or bfloat16
    beam: int = 5


def objective(model, batch):
    hidden = model(batch.source, batch.target[:, :-1], batch.lengths, pre_logits=True)
    words = batch.target[:, 1:]
    loss = linear_cross_entropy(hidden, model.target_table.weight, words, PAD, "sum", label_smoothing=0.1)
    return loss, (words != PAD).sum()


objective.unit = "tokens"


def main() -> None:
    config, run_dir = command_line(Config, "translation", __doc__)
    train, valid, test = load_parallel(config.data, seed=config.seed, min_count=2, byte_pairs=config.byte_pairs)
    print(train)
    batches = BucketLoader(train, config.batch_size, seed=config.seed)
    words = len(train.source_tokenizer), len(train.target_tokenizer)
    sizes = (config.d_model, config.nhead, config.num_layers, config.num_layers, config.dim_feedforward)
    model = Transformer(*words, *sizes, dropout=config.dropout, max_len=64)
    optimizer = Adam(model.parameters(), lr=config.lr, betas=(0.9, 0.98), eps=1e-9)
    down = max(1, config.epochs * len(batches) - config.warmup_steps)
    schedulers = {"noam": (LR_NoamScheduler,), "cosine": (LR_CosineDecayScheduler, down)}
    kind, *rest = schedulers[choice("schedule", config.schedule, tuple(schedulers))]
    trainer = Trainer(
        *(model, optimizer, objective, batches),
        run_dir=run_dir,
        evaluate=perplexity(BucketLoader(valid, 100), objective),  # what is trained for chooses the weights
        scheduler=kind(optimizer, config.warmup_steps, *rest),
        precision=config.precision,
        **({"steps": 5} if config.smoke else {"epochs": config.epochs}),
        config=config.settings(),
        seed=config.seed,
        monitor="loss",
        mode="min",
    )
    trainer.fit(resume=config.resume)

    # Look.
    few = {"max_len": 5, "first": 20} if config.smoke else {}
    made = score_translations(model, test, run_dir, config.beam, **few)
    source, said = test.source_tokenizer.encode(made.sources[0]), test.target_tokenizer.encode(made.found[0])
    with torch.no_grad(), capture_attention(model.cpu().eval()) as seen:
        model(source[None], torch.tensor([[START, *said.tolist()]]))
    maps = [weights[0] for name, (weights,) in seen.items() if "cross_attn" in name]
    attention_page(maps, run_dir / "attention.png", title=f"{made.sources[0]}  →  {made.found[0]}")
    expected = "99 % right or more" if config.data == "numbers" and not config.smoke else "what the pairs allow"
    print(f"""
beam {config.beam}                 {made}
expected               {expected}
pictures               attention.png (where the decoder looks), curves.png (training) and lengths.png (BLEU of short
                       and long sentences, beside other runs') in {run_dir}
the model              src/groundup/models/transformer_networks/transformer.py · Vaswani et al. 2017, section 3
captions, your pairs   python examples/transformer/translation.py --data multi30k | --data FILE""")


if __name__ == "__main__":
    run(main)
