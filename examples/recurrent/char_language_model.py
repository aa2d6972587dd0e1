"""An LSTM learns to write, letter by letter: `python examples/recurrent/char_language_model.py`.

The text is Python's own language reference; --data shakespeare reads plays, --data PATH a text file of your own.
"""

from dataclasses import dataclass
from math import log

from groundup.data import CharacterTokenizer, Loader, TextWindows, load_text
from groundup.decoding import sample
from groundup.models.recurrent_networks import LSTM, LangModel
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.training import RunOptions, Trainer, command_line, load_best, next_token, perplexity, run

# data: (how the sample begins, nats a character to expect on the last tenth)
RECIPES = {
    "python": ("The lambda expression ", "1.97"),
    "shakespeare": ("ROMEO:\n", "1.52, with --hidden-size 512 --epochs 10"),
}


@dataclass
class Config(RunOptions):
    data: str = "python"  # python, shakespeare, or the path of your own text file
    begin: str = ""  # what the sample begins with; by default the data's own
    hidden_size: int = 256
    num_layers: int = 1
    dropout: float = 0.0
    window: int = 128  # characters that a gradient goes back through
    epochs: int = 4
    batch_size: int = 32
    lr: float = 4e-3
    temperature: float = 0.7
    top_p: float = 0.95
    length: int = 500  # characters to write


def main() -> None:
    config, run_dir = command_line(Config, "char_language_model", __doc__)

    # Data: nine tenths of the text to learn, the last to be tested on.
    begin, expected = RECIPES.get(config.data, ("", "what the text allows"))
    text = load_text(config.data)
    tokenizer = CharacterTokenizer.of(text)
    tokens = tokenizer.encode(text)
    learned, held_out = tokens.split([len(tokens) * 9 // 10, len(tokens) - len(tokens) * 9 // 10])
    batches = Loader(TextWindows(learned, config.window), config.batch_size, shuffle=True, seed=config.seed)
    test = Loader(TextWindows(held_out, 1000 if len(held_out) > 1000 else len(held_out) - 1), 20)
    print(f"{config.data}: {len(tokens):,} characters, {len(tokenizer)} different ones")

    # Model.
    core = LSTM(len(tokenizer), config.hidden_size, config.num_layers, batch_first=True, dropout=config.dropout)
    model = LangModel(len(tokenizer), core, one_hot=True, dropout=config.dropout if config.num_layers > 1 else 0.0)

    # Train.
    total = config.epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    scheduler = LR_CosineDecayScheduler(optimizer, warmup_steps=total // 20, decay_steps=total - total // 20)
    trainer = Trainer(
        model,
        optimizer,
        next_token,
        batches,
        run_dir=run_dir,
        evaluate=perplexity(test, next_token),
        scheduler=scheduler,
        clip_norm=1.0,
        **({"steps": 2} if config.smoke else {"epochs": config.epochs}),
        config=config.settings(),
        seed=config.seed,
        monitor="loss",
        mode="min",
    )
    trainer.fit(resume=config.resume)

    # Look: what it writes, each letter as soon as it is drawn.
    best = load_best(model.eval(), run_dir)["loss"]
    begin = config.begin or begin or text[:20]
    print(f"\n{begin}", end="")
    drawn = {"max_len": 10 if config.smoke else config.length, "temperature": config.temperature, "top_p": config.top_p}
    start, state = model.read(tokenizer.encode(begin)[None])
    sample(model.step, start, state, **drawn, on_token=lambda t: print(tokenizer.decode(t), end="", flush=True))
    print(f"""

nats a character        {best:.3f} ({best / log(2):.2f} bits) · expected {"anything" if config.smoke else expected}
picture                 {run_dir}/curves.png (training)
the model, the drawing  src/groundup/models/recurrent_networks/language_model.py, src/groundup/decoding/generation.py
plays, or your text     python examples/recurrent/char_language_model.py --data shakespeare | --data PATH
go on after Ctrl-C      python examples/recurrent/char_language_model.py --resume""")


if __name__ == "__main__":
    run(main)
