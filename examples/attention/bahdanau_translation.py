"""Translation that looks back at the source before every word, and shows where:
`python examples/attention/bahdanau_translation.py`.

Numbers by default, as recurrent/seq2seq.py has them; --data multi30k translates captions from German, --data PATH
your own pairs of lines "source, tab, target".
"""

from dataclasses import dataclass

from groundup.data import START, BucketLoader, load_parallel
from groundup.models.attention_networks import BahdanauAttention
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import alignments
from groundup.training import RunOptions, Trainer, command_line, perplexity, run, score_translations, translation

import torch

# data: the part of unseen sentences that is right to the letter, in %
EXPECTED = {"numbers": "98-100 % right", "multi30k": "BLEU 38, with the flags of examples/README.md"}


@dataclass
class Config(RunOptions):
    data: str = "numbers"  # numbers, multi30k, or the path of your own pairs
    source: str = ""  # languages: of numbers en, fr, de and what num2words has (en to fr), of multi30k de and en
    target: str = ""
    embedding_dim: int = 48
    hidden_size: int = 96
    dropout: float = 0.0
    min_count: int = 1  # rarer words are unknown
    byte_pairs: int = 0  # or, instead of words, so many pieces of words
    epochs: int = 6
    batch_size: int = 128
    lr: float = 6e-3
    precision: str = "float32"  # or bfloat16
    beam: int = 5


def main() -> None:
    config, run_dir = command_line(Config, "bahdanau_translation", __doc__)

    # Data: pairs of sentences, in batches of about one length.
    how = {"seed": config.seed, "min_count": config.min_count, "byte_pairs": config.byte_pairs}
    train, valid, test = load_parallel(config.data, config.source, config.target, **how)
    batches = BucketLoader(train, config.batch_size, seed=config.seed)

    # Model: alignment as wide as the states, deep output half as wide, as in the paper.
    words = len(train.source_tokenizer), len(train.target_tokenizer)
    m, n = config.embedding_dim, config.hidden_size
    model = BahdanauAttention(*words, m, n, n, n // 2, config.dropout)

    # Train.
    total = config.epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    trainer = Trainer(
        *(model, optimizer, translation, batches),
        run_dir=run_dir,
        evaluate=perplexity(BucketLoader(valid, 100), translation),
        scheduler=LR_CosineDecayScheduler(optimizer, warmup_steps=total // 20, decay_steps=total - total // 20),
        precision=config.precision,
        clip_norm=5.0,  # 1 in appendix B.2, whose rate is AdaDelta's
        **({"steps": 5} if config.smoke else {"epochs": config.epochs}),
        config=config.settings(),
        seed=config.seed,
        monitor="loss",
        mode="min",
    )
    trainer.fit(resume=config.resume)

    # Look: where did each word of three translations come from?
    few = {"max_len": 5, "first": 20} if config.smoke else {}
    made = score_translations(model, test, run_dir, config.beam, **few)
    panels = []
    for source, said in list(zip(made.sources, made.found))[:3]:
        x, y = test.source_tokenizer.encode(source), test.target_tokenizer.encode(said)
        with torch.no_grad():
            _, alpha = model.cpu()(x[None], torch.cat([torch.tensor([START]), y])[None], need_weights=True)
        panels.append((test.source_tokenizer.spell(x), [*test.target_tokenizer.spell(y), "(end)"], alpha[0]))
    alignments(panels, run_dir / "alignments.png", "Where each word comes from")
    expected = "anything, after 5 steps" if config.smoke else EXPECTED.get(config.data, "what the data allow")
    print(f"""
beam {config.beam}                  {made}
expected                {expected}
pictures                curves.png (training), alignments.png (where it looked) and lengths.png (BLEU of short and
                        long sentences, beside other runs') in {run_dir}
the model               src/groundup/models/attention_networks/bahdanau.py · Bahdanau et al. 2015, appendix A
without looking back    python examples/recurrent/seq2seq.py
go on after Ctrl-C      python examples/attention/bahdanau_translation.py --resume""")


if __name__ == "__main__":
    run(main)
