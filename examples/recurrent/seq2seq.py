"""Seq2Seq learns to say numbers in another language, of which it reads the English name backwards:
`python examples/recurrent/seq2seq.py`.

--target de asks for German, --data multi30k translates captions from German, --data PATH your own pairs of lines
"source, tab, target".
"""

from dataclasses import dataclass

from groundup.data import BucketLoader, load_parallel
from groundup.models.recurrent_networks import Seq2Seq
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.training import RunOptions, Trainer, command_line, perplexity, run, score_translations, translation

# data: the part of unseen sentences that is right to the letter, in %
EXPECTED = {"numbers": "98-100 % right", "multi30k": "BLEU 14, with the flags of examples/README.md"}


@dataclass
class Config(RunOptions):
    data: str = "numbers"  # numbers, multi30k, or the path of your own pairs
    source: str = ""  # languages: of numbers en, fr, de and what num2words has (en to fr), of multi30k de and en
    target: str = ""
    embedding_dim: int = 64
    hidden_size: int = 128
    num_layers: int = 1
    dropout: float = 0.0
    min_count: int = 1  # rarer words are unknown
    byte_pairs: int = 0  # or, instead of words, so many pieces of words
    epochs: int = 8
    batch_size: int = 128
    lr: float = 6e-3
    beam: int = 5


def main() -> None:
    config, run_dir = command_line(Config, "seq2seq", __doc__)

    # Data: pairs of sentences, in batches of about one length.
    how = {"seed": config.seed, "min_count": config.min_count, "byte_pairs": config.byte_pairs}
    train, valid, test = load_parallel(config.data, config.source, config.target, **how)
    batches = BucketLoader(train, config.batch_size, seed=config.seed)
    print(train)

    # Model.
    words = len(train.source_tokenizer), len(train.target_tokenizer)
    sizes = (config.embedding_dim, config.hidden_size, config.num_layers)
    model = Seq2Seq(*words, *sizes, dropout=config.dropout)

    # Train.
    total = config.epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    trainer = Trainer(
        *(model, optimizer, translation, batches),
        run_dir=run_dir,
        evaluate=perplexity(BucketLoader(valid, 100), translation),
        scheduler=LR_CosineDecayScheduler(optimizer, warmup_steps=total // 20, decay_steps=total - total // 20),
        clip_norm=5.0,  # section 3.4
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
    expected = "anything, after 5 steps" if config.smoke else EXPECTED.get(config.data, "what the data allow")
    print(f"""
beam {config.beam}                  {made}
expected                {expected}
pictures                {run_dir}/curves.png (training), {run_dir}/lengths.png (BLEU of short and long sentences)
the model               src/groundup/models/recurrent_networks/seq2seq.py · Sutskever et al. 2014, section 3
the search              src/groundup/decoding/beam.py
looking back, instead   python examples/attention/bahdanau_translation.py
go on after Ctrl-C      python examples/recurrent/seq2seq.py --resume""")


if __name__ == "__main__":
    run(main)
