"""Matrix factorization restores hidden pixels of handwritten digits: `python examples/shallow/matrix_factorization.py`.

A table has one row per digit (1,797) and one column per pixel (64); 30 % of its entries are hidden, and predicted from
the others. --data PATH takes your own ratings: lines of user, item, rating, CSV or TSV, like the files of MovieLens.
"""

from dataclasses import dataclass

from groundup.autoencoders import MatrixFactorization
from groundup.data import Loader, Ratings, digits, read_ratings, write_ratings
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import agreement, completion_page, spectrum
from groundup.tools.labelling import label_command, ratings_encoder, save_labeller
from groundup.training import RunOptions, Trainer, command_line, run

import torch


@dataclass
class Config(RunOptions):
    data: str = "digits"  # or the path of your own file of ratings
    hide: float = 0.3  # the share of the table that is hidden
    rank: int = 16
    penalty: float = 0.1  # the paper's lambda
    epochs: int = 30
    batch_size: int = 4096
    lr: float = 0.05


def main() -> None:
    config, run_dir = command_line(Config, "matrix_factorization", __doc__)

    # Data: a rating is the ink of a pixel, 0 to 16.
    images = torch.cat([part.images for part in digits()]).squeeze(1) * (16 / 255)  # 1797, 8, 8
    ratings = Ratings.of_table(images.flatten(1)) if config.data == "digits" else read_ratings(config.data)
    known, hidden = ratings.split(config.hide, config.seed)
    print(f"known  {known}\nhidden {hidden}")
    batches = Loader(known, config.batch_size, shuffle=True, seed=config.seed)

    # Model.
    users, items, mean = len(ratings.user_names), len(ratings.item_names), known.ratings.mean().item()
    model = MatrixFactorization(users, items, config.rank, bias=True, mean=mean)
    low, high = known.ratings.aminmax()

    # Train on the known entries; measure on the hidden ones.
    def error(predicted: torch.Tensor) -> float:
        return (predicted.clamp(low, high) - hidden.ratings).square().mean().sqrt().item()

    def objective(model: MatrixFactorization, batch: tuple) -> tuple[torch.Tensor, int]:
        u, i, r = batch
        return ((r - model(u, i)) ** 2 + config.penalty * model.penalty(u, i)).sum(), len(r)

    optimizer = Adam(model.parameters(), lr=config.lr)
    total = config.epochs * len(batches)
    result = Trainer(
        model,
        optimizer,
        objective,
        batches,
        run_dir=run_dir,
        evaluate=lambda model: {"error": error(model.predict(hidden.users, hidden.items))},
        scheduler=LR_CosineDecayScheduler(optimizer, total // 20, total - total // 20),
        steps=5 if config.smoke else total,
        config=config.settings(),
        seed=config.seed,
        monitor="error",
        mode="min",
    ).fit(resume=config.resume)

    # Draw the completed digits.
    save_labeller(model, ratings_encoder(known), run_dir / "model")
    means = error(known.item_means()[hidden.items])
    table, expected = model.table().clamp(low, high), f"below {means:.3f}, the mean of each column"
    picture = run_dir / "completed.png"
    if config.data == "digits":
        expected = "2.84-2.90"
        mask = torch.zeros(users, items, dtype=torch.bool)
        mask[known.users, known.items] = True
        completed = torch.where(mask, images.flatten(1), table).view_as(images)
        title = f"{config.hide:.0%} of the pixels hidden, and completed from {config.rank} factors"
        completion_page(images[:12], mask.view_as(images)[:12], completed[:12], picture, title)
        spectrum(images.flatten(1), config.rank, run_dir / "spectrum.png", "Few factors describe the digits")
    else:
        agreement(hidden.ratings, table[hidden.users, hidden.items], picture, "Hidden ratings")
    expected = "anything, after 5 steps" if config.smoke else expected
    print(f"""
hidden part   root mean square error {result.final["error"]:.3f}, of {low:g} to {high:g} · expected {expected}
column means  {means:.3f}, for comparison
pictures      {picture}, {run_dir}/curves.png (training)
labels        {label_command(write_ratings(hidden, run_dir / "hidden.csv"), run_dir / "model")}
the model     src/groundup/autoencoders/matrix_factorization.py · Koren et al. 2009, equations 4 and 5
more          python examples/shallow/matrix_factorization.py --resume | --rank 8 | --data PATH""")


if __name__ == "__main__":
    run(main)
