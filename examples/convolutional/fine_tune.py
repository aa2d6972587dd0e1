"""Fine-tuning: a trained network learns new classes from few images. `python examples/convolutional/fine_tune.py`.

A network trained on the digits 0 to 4 learns 5 to 9 from five images of each, in 18 steps, and is compared with a
network of random weights. With --data PATH, your own folder of images, --model names the start: the folder of a model
that you trained (runs/cifar10/model), or published weights (torchvision/resnet18). --frozen trains the last layer only.
"""

from dataclasses import dataclass, replace

from groundup import data
from groundup.data import Compose, ImagePreprocessing, Normalize, Resize, ToFloat, augmentation
from groundup.functional import cross_entropy
from groundup.models.residual_networks import ResNet
from groundup.optimizers import AdamW, LR_CosineDecayScheduler
from groundup.plots import digit_page
from groundup.tools.classify import load
from groundup.training import Trainer, classification, command_line, make_objective, predict, run
from groundup.training.images import ImageOptions, save_classifier, training_preprocessing

import torch

EXPECTED = "before 10-35 %, fine-tuned 60-80 %, from random weights 25-50 %"


@dataclass
class Config(ImageOptions):
    model: str = ""  # a folder or published weights to start from; empty: a small network, first trained on 0 to 4
    frozen: bool = False  # train the last layer only
    augment: str = ""  # photo (mirrored and shifted), writing (shifted) or none; empty: chosen by the data
    images: int = 5  # of each digit from 5 to 9
    batch_size: int = 16
    lr: float = 2e-3


def select_digits(which: range, images: int | None, seed: int):
    """Return (train, test) with these digits only, the first `images` of each to train on."""
    parts = []
    for part, count in zip(data.digits(seed), (images, None)):
        chosen = part.subset(torch.cat([(part.labels == digit).nonzero()[:count, 0] for digit in which]))
        parts.append(replace(chosen, labels=chosen.labels - which[0], class_names=tuple(map(str, which))))
    return parts


def train_model(config, model, train, test, seen, folder, epochs):
    """Train the model; return the test accuracy before and after, in %, and the scores of the test images."""
    kind = config.augment or ("photo" if config.own else "writing")
    batches, held_out = config.loaders(
        train, test, Compose(*augmentation(kind, seen.size), seen.transform()), seen.transform()
    )
    judge, steps = classification(held_out, cross_entropy), 3 if config.smoke else epochs * len(batches)
    before = judge(model)["accuracy"]
    optimizer = AdamW([p for p in model.parameters() if p.requires_grad], lr=config.lr)
    options = {"scheduler": LR_CosineDecayScheduler(optimizer, steps // 10, steps - steps // 10), "evaluate": judge}
    options |= {"steps": steps, "evaluate_every": steps, "config": config.settings(), "seed": config.seed}
    trainer = Trainer(model, optimizer, make_objective(cross_entropy), batches, run_dir=folder, **options)
    after = trainer.fit(resume=config.resume).final["accuracy"]
    return 100 * before, 100 * after, predict(model, held_out)[0]


def main() -> None:
    config, run_dir = command_line(Config, "fine_tune", __doc__)

    # The network to start from, and the images to learn.
    if config.model:
        model = load(config.model)
        seen = training_preprocessing(model)
        train, test = config.load(seen.size, seen.channels)
    elif config.own:
        raise ValueError("--data PATH needs a model to start from: --model FOLDER, or --model torchvision/resnet18")
    else:
        seen = ImagePreprocessing(ToFloat(), Resize(16), Normalize(0.5, 0.25), size=8, channels=1)
        model = ResNet(5, 1, block="basic", depths=(1, 1, 1, 0), width=16, stem="cifar")
        train_model(config, model, *select_digits(range(5), None, config.seed), seen, run_dir / "first", 12)
        train, test = select_digits(range(5, 10), config.images, config.seed)

    # The last layer is replaced for the new classes; the others keep their weights.
    model.reset_classifier(len(train.class_names))
    fresh = type(model)(**model.init_arguments)
    if config.frozen:
        model.requires_grad_(False).get_submodule(model.classifier).requires_grad_(True)
    epochs = config.epochs_for(train, 6)
    before, after, scores = train_model(config, model, train, test, seen, run_dir / "fine_tuned", epochs)
    _, alone, _ = train_model(config, fresh, train, test, seen, run_dir / "from_random", epochs)

    digit_page(test.images, test.labels, scores, run_dir / "predictions.png", test.class_names)
    expected = "anything" if config.smoke else EXPECTED if not config.model else "depends on the images"
    print(f"""
test accuracy  before {before:.2f} %, fine-tuned {after:.2f} %, from random weights {alone:.2f} %
expected       {expected}
picture        {run_dir}/predictions.png (the test images with the predictions of the fine-tuned network)
your images    python examples/convolutional/fine_tune.py --data PATH --model torchvision/resnet18 [--frozen]
classify       {save_classifier(model, run_dir, test, *seen.transforms)}""")


if __name__ == "__main__":
    run(main)
