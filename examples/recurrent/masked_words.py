"""A bidirectional LSTM fills in missing words: `python examples/recurrent/masked_words.py`.

The text is the Python language reference; --data shakespeare trains on plays, --data PATH on your own text file.
--one-way reads only the words before the gap.
"""

from dataclasses import dataclass

from groundup.data import PAD, UNKNOWN, Loader, TextWindows, WordTokenizer, split_text, window_length
from groundup.functional import cross_entropy
from groundup.models.recurrent_networks import LSTM, LangModel
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.tools.text import save_and_fill
from groundup.training import RunOptions, Trainer, command_line, fit_length, load_best, run

import torch

EXPECTED = {"python": "about 51, and 27"}  # % of the gaps filled correctly


@dataclass
class Config(RunOptions):
    data: str = "python"  # python, shakespeare, or the path of your own text file
    validation: str = ""  # a text to test on; by default the last tenth of the data
    one_way: bool = False
    min_count: int = 3  # rarer words are unknown, and never gaps
    embedding_dim: int = 64
    hidden_size: int = 96  # of each direction
    window: int = 24  # words
    epochs: int = 0  # 0: eight, or as many as a short text needs
    batch_size: int = 32
    lr: float = 5e-3


def score(model: LangModel, words: torch.Tensor, gap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (the scores of every word at each gap, the words that were there)."""
    known = words != UNKNOWN
    gap = gap & known if (gap & known).any() else known
    return model(torch.where(gap, PAD, words))[0][gap], words[gap]


def objective(model: LangModel, words: torch.Tensor) -> tuple[torch.Tensor, int]:
    scores, wanted = score(model, words, torch.rand(words.shape, device=words.device) < 0.15)
    return cross_entropy(scores, wanted, reduction="sum"), len(wanted)


def main() -> None:
    config, run_dir = command_line(Config, "masked_words", __doc__)

    # Data: the last tenth of the text is held out.
    texts = split_text(config.data, config.validation)
    tokenizer = WordTokenizer.of(texts[0], config.min_count)
    tokens = [tokenizer.encode(text) for text in texts]
    learned, held_out = (TextWindows(part, window_length(part, config.window)) for part in tokens)
    batch_size, epochs = fit_length(len(learned), config.batch_size, config.epochs, usual=8)
    batches = Loader(learned, batch_size, shuffle=True, seed=config.seed)
    print(tokenizer)

    # Model.
    both = not config.one_way
    core = LSTM(config.embedding_dim, config.hidden_size * (2 - both), bidirectional=both, batch_first=True)
    model = LangModel(len(tokenizer), core, dropout=0.3)

    # Train. In the test every seventh word is a gap. Token 4, after the special tokens, is the most frequent word.
    def evaluate(model: LangModel) -> dict[str, float]:
        found = [score(model, words, torch.arange(words.size(1)) % 7 == 3) for words in Loader(held_out, 100)]
        scores, wanted = (torch.cat(part) for part in zip(*found))
        right, always = ((guess == wanted).float().mean().item() for guess in (scores.argmax(1), 4))
        return {"accuracy": right, "most frequent": always}

    total = epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    trainer = Trainer(
        *(model, optimizer, objective, batches),
        run_dir=run_dir,
        evaluate=evaluate,
        scheduler=LR_CosineDecayScheduler(optimizer, total // 20, total - total // 20),
        clip_norm=1.0,
        **({"steps": 3} if config.smoke else {"epochs": epochs}),
        config=config.settings(),
        seed=config.seed,
    )
    trainer.fit(resume=config.resume)

    # Save the best weights, and fill gaps.
    best = load_best(model, run_dir)
    command = save_and_fill(model, tokenizer, run_dir / "model", texts[1], config.window)
    got, least = (100 * best[name] for name in ("accuracy", "most frequent"))
    expected = "anything" if config.smoke else EXPECTED.get(config.data, f"more than {least:.1f}")
    print(f"""
gaps filled correctly   {got:.1f} %, with the most frequent word {least:.1f} % · expected {expected}
fill your own gap       {command}
picture                 {run_dir}/curves.png (training)
the model               src/groundup/models/recurrent_networks/language_model.py, its core bidirectional
forward only            python examples/recurrent/masked_words.py --one-way
resume after Ctrl-C     python examples/recurrent/masked_words.py --resume""")


if __name__ == "__main__":
    run(main)
