"""Seq2Seq translates the names of numbers: `python examples/recurrent/seq2seq.py`.

It reads the English name backwards and writes the French one. --target de writes German, --data multi30k translates
captions from German, --data PATH your own pairs: a .tsv with "source, tab, target" on each line, or a .csv.
"""

from dataclasses import dataclass

from groundup.data import BucketLoader
from groundup.models.recurrent_networks import Seq2Seq
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.tools.text import save_translator
from groundup.training import Trainer, TranslatorOptions, command_line, perplexity, run, score_translations, translation

# data: the share of unseen sentences that is exactly right
EXPECTED = {"numbers": "98-100 % right", "multi30k": "BLEU 14, with the flags of examples/README.md"}


@dataclass
class Config(TranslatorOptions):
    embedding_dim: int = 64
    hidden_size: int = 128
    num_layers: int = 1
    dropout: float = 0.0
    lr: float = 6e-3


def main() -> None:
    config, run_dir = command_line(Config, "seq2seq", __doc__)

    # Data: pairs of sentences, in batches of about one length.
    train, valid, test, batches, epochs = config.load(usual=8)

    # Model.
    words = len(train.source_tokenizer), len(train.target_tokenizer)
    sizes = (config.embedding_dim, config.hidden_size, config.num_layers)
    model = Seq2Seq(*words, *sizes, dropout=config.dropout)

    # Train.
    total = epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    trainer = Trainer(
        *(model, optimizer, translation, batches),
        run_dir=run_dir,
        evaluate=perplexity(BucketLoader(valid, 100), translation),
        scheduler=LR_CosineDecayScheduler(optimizer, warmup_steps=total // 20, decay_steps=total - total // 20),
        clip_norm=5.0,  # section 3.4
        **({"steps": 5} if config.smoke else {"epochs": epochs}),
        config=config.settings(),
        seed=config.seed,
        monitor="loss",
        mode="min",
    )
    trainer.fit(resume=config.resume)

    # Translate the test sentences.
    few = {"max_len": 5, "first": 20} if config.smoke else {}
    made = score_translations(model, test, run_dir, config.beam, **few)
    command = save_translator(model, test, run_dir / "model", config.beam)
    print(f"""
beam {config.beam}                  {made}
expected                {config.expectation(EXPECTED, train, test)}
pictures                {run_dir}/curves.png (training), {run_dir}/lengths.png (BLEU by sentence length)
another sentence        {command}
the model               src/groundup/models/recurrent_networks/seq2seq.py · Sutskever et al. 2014, section 3
the search              src/groundup/generation/beam.py
with attention          python examples/attention/bahdanau_translation.py
resume after Ctrl-C     python examples/recurrent/seq2seq.py --resume""")


if __name__ == "__main__":
    run(main)
