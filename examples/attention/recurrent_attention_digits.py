"""A recurrent network finds a digit by small glimpses: `python examples/attention/recurrent_attention_digits.py`.

A digit is somewhere on a large page. A recurrent network takes a few small glimpses and learns by reinforcement where
to take the next one. It is compared with a fully connected network of the same size that sees the whole page.
"""

from dataclasses import dataclass

from groundup.data import Compose, Pad, RandomShift, Resize, ToFloat
from groundup.functional import cross_entropy
from groundup.layers import Flatten, Linear, ReLU
from groundup.models.attention_networks import RecurrentAttention, hybrid_loss
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import glimpse_page
from groundup.training import Trainer, classification, command_line, make_objective, run
from groundup.training.images import ImageOptions, save_classifier

import torch
from torch import nn

EXPECTED = {"digits": "94-97 % and 90-94 %"}


@dataclass
class Config(ImageOptions):
    digit: int = 12  # pixels of the digit, on a page of `page` pixels
    page: int = 28
    glimpses: int = 4
    glimpse: int = 8  # pixels of the sharp square; two more squares of as many pixels are twice and four times as wide
    episodes: int = 4  # of each page: the reward of each is compared with the mean of the others
    epochs: tuple[int, int] = (120, 180)  # of the glimpses, and of the fully connected network, which is much faster
    lr: tuple[float, float] = (2e-3, 5e-3)


def main() -> None:
    config, run_dir = command_line(Config, "recurrent_attention_digits", __doc__)

    # Data: the digit is at a new place of the page in every epoch; the test pages do not change.
    train, test = config.load(config.digit, channels=1)
    room = (config.page - config.digit) // 2
    fit = Compose(ToFloat(), Resize(config.digit), Pad(room))
    batches, held_out = config.loaders(train, test, *[Compose(fit, RandomShift(room))] * 2, drop_last=False)

    # Models: the fully connected one is just wide enough to have more parameters.
    classes, pixels = len(train.class_names), config.page**2
    sight = {"glimpse_size": config.glimpse, "num_scales": 3, "num_glimpses": config.glimpses}
    ram = RecurrentAttention(classes, **sight, glimpse_features=64, hidden_size=128)
    hidden = sum(p.numel() for p in ram.parameters()) // (pixels + classes + 1) + 1
    full = nn.Sequential(Flatten(), Linear(pixels, hidden), ReLU(), Linear(hidden, classes))

    def looking(model, batch):
        x, labels = batch[0].repeat(config.episodes, 1, 1, 1), batch[1].repeat(config.episodes)
        how = {"reduction": "sum", "reward": "probable", "episodes": config.episodes}
        return hybrid_loss(model.rollout(x), labels, **how), len(labels)

    observed, commands, objectives = [], [], (looking, make_objective(cross_entropy))
    for name, model, objective, epochs, lr in zip(
        ("glimpses", "whole"), (ram, full), objectives, config.epochs, config.lr
    ):
        steps = 5 if config.smoke else epochs * len(batches)
        optimizer = Adam(model.parameters(), lr=lr)
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
        reached = trainer.fit(resume=config.resume).final["accuracy"]
        commands.append(save_classifier(model, run_dir / name, test, fit))
        observed.append(f"{100 * reached:.2f} % ({sum(p.numel() for p in model.parameters()):,} parameters)")

    # Look at the glimpses on the first test pages.
    held_out.seek(0)
    x, labels = (part[:12] for part in next(iter(held_out)))
    with torch.no_grad():
        episode = ram.cpu().eval().rollout(x)
    pairs = list(zip(labels.tolist(), episode.scores.argmax(1).tolist()))
    captions, wrong = [f"{t}" if t == g else f"{t} → {g}" for t, g in pairs], [t != g for t, g in pairs]
    squares, title = (config.glimpse, 2 * config.glimpse), f"{config.glimpses} glimpses, the first in the middle"
    glimpse_page(x, episode.locations, squares, run_dir / "glimpses.png", captions, wrong, title=title)
    print(f"""
test accuracy  {config.glimpses} glimpses {observed[0]}; the whole page, fully connected, {observed[1]}
expected       {"anything, after 5 steps" if config.smoke else EXPECTED.get(config.data, "not measured")}
picture        {run_dir}/glimpses.png
the model      src/groundup/models/attention_networks/recurrent_attention.py · Mnih et al. 2014, section 3
MNIST          --data mnist --digit 28 --page 60 --glimpse 12 --epochs 30 60
classify       {commands[0]}""")


if __name__ == "__main__":
    run(main)
