"""A network that finds the digit by looking around: `python examples/attention/recurrent_attention_digits.py`.

A digit lies somewhere on a large page. A recurrent network takes a few small glimpses of it and learns, from nothing
but right and wrong, where to take the next. Beside it a fully connected network of equal size, which sees all at once.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from groundup.data import Compose, Loader, Pad, RandomShift, Resize, ToFloat, load
from groundup.functional import cross_entropy
from groundup.layers import Flatten, Linear, ReLU
from groundup.models.attention_networks import RecurrentAttention, hybrid_loss
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import glimpse_page
from groundup.training import RunOptions, Trainer, classification, command_line, run, supervised


@dataclass
class Config(RunOptions):
    data: str = "digits"  # or mnist, fashion_mnist
    digit: int = 12  # pixels of the digit, on a page of `page` pixels
    page: int = 28
    glimpses: int = 4
    epochs: int = 60
    batch_size: int = 32
    lr: float = 2e-3


def looking(model: RecurrentAttention, batch: Any) -> tuple[torch.Tensor, int]:
    return hybrid_loss(model.rollout(batch[0]), batch[1], reduction="sum"), len(batch[1])


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def main() -> None:
    config, run_dir = command_line(Config, "recurrent_attention_digits", __doc__)

    # Data: the digit at a new place of the page in every epoch; on the test pages once and for all.
    train, test = load(config.data, seed=config.seed)
    room = (config.page - config.digit) // 2
    transform = Compose(ToFloat(), Resize(config.digit), Pad(room), RandomShift(room))
    batches = Loader(train, config.batch_size, shuffle=True, seed=config.seed, transform=transform)
    held_out = Loader(test, 500, seed=config.seed, transform=transform)

    # Models: the fully connected one as wide as makes it the larger.
    classes, pixels = len(train.class_names), config.page**2
    sight = {"glimpse_size": 12, "num_scales": 2, "num_glimpses": config.glimpses}
    ram = RecurrentAttention(classes, **sight, glimpse_features=64, hidden_size=128)
    hidden = size(ram) // (pixels + classes + 1) + 1
    full = nn.Sequential(Flatten(), Linear(pixels, hidden), ReLU(), Linear(hidden, classes))

    observed = {}
    for name, model, objective in (("glimpses", ram, looking), ("whole", full, supervised(cross_entropy))):
        steps = 5 if config.smoke else config.epochs * len(batches)
        optimizer = Adam(model.parameters(), lr=config.lr)
        trainer = Trainer(
            *(model, optimizer, objective, batches),
            run_dir=run_dir / name,
            evaluate=classification(held_out, cross_entropy),
            scheduler=LR_CosineDecayScheduler(optimizer, warmup_steps=steps // 20, decay_steps=steps - steps // 20),
            steps=steps,
            evaluate_every=max(steps // 4, 1),
            clip_norm=5.0,
            config=config.settings(),
            seed=config.seed,
        )
        observed[name] = 100 * trainer.fit(resume=config.resume).final["accuracy"]

    # Look: where it looked, on the first pages of the test set.
    ram.cpu().eval()
    held_out.seek(0)
    x, labels = next(iter(held_out))
    with torch.no_grad():
        episode = ram.rollout(x[:12])
    guesses = episode.scores.argmax(1)
    wrong = (guesses != labels[:12]).tolist()
    captions = [f"{t} → {g}" if w else f"{t}" for t, g, w in zip(labels.tolist(), guesses.tolist(), wrong)]
    title = f"{config.glimpses} glimpses, the first in the middle"
    glimpse_page(x[:12], episode.locations, (12.0, 24.0), run_dir / "glimpses.png", captions, wrong, title=title)
    expected = "anything, after 5 steps" if config.smoke else EXPECTED
    print(f"""
test accuracy  {config.glimpses} glimpses {observed["glimpses"]:.2f} % ({size(ram):,} parameters)
               the whole page, fully connected {observed["whole"]:.2f} % ({size(full):,} parameters)
expected       {expected}
picture        {run_dir}/glimpses.png
the model      src/groundup/models/attention_networks/recurrent_attention.py · Mnih et al. 2014, section 3
MNIST          python examples/attention/recurrent_attention_digits.py --data mnist --digit 28 --page 60 --epochs 20""")


EXPECTED = "60-75 % and 75-83 %: in so few epochs the glimpses are behind"

if __name__ == "__main__":
    run(main)
