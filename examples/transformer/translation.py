"""The Transformer of 2017 translates: `python examples/transformer/translation.py`.

By default the names of numbers, English to French, tested on numbers it has not seen. --data multi30k translates the
captions of photos, German to English; --data FILE your own pairs, one a line, source and target with a tab between.
"""

from dataclasses import dataclass

import torch

from groundup.data import PAD, START, BucketLoader, ParallelText, WordTokenizer, multi30k, number_pairs, read_pairs
from groundup.functional import linear_cross_entropy
from groundup.inspect import capture_attention
from groundup.models.transformer_networks import Transformer
from groundup.optimizers import Adam, LR_NoamScheduler
from groundup.plots import attention_page
from groundup.training import RunOptions, Trainer, command_line, exact_match, run, translate


@dataclass
class Config(RunOptions):
    data: str = "numbers"  # numbers, multi30k, or a file of pairs
    epochs: int = 8
    batch_size: int = 64
    d_model: int = 128
    nhead: int = 4
    num_layers: int = 2
    dim_feedforward: int = 256
    dropout: float = 0.1
    lr: float = 2e-3
    warmup_steps: int = 400
    beam: int = 4


def objective(model, batch):
    hidden = model(batch.source, batch.target[:, :-1], batch.lengths, pre_logits=True)
    words = batch.target[:, 1:]
    loss = linear_cross_entropy(hidden, model.target_table.weight, words, PAD, "sum", label_smoothing=0.1)
    return loss, (words != PAD).sum()


def main() -> None:
    config, run_dir = command_line(Config, "translation", __doc__)
    if config.data == "numbers":
        train, test = number_pairs("en", "fr", seed=config.seed)
    elif config.data == "multi30k":
        train, test = multi30k("train", lower=True), multi30k("test", lower=True)
    else:
        pairs = read_pairs(config.data)
        train, test = pairs[len(pairs) // 10 :], pairs[: len(pairs) // 10]
    tokenizers = [WordTokenizer.of((pair[side] for pair in train), min_count=2) for side in (0, 1)]
    text = ParallelText(train, *tokenizers)
    print(text)
    batches = BucketLoader(text, config.batch_size, seed=config.seed)
    sizes = (config.d_model, config.nhead, config.num_layers, config.num_layers, config.dim_feedforward)
    model = Transformer(*map(len, tokenizers), *sizes, dropout=config.dropout, max_len=64)
    optimizer = Adam(model.parameters(), lr=config.lr, betas=(0.9, 0.98), eps=1e-9)
    scheduler = LR_NoamScheduler(optimizer, config.warmup_steps)
    length = {"steps": 5} if config.smoke else {"epochs": config.epochs}
    options = {"scheduler": scheduler, "run_dir": run_dir, "config": config.settings(), "seed": config.seed}
    Trainer(model, optimizer, objective, batches, **length, **options).fit(resume=config.resume)

    # Look.
    model.eval()
    shown = test[:20] if config.smoke else test
    found = translate(model, ParallelText(shown, *tokenizers), config.beam)
    right = 100 * exact_match(found, [target for _, target in shown])
    for (source, target), t in zip(shown[:5], found):
        print(f"{source}  →  {t}" + ("" if t == target else f"    (should be {target})"))
    source, words = tokenizers[0].encode(shown[0][0]), [START, *tokenizers[1].encode(found[0]).tolist()]
    with torch.no_grad(), capture_attention(model) as seen:
        model(source[None], torch.tensor([words]))
    maps = [weights[0] for name, (weights,) in seen.items() if "cross_attn" in name]
    attention_page(maps, run_dir / "attention.png", title=f"{shown[0][0]}  →  {found[0]}")
    expected = "99 or more" if config.data == "numbers" and not config.smoke else "what the pairs allow"
    print(f"""
whole sentences right  {right:.1f} % of {len(shown)} not seen · expected {expected}
pictures               {run_dir}/attention.png (where the decoder looks), {run_dir}/curves.png (training)
the model              src/groundup/models/transformer_networks/transformer.py · Vaswani et al. 2017, section 3
captions, your pairs   python examples/transformer/translation.py --data multi30k | --data FILE""")


if __name__ == "__main__":
    run(main)
