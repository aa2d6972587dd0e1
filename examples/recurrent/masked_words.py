"""What is the missing word? A network that reads both ways fills it in: `python examples/recurrent/masked_words.py`.

The text is Python's own language reference; --data shakespeare reads plays, --data PATH a text file of your own;
--one-way reads only what comes before the gap.
"""

from dataclasses import dataclass

from groundup.data import PAD as GAP
from groundup.data import UNKNOWN, Loader, TextWindows, WordTokenizer, load_text
from groundup.functional import cross_entropy
from groundup.models.recurrent_networks import LSTM, LangModel
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.training import RunOptions, Trainer, command_line, run

import torch

EXPECTED = {"python": "about 51, and 27"}  # % of the gaps filled in as the author did


@dataclass
class Config(RunOptions):
    data: str = "python"  # python, shakespeare, or the path of your own text file
    one_way: bool = False
    min_count: int = 3  # rarer words are unknown, and no gaps
    embedding_dim: int = 64
    hidden_size: int = 96  # of each direction
    window: int = 24  # words
    epochs: int = 8
    batch_size: int = 32
    lr: float = 5e-3


def fill(model: LangModel, words: torch.Tensor, gap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(the scores of every word at each gap, the words that were there)."""
    gap = gap & (words != UNKNOWN)
    return model(torch.where(gap, GAP, words))[0][gap], words[gap]


def objective(model: LangModel, words: torch.Tensor) -> tuple[torch.Tensor, int]:
    scores, wanted = fill(model, words, torch.rand(words.shape, device=words.device) < 0.15)
    return cross_entropy(scores, wanted, reduction="sum"), len(wanted)


def main() -> None:
    config, run_dir = command_line(Config, "masked_words", __doc__)

    # Data: nine tenths of the text to learn, the last to be tested on.
    text = load_text(config.data)
    cut = len(text) * 9 // 10
    tokenizer = WordTokenizer.of(text[:cut], config.min_count)
    learned, held_out = (TextWindows(tokenizer.encode(part), config.window) for part in (text[:cut], text[cut:]))
    batches = Loader(learned, config.batch_size, shuffle=True, seed=config.seed)
    commonest = 4  # the first after PAD, START, END and UNKNOWN
    print(f"{tokenizer}, {len(learned):,} windows to learn, {len(held_out):,} to be tested on")

    # Model.
    both = not config.one_way
    core = LSTM(config.embedding_dim, config.hidden_size * (2 - both), bidirectional=both, batch_first=True)
    model = LangModel(len(tokenizer), core, dropout=0.3)

    # Train. Every seventh word of the test is a gap.
    def evaluate(model: LangModel) -> dict[str, float]:
        found = [fill(model, words, torch.arange(words.size(1)) % 7 == 3) for words in Loader(held_out, 100)]
        scores, wanted = (torch.cat(part) for part in zip(*found))
        right, always = (scores.argmax(1) == wanted), (wanted == commonest)
        return {"accuracy": float(right.float().mean()), "the commonest": float(always.float().mean())}

    total = config.epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    scheduler = LR_CosineDecayScheduler(optimizer, warmup_steps=total // 20, decay_steps=total - total // 20)
    length = {"steps": 3} if config.smoke else {"epochs": config.epochs}
    settings = {"config": config.settings(), "seed": config.seed, "clip_norm": 1.0, "run_dir": run_dir}
    trainer = Trainer(
        model, optimizer, objective, batches, evaluate=evaluate, scheduler=scheduler, **length, **settings
    )
    result = trainer.fit(resume=config.resume)

    # Look.
    words = held_out.batch(torch.arange(5))
    gap = torch.arange(words.size(1)).expand(words.shape) == words.size(1) // 2
    scores, _ = fill(model.eval(), torch.where(gap & (words == UNKNOWN), GAP, words), gap)
    for row, best in zip(words, scores.topk(3, 1).indices):
        pieces = [tokenizer.pieces[token] for token in row]
        pieces[len(row) // 2] = f"[{pieces[len(row) // 2]}? {' '.join(tokenizer.pieces[token] for token in best)}]"
        print(" ".join(pieces))
    got, least = (100 * result.final[name] for name in ("accuracy", "the commonest"))
    expected = "anything" if config.smoke else EXPECTED.get(config.data, "what the text allows")
    print(f"""
gaps filled in right    {got:.1f} %, by the commonest word alone {least:.1f} % · expected {expected}
picture                 {run_dir}/curves.png (training)
the model               src/groundup/models/recurrent_networks/language_model.py, its core bidirectional
without what follows    python examples/recurrent/masked_words.py --one-way
go on after Ctrl-C      python examples/recurrent/masked_words.py --resume""")


if __name__ == "__main__":
    run(main)
