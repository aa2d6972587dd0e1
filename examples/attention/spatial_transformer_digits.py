"""A network straightens a digit before it classifies it: `python examples/attention/spatial_transformer_digits.py`.

Two networks learn digits that are rotated, scaled and shifted at random: a small convolutional network, and the same
network behind a spatial transformer. The transformer learns to centre and scale the digit from the class labels alone.
"""

from dataclasses import dataclass

from groundup.data import Compose, Pad, RandomAffine, Resize, ToFloat
from groundup.functional import cross_entropy
from groundup.models.attention_networks import SpatialTransformerNet
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import transform_page
from groundup.training import Trainer, classification, command_line, make_objective, predict, run
from groundup.training.images import ImageOptions, save_classifier

import torch


@dataclass
class Config(ImageOptions):
    mode: str = "affine"  # of the transformer: affine, attention or thin_plate
    size: int = 20  # of the images; a digit before it is distorted takes 12 / 20 of that
    degrees: float = 90.0
    batch_size: int = 64
    lr: float = 2e-3


def main() -> None:
    config, run_dir = command_line(Config, "spatial_transformer_digits", __doc__)

    # Data: the distortions are drawn again in every epoch; the test images do not change.
    digit = 3 * config.size // 5
    train, test = config.load(digit, channels=1)
    fit = Compose(ToFloat(), Resize(digit), Pad((config.size - digit) // 2))
    distort = RandomAffine(config.degrees, scale=(0.7, 1.2), shift=config.size / 8)
    distorted = Compose(fit, distort)
    batches, held_out = config.loaders(train, test, distorted, distorted, drop_last=False)
    epochs = config.epochs_for(train, 30)

    # Train both; the layers of the transformer have a quarter of the learning rate.
    observed, models = {}, {}
    for name, mode in (("plain", None), ("transformer", config.mode)):
        torch.manual_seed(config.seed)
        model = SpatialTransformerNet(len(train.class_names), train.images.size(1), config.size, mode)
        steps = 5 if config.smoke else epochs * len(batches)
        looking = list(model.transform.parameters())
        rest = [p for n, p in model.named_parameters() if not n.startswith("transform.")]
        groups = [{"params": rest}] + ([{"params": looking, "lr": config.lr / 4}] if looking else [])
        optimizer = Adam(groups, lr=config.lr)
        trainer = Trainer(
            *(model, optimizer, make_objective(cross_entropy), batches),
            run_dir=run_dir / name,
            evaluate=classification(held_out, cross_entropy),
            scheduler=LR_CosineDecayScheduler(optimizer, warmup_steps=steps // 20, decay_steps=steps - steps // 20),
            steps=steps,
            evaluate_every=steps,
            config=config.settings(),
            seed=config.seed,
        )
        observed[name] = 100 * trainer.fit(resume=config.resume).final["accuracy"]
        models[name], command = model, save_classifier(model, run_dir / name, test, fit)

    # Look at the first twelve test images before and after the transformer.
    model = models["transformer"].cpu().eval()
    held_out.seek(0)
    x, labels = next(iter(held_out))
    guesses = predict(model, held_out)[0].argmax(1)
    with torch.no_grad():
        grid, seen = model.transform.grid(x[:12]), model.transform(x[:12])
    captions = [f"{labels[i]}" if labels[i] == guesses[i] else f"{labels[i]} → {guesses[i]}" for i in range(12)]
    transform_page(x[:12], grid, seen, run_dir / "transformed.png", captions, "What the network looks at")
    expected = "anything, after 5 steps" if config.smoke else EXPECTED.get(config.data, "not measured")
    print(f"""
test accuracy, distorted digits   plain {observed["plain"]:.2f} %, with a transformer {observed["transformer"]:.2f} %
expected                          {expected}
pictures      {run_dir}/transformed.png; {run_dir}/transformer/curves.png
the model     src/groundup/models/attention_networks/spatial_transformer.py · Jaderberg et al. 2015, section 3
thin plates   python examples/attention/spatial_transformer_digits.py --mode thin_plate
classify an image
    {command}""")


EXPECTED = {"digits": "plain 68-76 %, with a transformer 89-95 %"}

if __name__ == "__main__":
    run(main)
