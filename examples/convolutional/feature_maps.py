"""The feature maps of a small network, and what each layer knows: `python examples/convolutional/feature_maps.py`.

It draws every feature map for one digit. To measure what a layer knows, a linear classifier is trained on the mean of
each map: shallow layers spread the information over the image, deep layers collect it.
"""

from dataclasses import dataclass

from groundup.data import Compose, Loader, Pad, RandomShift, Resize, ToFloat, load
from groundup.functional import cross_entropy
from groundup.models.convolutional_networks import SimpleCNN
from groundup.models.shallow_models import MultinomialLogisticRegression
from groundup.optimizers import Adam, LR_CosineDecayScheduler
from groundup.plots import image_grid
from groundup.tools.inspect import capture
from groundup.training import RunOptions, Trainer, classification, command_line, make_objective, run
from groundup.training.images import save_classifier

import torch

LAYERS = ("conv1", "conv2", "fc1", "fc2")
EXPECTED = {"image": "10-20", "conv1": "40-60", "conv2": "85-95", "fc1": "97-100", "fc2": "97-100"}


@dataclass
class Config(RunOptions):
    digit: int = 3  # the one that is drawn
    epochs: int = 25
    lr: float = 3e-3


def gather(model, images):
    """Return {layer: its maps for every image}, the image itself first."""
    with torch.no_grad(), capture(model, *LAYERS) as seen:
        model(images)
    return {"image": images, **{name: seen[name][0].relu() for name in LAYERS}}


def probe(maps, labels, test_maps, test_labels):
    """Return the accuracy in % of a linear classifier on the mean of each map."""
    mean, test_mean = (m.flatten(2).mean(2) if m.dim() == 4 else m for m in (maps, test_maps))
    reader = MultinomialLogisticRegression(mean.size(1), 10).double()
    reader.fit(mean.double(), labels, C=100.0)
    return 100 * (reader.predict(test_mean.double()) == test_labels).double().mean().item()


def main() -> None:
    config, run_dir = command_line(Config, "feature_maps", __doc__)
    train, test = load("digits", seed=config.seed)
    fit = Compose(ToFloat(), Resize(24), Pad(4))
    batches = Loader(train, 32, shuffle=True, seed=config.seed, transform=Compose(fit, RandomShift(2)))
    model, steps = SimpleCNN(in_channels=1), 5 if config.smoke else config.epochs * len(batches)
    optimizer = Adam(model.parameters(), lr=config.lr)
    schedule = LR_CosineDecayScheduler(optimizer, steps // 20, steps - steps // 20)
    judge = classification(Loader(test, 500, transform=fit), cross_entropy)
    options = {"evaluate": judge, "scheduler": schedule, "steps": steps, "seed": config.seed}
    options |= {"config": config.settings(), "run_dir": run_dir}
    result = Trainer(model, optimizer, make_objective(cross_entropy), batches, **options).fit(resume=config.resume)

    command = save_classifier(model, run_dir, test, fit)

    # Train a linear classifier on the means of the maps of each layer.
    model.eval()
    seen, unseen = gather(model, fit(train.images)), gather(model, fit(test.images))
    print("\na linear classifier on the mean of each map:")
    for name, maps in seen.items():
        accuracy = probe(maps, train.labels, unseen[name], test.labels)
        expected = "anything" if config.smoke else EXPECTED[name]
        print(f"{name:7} {maps.size(1):3} numbers {accuracy:6.1f} % · expected {expected}")

    # The maps of one digit, enlarged, each scaled to its own range.
    first = int((test.labels == config.digit).nonzero()[0])
    pictures, captions = [], []
    for name in ("image", "conv1", "conv2"):
        maps = unseen[name][first]
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        pictures += [*Resize(60)(((maps - low) / (high - low).clamp(min=1e-9))[:, None]).squeeze(1)]
        captions += [
            f"{name}\nmap {i + 1}" if name != "image" else f"a {config.digit},\nunseen" for i in range(len(maps))
        ]
    image_grid(
        torch.stack(pictures), run_dir / "feature_maps.png", captions, columns=8, title="Feature maps of one digit"
    )
    print(f"""
test accuracy    {100 * result.final["accuracy"]:.2f} % · expected {"anything" if config.smoke else "98-100"}
picture          {run_dir}/feature_maps.png
the model        src/groundup/models/convolutional_networks/simple.py · LeCun et al. 1998, figure 2
capturing        src/groundup/tools/inspect.py · the measure: Alain and Bengio 2016, arXiv:1610.01644, linear probes
more             python examples/convolutional/feature_maps.py --digit 8 | receptive_field.py | saliency.py
classify         {command}""")


if __name__ == "__main__":
    run(main)
