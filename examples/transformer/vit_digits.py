"""A Vision Transformer classifies digits, and shows what it attends to.

`python examples/transformer/vit_digits.py`; --data cifar10 trains on CIFAR-10, --data PATH on your own images.
"""

from dataclasses import dataclass
from functools import partial

from groundup.data import Compose, Normalize, RandomAffine, Resize, ToFloat, augmentation
from groundup.functional import cross_entropy
from groundup.models.visual_transformers import VisionTransformer
from groundup.optimizers import AdamW, LR_CosineDecayScheduler, decay_groups
from groundup.plots import attention_overlays
from groundup.tools.inspect import attention_rollout, capture_attention
from groundup.training import Trainer, classification, command_line, make_objective, run
from groundup.training.images import PhotoOptions, save_classifier

import torch

# data: (preset, epochs, size, random changes of the images, expected accuracy in %)
RECIPES = {
    "digits": ("digits", 24, 16, (RandomAffine(10.0, (0.9, 1.1), 1.0),), "97-100"),
    "cifar10": ("cifar10", 30, 32, augmentation("photo", 32), "50 after three epochs"),
    "mnist": ("cifar10", 30, 32, augmentation("writing", 32), "not measured"),
}


@dataclass
class Config(PhotoOptions):
    batch_size: int = 48
    size: int = 0  # of the images in pixels, a multiple of the patch size 4; 0: chosen by the data
    lr: float = 4e-3
    weight_decay: float = 0.05
    precision: str = "float32"  # or bfloat16


def main() -> None:
    config, run_dir = command_line(Config, "vit_digits", __doc__)
    others = ("cifar10", 30, 32, augmentation("photo", config.size or 32), "depends on the images")
    preset, epochs, size, changes, expected = RECIPES.get(config.data, others)
    size = config.size or size
    changes = augmentation(config.augment, size) if config.augment else changes

    # Data.
    train, test = config.load(size)
    fit, centred = Compose(ToFloat(), Resize(size)), Normalize(0.5, 0.25)
    moved = Compose(fit, *changes, centred)
    batches, held_out = config.loaders(train, test, moved, Compose(fit, centred), drop_last=False)

    # Model, and training.
    shape = {"num_classes": len(train.class_names), "in_channels": train.images.size(1), "image_size": size}
    model, epochs = VisionTransformer.preset(preset, **shape), config.epochs_for(train, epochs)
    steps = 5 if config.smoke else epochs * len(batches)
    optimizer = AdamW(decay_groups(model, config.weight_decay), lr=config.lr)
    trainer = Trainer(
        *(model, optimizer, make_objective(partial(cross_entropy, label_smoothing=0.1)), batches),
        run_dir=run_dir,
        evaluate=classification(held_out, cross_entropy),
        scheduler=LR_CosineDecayScheduler(optimizer, warmup_steps=steps // 10, decay_steps=steps - steps // 10),
        **({"steps": steps} if config.smoke else {"epochs": epochs}),
        clip_norm=1.0,
        precision=config.precision,
        config=config.settings(),
        seed=config.seed,
    )
    result = trainer.fit(resume=config.resume)

    # Look at what the class token attends to in each block (the mean of its heads), and at the rollout over all blocks.
    model.cpu().eval()
    shown = [int((test.labels == c).nonzero()[0]) for c in range(min(8, len(train.class_names)))]
    x = fit(test.images[shown])
    with capture_attention(model) as seen, torch.no_grad():
        guesses = model(centred(x)).argmax(1)
    layers = [weights for (weights,) in seen.values()]  # each N, heads, T, T
    maps = {f"block {i}": w.mean(1)[:, 0, 1:] for i, w in enumerate(layers, 1)}
    maps |= {"rollout": attention_rollout(layers)[:, 0, 1:]}
    names = [train.class_names[g] for g in guesses.tolist()]
    attention_overlays(
        x, {n: m.unflatten(1, model.tokens.grid) for n, m in maps.items()}, run_dir / "attention.png", names
    )
    command = save_classifier(model, run_dir, test, fit, centred)
    accuracy = 100 * result.final["accuracy"]
    print(f"""
test accuracy {accuracy:.2f} % · expected {"anything, after 5 steps" if config.smoke else expected}
pictures      {run_dir}/curves.png (training), {run_dir}/attention.png (what the class token attends to)
the model     src/groundup/models/visual_transformers/vit.py · Dosovitskiy et al. 2021, section 3.1
resume after Ctrl-C      python examples/transformer/vit_digits.py --resume
CIFAR-10, your images    python examples/transformer/vit_digits.py --data cifar10 | --data PATH
classify an image
    {command}""")


if __name__ == "__main__":
    run(main)
