"""Translation with attention: before each word the decoder looks back at the source.

`python examples/attention/bahdanau_translation.py`

It translates the names of numbers, as recurrent/seq2seq.py does. --data multi30k translates captions from German, and
--data PATH your own pairs: a .tsv with "source, tab, target" on each line, or a .csv.
"""

from dataclasses import dataclass

from groundup.data import START, BucketLoader
from groundup.models.attention_networks import BahdanauAttention
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import alignments
from groundup.tools.text import save_translator
from groundup.training import Trainer, TranslatorOptions, command_line, perplexity, run, score_translations, translation

import torch

# data: the share of unseen sentences that is exactly right
EXPECTED = {"numbers": "98-100 % right", "multi30k": "BLEU 38, with the flags of examples/README.md"}


@dataclass
class Config(TranslatorOptions):
    embedding_dim: int = 48
    hidden_size: int = 96
    dropout: float = 0.0
    lr: float = 6e-3
    precision: str = "float32"  # or bfloat16


def main() -> None:
    config, run_dir = command_line(Config, "bahdanau_translation", __doc__)

    # Data: pairs of sentences, in batches of about one length.
    train, valid, test, batches, epochs = config.load(usual=6)

    # Model: alignment as wide as the states, deep output half as wide, as in the paper.
    words = len(train.source_tokenizer), len(train.target_tokenizer)
    m, n = config.embedding_dim, config.hidden_size
    model = BahdanauAttention(*words, m, n, n, n // 2, config.dropout)

    # Train.
    total = epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    trainer = Trainer(
        *(model, optimizer, translation, batches),
        run_dir=run_dir,
        evaluate=perplexity(BucketLoader(valid, 100), translation),
        scheduler=LR_CosineDecayScheduler(optimizer, warmup_steps=total // 20, decay_steps=total - total // 20),
        precision=config.precision,
        clip_norm=5.0,  # 1 in appendix B.2, whose rate is AdaDelta's
        **({"steps": 5} if config.smoke else {"epochs": epochs}),
        config=config.settings(),
        seed=config.seed,
        monitor="loss",
        mode="min",
    )
    trainer.fit(resume=config.resume)

    # Look at the attention weights of three translations.
    few = {"max_len": 5, "first": 20} if config.smoke else {}
    made = score_translations(model, test, run_dir, config.beam, **few)
    command = save_translator(model, test, run_dir / "model", config.beam)
    panels = []
    for source, said in list(zip(made.sources, made.found))[:3]:
        x, y = test.source_tokenizer.encode(source), test.target_tokenizer.encode(said)
        with torch.no_grad():
            _, alpha = model.cpu()(x[None], torch.cat([torch.tensor([START]), y])[None], need_weights=True)
        panels.append((test.source_tokenizer.spell(x), [*test.target_tokenizer.spell(y), "(end)"], alpha[0]))
    alignments(panels, run_dir / "alignments.png", "Where each word comes from")
    print(f"""
beam {config.beam}                  {made}
expected                {config.expectation(EXPECTED, train, test)}
pictures                curves.png (training), alignments.png (attention weights) and lengths.png (BLEU by sentence
                        length, beside other runs) in {run_dir}
another sentence        {command}
the model               src/groundup/models/attention_networks/bahdanau.py · Bahdanau et al. 2015, appendix A
without attention       python examples/recurrent/seq2seq.py
resume after Ctrl-C     python examples/attention/bahdanau_translation.py --resume""")


if __name__ == "__main__":
    run(main)
