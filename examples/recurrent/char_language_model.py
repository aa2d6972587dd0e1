"""An LSTM language model of characters: `python examples/recurrent/char_language_model.py`.

The text is the Python language reference; --data shakespeare trains on plays, --data PATH on your own text file.
"""

from dataclasses import dataclass

from groundup.data import CharacterTokenizer, Loader, TextWindows, first_words, split_text, window_length
from groundup.models.recurrent_networks import LSTM, LangModel
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.tools.text import save_and_write
from groundup.training import (
    RunOptions,
    Trainer,
    command_line,
    count_pairs,
    fit_length,
    load_best,
    next_token,
    perplexity,
    run,
)

# data: (the prompt of the sample, expected nats per character of the last tenth)
RECIPES = {
    "python": ("The lambda expression", "1.97"),
    "shakespeare": ("ROMEO:", "1.52, with --hidden-size 512 --epochs 10"),
}


@dataclass
class Config(RunOptions):
    data: str = "python"  # python, shakespeare, or the path of your own text file
    validation: str = ""  # a text to validate on; by default the last tenth of the data
    prompt: str = ""  # the start of the sample
    hidden_size: int = 256
    num_layers: int = 1
    dropout: float = 0.0
    window: int = 128  # characters of truncated backpropagation
    epochs: int = 0  # 0: four, or as many as a short text needs
    batch_size: int = 32
    lr: float = 4e-3


def main() -> None:
    config, run_dir = command_line(Config, "char_language_model", __doc__)

    # Data: the last tenth of the text is held out.
    texts = split_text(config.data, config.validation)
    tokenizer = CharacterTokenizer.of("".join(texts))
    learned, held_out = map(tokenizer.encode, texts)
    windows = TextWindows(learned, window_length(learned, config.window))
    batch_size, epochs = fit_length(len(windows), config.batch_size, config.epochs, usual=4)
    batches = Loader(windows, batch_size, shuffle=True, seed=config.seed)
    test = Loader(TextWindows(held_out, window_length(held_out, 1000, "the held-out text")), 20)

    # Model.
    core = LSTM(len(tokenizer), config.hidden_size, config.num_layers, batch_first=True, dropout=config.dropout)
    model = LangModel(len(tokenizer), core, one_hot=True, dropout=config.dropout if config.num_layers > 1 else 0.0)

    # Train.
    total = epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    trainer = Trainer(
        *(model, optimizer, next_token, batches),
        run_dir=run_dir,
        evaluate=perplexity(test, next_token),
        scheduler=LR_CosineDecayScheduler(optimizer, total // 20, total - total // 20),
        clip_norm=1.0,
        **({"steps": 2} if config.smoke else {"epochs": epochs}),
        config=config.settings(),
        seed=config.seed,
        monitor="loss",
        mode="min",
    )
    trainer.fit(resume=config.resume)

    # Save the best weights, and write a sample.
    best = load_best(model, run_dir)["loss"]
    counted = f"about {count_pairs(learned, held_out):.2f} or less, the loss of a bigram model"
    prompt, expected = RECIPES.get(config.data, (first_words(texts[0]), counted))
    prompt, new = config.prompt or prompt, 10 if config.smoke else None
    command = save_and_write(model, tokenizer, run_dir / "model", prompt, config.seed, new)
    print(f"""
nats per character      {best:.3f} · expected {"anything" if config.smoke else expected}
picture                 {run_dir}/curves.png (training)
write                   {command}
the model               src/groundup/models/recurrent_networks/language_model.py
Shakespeare, your text  python examples/recurrent/char_language_model.py --data shakespeare | --data PATH
resume after Ctrl-C     python examples/recurrent/char_language_model.py --resume""")


if __name__ == "__main__":
    run(main)
