"""The Transformer of 2017 translates the names of numbers: `python examples/transformer/translation.py`.

By default from English to French, tested on other numbers. --data multi30k translates captions of photos from German to
English, --data FILE your own pairs: a .tsv with "source, tab, target" on each line, or a .csv.
"""

from dataclasses import dataclass
from typing import Literal

from groundup.data import PAD, START, BucketLoader
from groundup.functional import linear_cross_entropy
from groundup.models.transformer_networks import Transformer
from groundup.optimizers import Adam, LR_CosineDecayScheduler, LR_NoamScheduler
from groundup.plots import attention_page
from groundup.tools.inspect import capture_attention
from groundup.tools.text import save_translator
from groundup.training import Trainer, TranslatorOptions, command_line, perplexity, run, score_translations

import torch

EXPECTED = {"numbers": "99 % right or more", "multi30k": "depends on the captions"}


@dataclass
class Config(TranslatorOptions):
    batch_size: int = 64
    min_count: int = 2  # rarer words are unknown
    d_model: int = 128
    nhead: int = 4
    num_layers: int = 2
    dim_feedforward: int = 256
    dropout: float = 0.1
    lr: float = 2e-3
    warmup_steps: int = 200  # but at most a tenth of all steps
    schedule: Literal["cosine", "noam"] = "cosine"  # cosine ends at 0, better for few epochs; noam is the paper's
    precision: str = "float32"  # or bfloat16


def objective(model, batch):
    hidden = model(batch.source, batch.target[:, :-1], batch.lengths, pre_logits=True)
    words = batch.target[:, 1:]
    loss = linear_cross_entropy(hidden, model.target_table.weight, words, PAD, "sum", label_smoothing=0.1)
    return loss, (words != PAD).sum()


objective.unit = "tokens"


def main() -> None:
    config, run_dir = command_line(Config, "translation", __doc__)
    train, valid, test, batches, epochs = config.load(usual=5)
    words = len(train.source_tokenizer), len(train.target_tokenizer)
    sizes = (config.d_model, config.nhead, config.num_layers, config.num_layers, config.dim_feedforward)
    model = Transformer(*words, *sizes, dropout=config.dropout, max_len=64)
    optimizer = Adam(model.parameters(), lr=config.lr, betas=(0.9, 0.98), eps=1e-9)
    total = epochs * len(batches)
    ramp = max(1, min(config.warmup_steps, total // 10))
    if config.schedule == "cosine":
        scheduler = LR_CosineDecayScheduler(optimizer, ramp, max(1, total - ramp))
    else:
        scheduler = LR_NoamScheduler(optimizer, ramp)
    trainer = Trainer(
        *(model, optimizer, objective, batches),
        run_dir=run_dir,
        evaluate=perplexity(BucketLoader(valid, 100), objective),  # the best weights have the lowest loss
        scheduler=scheduler,
        precision=config.precision,
        **({"steps": 5} if config.smoke else {"epochs": epochs}),
        config=config.settings(),
        seed=config.seed,
        monitor="loss",
        mode="min",
    )
    trainer.fit(resume=config.resume)

    # Translate the test sentences, and draw the attention of one.
    few = {"max_len": 5, "first": 20} if config.smoke else {}
    made = score_translations(model, test, run_dir, config.beam, **few)
    command = save_translator(model, test, run_dir / "model", config.beam)
    source, said = test.source_tokenizer.encode(made.sources[0]), test.target_tokenizer.encode(made.found[0])
    with torch.no_grad(), capture_attention(model.cpu().eval()) as seen:
        model(source[None], torch.tensor([[START, *said.tolist()]]))
    maps = [weights[0] for name, (weights,) in seen.items() if "cross_attn" in name]
    attention_page(maps, run_dir / "attention.png", title=f"{made.sources[0]}  →  {made.found[0]}")
    print(f"""
beam {config.beam}                 {made}
expected               {config.expectation(EXPECTED, train, test)}
pictures               {run_dir}/attention.png (decoder to source), curves.png, lengths.png (BLEU by length)
the model              src/groundup/models/transformer_networks/transformer.py · Vaswani et al. 2017, section 3
another sentence       {command}
captions, your pairs   python examples/transformer/translation.py --data multi30k | --data FILE""")


if __name__ == "__main__":
    run(main)
