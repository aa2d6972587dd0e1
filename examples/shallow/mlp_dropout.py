"""Dropout and max-norm against overfitting: `python examples/shallow/mlp_dropout.py`.

A perceptron of two hidden layers fits half of the digits perfectly within a few epochs; the error on the other half
depends on the method.
"""

from dataclasses import dataclass

from groundup.data import ToFloat, digits
from groundup.functional import cross_entropy
from groundup.layers import Dropout, Flatten, Linear, ReLU
from groundup.optimizers import SGD_Momentum, max_norm_
from groundup.plots import error_comparison
from groundup.training import Trainer, classification, command_line, make_objective, run, seed_everything
from groundup.training.images import ImageOptions, save_classifier

from torch import nn

# name: (probability of dropping a hidden unit, bound on the norm of a unit's incoming weights)
METHODS = {"none": (0.0, None), "dropout": (0.5, None), "dropout + max-norm": (0.5, 2.0)}


@dataclass
class Config(ImageOptions):
    batch_size: int = 64
    size: int = 32  # to which your own images are resized
    width: int = 256  # units per hidden layer
    drop_input: float = 0.0  # probability of dropping a pixel; the paper's 0.2 is too much for images of 8 x 8
    lr: float = 0.05


def mlp(pixels: int, width: int, classes: int, drop_input: float, drop: float) -> nn.Module:
    return nn.Sequential(
        *(Flatten(), Dropout(drop_input)),
        *(Linear(pixels, width), ReLU(), Dropout(drop)),
        *(Linear(width, width), ReLU(), Dropout(drop)),
        Linear(width, classes),
    )


def main() -> None:
    config, run_dir = command_line(Config, "mlp_dropout", __doc__)
    train, test = digits(config.seed, 0.5) if config.data == "digits" else config.load(config.size)  # half held out
    batches, held_out = config.loaders(train, test, ToFloat(), ToFloat())

    errors, logs = {}, {}
    for name, (drop, bound) in METHODS.items():
        seed_everything(config.seed)  # the same initial weights for each
        model = mlp(train.images[0].numel(), config.width, len(train.class_names), config.drop_input, drop)
        optimizer = SGD_Momentum(model.parameters(), lr=config.lr, momentum=0.9)
        if bound is not None:  # after each step
            optimizer.register_step_post_hook(lambda *_, m=model, c=bound: max_norm_(m.parameters(), c))
        folder = run_dir / name.replace(" + ", "_")
        print(f"\n{name}")
        trainer = Trainer(
            model,
            optimizer,
            make_objective(cross_entropy),
            batches,
            run_dir=folder,
            evaluate=classification(held_out),
            **({"steps": 20} if config.smoke else {"epochs": config.epochs_for(train, 100)}),
            save_every=1000,
            config=config.settings() | {"method": name},
            seed=config.seed,
        )
        errors[name] = 100 * (1 - trainer.fit(resume=config.resume).final["accuracy"])
        logs[name] = folder / "metrics.jsonl"
        command = save_classifier(model, folder, test, ToFloat())

    error_comparison(logs, run_dir / "errors.png", title=f"Dropout on {config.data}")
    expected = "2.2-3.3, 1.4-2.8, 1.6-2.7" if config.data == "digits" and not config.smoke else "not measured"
    print(f"""
test error {", ".join(f"{name} {error:.2f} %" for name, error in errors.items())} · expected {expected}
picture       {run_dir}/errors.png
the methods   src/groundup/layers/dropout.py, src/groundup/optimizers/regularisation.py · Srivastava et al. 2014
MNIST                   python examples/shallow/mlp_dropout.py --data mnist --width 1024 --drop-input 0.2
classify an image
    {command}""")


if __name__ == "__main__":
    run(main)
