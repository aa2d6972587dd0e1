"""A Boltzmann machine samples digits and restores damaged ones: `python examples/energy_based/rbm_digits.py`.

--data mnist (or fashion_mnist) trains on images of 28 x 28 pixels instead of 8 x 8.
"""

from dataclasses import dataclass
from typing import Literal

from groundup.data import Loader, ToFloat, load
from groundup.models.energy_based_models import RestrictedBoltzmannMachine
from groundup.optimizers import SGD, LR_CosineDecayScheduler
from groundup.plots import boltzmann_page
from groundup.training import RunOptions, Trainer, command_line, run

import torch

# data: (epochs, hidden units, expected numbers)
RECIPES = {
    "digits": (60, 128, "-14.8 to -14.2, 83-86 %"),
    "mnist": (20, 256, "not measured yet"),
    "fashion_mnist": (20, 256, "not measured yet"),
}


@dataclass
class Config(RunOptions):
    data: Literal["digits", "mnist", "fashion_mnist"] = "digits"
    epochs: int = 0  # 0: chosen by the data
    batch_size: int = 20
    lr: float = 0.1
    chains: int = 100  # Gibbs chains that are kept from step to step (persistent contrastive divergence)


def binarize(images: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """Return (N, H W) of images (N, 1, H, W): 1 where a pixel is at least half dark."""
    return (ToFloat()(images) >= 0.5).float().flatten(1)


def objective(rbm: RestrictedBoltzmannMachine, batch: list[torch.Tensor]) -> tuple[torch.Tensor, int]:
    return len(batch[0]) * rbm.contrastive_divergence(batch[0], persistent=rbm.chains), len(batch[0])


def main() -> None:
    config, run_dir = command_line(Config, "rbm_digits", __doc__)

    # Data: pixels of 0 and 1.
    epochs, hidden, expected = RECIPES[config.data]
    train, test = load(config.data, seed=config.seed)
    print(train, test, sep="\n")
    batches = Loader(train, config.batch_size, shuffle=True, seed=config.seed, transform=binarize)
    seen, unseen = binarize(train.images[:400]), binarize(test.images[:400])

    # Model: the chains are a buffer of the model, so that they are saved with it.
    rbm = RestrictedBoltzmannMachine(seen.size(1), hidden)
    rbm.register_buffer("chains", rbm.sample(config.chains, steps=0))

    # Train: the learning rate falls to 0, so that the chains reach the distribution of the model.
    steps = 5 if config.smoke else (config.epochs or epochs) * len(batches)
    optimizer = SGD(rbm.parameters(), lr=config.lr)
    scheduler = LR_CosineDecayScheduler(optimizer, warmup_steps=0, decay_steps=steps)
    trainer = Trainer(
        *(rbm, optimizer, objective, batches),
        run_dir=run_dir,
        evaluate=lambda m: {"held out": m.pseudo_likelihood(unseen).mean(), "seen": m.pseudo_likelihood(seen).mean()},
        monitor="held out",
        scheduler=scheduler,
        steps=steps,
        config=config.settings(),
        seed=config.seed,
        device="cpu",  # too small to profit from a GPU
    )
    result = trainer.fit(resume=config.resume)

    # Sample from the chains, and restore the lower half of test images.
    rows, columns = train.images.shape[2:]
    known = (torch.arange(rows * columns) < rows // 2 * columns).expand_as(unseen)
    restored = rbm.reconstruct(torch.where(known, unseen, seen.mean(0)), known, steps=20)
    right = 100 * (restored.round() == unseen)[~known].double().mean().item()
    one_each = [int((test.labels == digit).nonzero()[0]) for digit in range(10)]
    strips = {"true": unseen, "damaged": torch.where(known, unseen, torch.nan), "restored": restored}
    strongest = rbm.weight.norm(dim=1).argsort(descending=True)[:64]
    samples = rbm.reconstruct(rbm.gibbs(rbm.chains[:64], steps=1000))
    boltzmann_page(
        *(v.unflatten(-1, (rows, columns)) for v in (rbm.weight[strongest], samples)),
        {name: strip[one_each].unflatten(-1, (rows, columns)) for name, strip in strips.items()},
        run_dir / "metrics.jsonl",
        run_dir / "rbm.png",
        f"{hidden} hidden units, trained on {len(train):,} images",
    )
    print(f"""
log pseudo-likelihood per image {result.final["held out"]:.2f}, missing pixels restored {right:.1f} %, held out
expected                         {"anything, after 5 steps" if config.smoke else expected}
pictures      {run_dir}/rbm.png, {run_dir}/curves.png
the model     src/groundup/models/energy_based_models/boltzmann.py · Smolensky 1986, Tieleman 2008
more          python examples/energy_based/rbm_digits.py --resume (after Ctrl-C) | --data mnist (larger images)""")


if __name__ == "__main__":
    run(main)
