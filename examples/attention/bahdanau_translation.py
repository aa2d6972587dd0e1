"""Translation that looks back at the source before every word, and shows where:
`python examples/attention/bahdanau_translation.py`.

Numbers by default, as recurrent/seq2seq.py has them; --data multi30k translates captions from German, --data PATH
your own pairs of lines "source, tab, target".
"""

from dataclasses import dataclass

import torch

from groundup.data import START, BucketLoader, ParallelText, WordTokenizer, load_pairs
from groundup.models.attention_networks import BahdanauAttention
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import alignments
from groundup.training import RunOptions, Trainer, command_line, exact_match, perplexity, run, translate, translation

# data: the part of unseen sentences that is right to the letter, in %
EXPECTED = {"numbers": "98-100"}


@dataclass
class Config(RunOptions):
    data: str = "numbers"  # numbers, multi30k, or the path of your own pairs
    source: str = ""  # languages: of numbers en, fr, de and what num2words has (en to fr), of multi30k de and en
    target: str = ""
    embedding_dim: int = 48
    hidden_size: int = 96
    dropout: float = 0.0
    min_count: int = 1  # rarer words are unknown
    epochs: int = 6
    batch_size: int = 128
    lr: float = 6e-3
    beam: int = 5


def main() -> None:
    config, run_dir = command_line(Config, "bahdanau_translation", __doc__)

    # Data: pairs of sentences, in batches of about one length.
    train, test = load_pairs(config.data, config.source, config.target, seed=config.seed)
    words = [WordTokenizer.of((pair[side] for pair in train), config.min_count) for side in (0, 1)]
    train, test = ParallelText(train, *words), ParallelText(test[: 20 if config.smoke else None], *words)
    batches = BucketLoader(train, config.batch_size, seed=config.seed)

    # Model: alignment as wide as the states, deep output half as wide, as in the paper.
    m, n = config.embedding_dim, config.hidden_size
    model = BahdanauAttention(len(words[0]), len(words[1]), m, n, n, n // 2, config.dropout)

    # Train.
    total = config.epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    trainer = Trainer(
        model,
        optimizer,
        translation,
        batches,
        run_dir=run_dir,
        evaluate=perplexity(BucketLoader(test, 100), translation),
        scheduler=LR_CosineDecayScheduler(optimizer, warmup_steps=total // 20, decay_steps=total - total // 20),
        clip_norm=5.0,  # 1 in appendix B.2, whose rate is AdaDelta's
        **({"steps": 5} if config.smoke else {"epochs": config.epochs}),
        config=config.settings(),
        seed=config.seed,
        monitor="loss",
        mode="min",
    )
    trainer.fit(resume=config.resume)

    # Look: where did each word of three translations come from?
    found = translate(model, test, width=config.beam, max_len=5 if config.smoke else 60)
    panels = []
    for (source, _), said in list(zip(test.pairs, found))[:3]:
        x, y = words[0].encode(source), words[1].encode(said)
        with torch.no_grad():
            _, alpha = model(x[None], torch.cat([torch.tensor([START]), y])[None], need_weights=True)
        panels.append((words[0].split(source), [*words[1].split(said), "."], alpha[0]))
    alignments(panels, run_dir / "alignments.png", "Where each word comes from")
    right = 100 * exact_match(found, [target for _, target in test.pairs])
    expected = "anything, after 5 steps" if config.smoke else EXPECTED.get(config.data, "what the data allow")
    print(f"""
right to the letter     {right:.1f} % of {len(test)} unseen · expected {expected}
pictures                {run_dir}/curves.png (training), {run_dir}/alignments.png (where it looked)
the model               src/groundup/models/attention_networks/bahdanau.py · Bahdanau et al. 2015, appendix A
without looking back    python examples/recurrent/seq2seq.py
go on after Ctrl-C      python examples/attention/bahdanau_translation.py --resume""")


if __name__ == "__main__":
    run(main)
