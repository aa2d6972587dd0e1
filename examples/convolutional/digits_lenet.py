"""LeNet-5 classifies handwritten digits, as in 1998: `python examples/convolutional/digits_lenet.py`.

--data mnist trains on MNIST, --data PATH on your own folder (or zip) with one subfolder of images per class.
"""

from dataclasses import dataclass

from groundup.data import Compose, Pad, RandomShift, Rescale, Resize, ToFloat
from groundup.functional import cross_entropy, map_loss
from groundup.models.convolutional_networks import LeNet5
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import digit_page
from groundup.training import Trainer, classification, command_line, make_objective, predict, run
from groundup.training.images import ImageOptions, save_classifier

# data: (epochs, how images are brought to 32 x 32, expected test accuracy in %)
RECIPES = {
    "digits": (60, (Resize(24), Pad(4)), "98.5-100"),
    "mnist": (12, (Pad(2),), "97.5 or more with the 8,000 of the test file, about 99 with all 60,000"),
    "fashion_mnist": (12, (Pad(2),), "not measured yet"),
}
OTHERS = (30, (Resize(32),), "depends on the images")


@dataclass
class Config(ImageOptions):
    preset: str = "paper"  # paper, paper_linear or simplified
    lr: float = 4e-3


def main() -> None:
    config, run_dir = command_line(Config, "digits_lenet", __doc__)

    # Data: 32 x 32, ink is 1.175 and paper -0.1, as in the paper.
    epochs, fit, expected = RECIPES.get(config.data, OTHERS)
    train, test = config.load(size=32, channels=1)
    upright = Compose(ToFloat(), *fit, Rescale(-0.1, 1.175))
    shifted = Compose(ToFloat(), *fit, RandomShift(2), Rescale(-0.1, 1.175))
    batches, held_out = config.loaders(train, test, shifted, upright, drop_last=False)

    # Model: the paper's output layer compares with bitmaps of the ten digits; other classes get a linear layer.
    shape = {"num_classes": len(train.class_names), "in_channels": train.images.size(1)}
    head = {} if config.data in ("digits", "mnist") else {"output": "linear"}
    model = LeNet5.preset(config.preset, **shape, **head)
    loss = map_loss if hasattr(model.output, "codes") else cross_entropy

    # Train.
    epochs = config.epochs_for(train, epochs)
    total = epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    scheduler = LR_CosineDecayScheduler(optimizer, warmup_steps=total // 20, decay_steps=total - total // 20)
    trainer = Trainer(
        model,
        optimizer,
        make_objective(loss),
        batches,
        run_dir=run_dir,
        evaluate=classification(held_out, loss),
        scheduler=scheduler,
        **({"steps": 5} if config.smoke else {"epochs": epochs}),
        config=config.settings(),
        seed=config.seed,
    )
    result = trainer.fit(resume=config.resume)

    # Draw the test images with their predictions.
    scores, labels = predict(model, held_out)
    digit_page(test.images, labels, scores, run_dir / "digits.png", class_names=test.class_names)
    command = save_classifier(model, run_dir, test, upright)
    accuracy, expected = 100 * result.final["accuracy"], "anything, after 5 steps" if config.smoke else expected
    print(f"""
test accuracy {accuracy:.2f} % · expected {expected}
pictures      {run_dir}/curves.png (training), {run_dir}/digits.png (the test page, mistakes marked)
the model     src/groundup/models/convolutional_networks/lenet.py · LeCun et al. 1998, section II-B
layer by layer          groundup show LeNet5
resume after Ctrl-C     python examples/convolutional/digits_lenet.py --resume
your own images         docs/your-data.md
classify an image (this test image shows a {test.class_names[test.labels[0]]}):
    {command}""")


if __name__ == "__main__":
    run(main)
