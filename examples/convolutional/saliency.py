"""Saliency maps: gradient, guided backpropagation, Grad-CAM: `python examples/convolutional/saliency.py`.

With published weights (--model NAME) it explains a photo: a flower of scikit-learn, or --photo PATH. Without them, a
small network learns digits, and its maps have to point at each of four digits on a page.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from groundup.data import Compose, Loader, Pad, RandomShift, Resize, ToFloat, load
from groundup.functional import cross_entropy
from groundup.models.residual_networks import ResNet
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import saliency_page
from groundup.tools import classify
from groundup.tools.saliency import grad_cam, gradient, guided_gradient
from groundup.training import RunOptions, Trainer, classification, command_line, make_objective, run
from groundup.training.images import save_classifier

import torch
from torch import Tensor

METHODS = {"gradient": gradient, "guided backpropagation": guided_gradient, "Grad-CAM": grad_cam}
# In %: the accuracy; and how often the largest sum of the map is in the quarter of the page with the digit in question.
EXPECTED = {"accuracy": "94-99", "gradient": "40-70", "guided backpropagation": "90-98", "Grad-CAM": "96-100"}


@dataclass
class Config(RunOptions):
    model: str = "resnet50"  # "digits" needs no weights
    photo: str = ""  # by default scikit-learn's flower.jpg
    epochs: int = 6  # on digits


def explain_digits(config: Config, run_dir: Path, picture: Path) -> str:
    """Train on digits of 12 x 12, anywhere on 24 x 24; then explain pages of four test digits."""
    train, test = load("digits", seed=config.seed)
    fit = Compose(ToFloat(), Resize(12), Pad(6))
    batches = Loader(train, 64, shuffle=True, seed=config.seed, transform=Compose(fit, RandomShift(6)))
    model = ResNet(10, 1, block="basic", depths=(1, 1, 1, 0), width=16, stem="cifar")  # a mean, then a linear layer
    steps = 5 if config.smoke else config.epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=4e-3)
    how = {"scheduler": LR_CosineDecayScheduler(optimizer, steps // 20, steps - steps // 20), "steps": steps}
    how |= {"evaluate": classification(Loader(test, 500, transform=fit), cross_entropy), "seed": config.seed}
    how |= {"config": config.settings(), "run_dir": run_dir}
    result = Trainer(model, optimizer, make_objective(cross_entropy), batches, **how).fit(resume=config.resume)
    command = save_classifier(model, run_dir, test, fit)
    observed, shown = {"accuracy": result.final["accuracy"]}, []
    four = torch.arange(len(test) // 4 * 4).view(-1, 4)
    four = four[(test.labels[four].sort().values.diff() > 0).all(1)]
    pages = fit(test.images)[four].unflatten(1, (2, 2)).permute(0, 3, 1, 4, 2, 5).reshape(-1, 1, 48, 48)
    labels = test.labels[four]
    for name, explain in METHODS.items():
        maps = [explain(model, pages, labels[:, k]) for k in range(4)]
        observed[name] = torch.stack([heaviest_quarter(m) == k for k, m in enumerate(maps)]).float().mean().item()
        shown.append(torch.stack([m[0] for m in maps]))
    for name, value in observed.items():
        print(f"{name:23} {100 * value:5.1f} % right · expected {'anything' if config.smoke else EXPECTED[name]}")
    saliency_page(pages[:1].expand(4, -1, -1, -1), *shown, picture, [f"where is\nthe {i}?" for i in labels[0].tolist()])
    return command


def heaviest_quarter(maps: Tensor) -> Tensor:
    return maps.abs().reshape(len(maps), 2, maps.size(-2) // 2, 2, -1).sum((2, 4)).flatten(1).argmax(1)


def main() -> None:
    config, run_dir = command_line(Config, "saliency", __doc__)
    picture = run_dir / "saliency.png"
    model = None if config.smoke or config.model == "digits" else classify.available(config.model)
    if model is None:
        command = explain_digits(config, run_dir, picture)
    else:
        path = config.photo or str(files("sklearn.datasets") / "images" / "flower.jpg")
        photo, command = classify.read(model, path), f"groundup classify {path} --model {config.model}"
        found = classify.likeliest(model, photo, 3)
        classify.draw(model, photo, found, picture)
        print(*(f"{100 * p:5.1f} %  {name}" for _, name, p in found), "expected: what is on the photo", sep="\n")
    print(f"""
picture          {picture}
the methods      src/groundup/tools/saliency.py · Simonyan 2014, section 3; Springenberg 2015, 3.4; Selvaraju 2017, 3
your own photo   python examples/convolutional/saliency.py --photo PATH, or groundup classify PATH --saliency FILE
classify         {command}""")


if __name__ == "__main__":
    run(main)
