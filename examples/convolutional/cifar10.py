"""A residual network classifies small images: `python examples/convolutional/cifar10.py`.

--data cifar10 trains on CIFAR-10, --data PATH on your own folder (or zip) with one subfolder of images per class.
"""

from dataclasses import dataclass
from functools import partial

from groundup.data import Compose, Normalize, Resize, ToFloat, augmentation
from groundup.functional import cross_entropy
from groundup.models.convolutional_networks import VGG, DeepPlainCNN, GoogLeNet, NetworkInNetwork, SimpleCNN
from groundup.models.residual_networks import DenseNet, ResNet
from groundup.optimizers import LR_CosineDecayScheduler, SGD_Momentum, decay_groups
from groundup.plots import digit_page
from groundup.training import Trainer, classification, command_line, load_best, make_objective, predict, run
from groundup.training.images import PhotoOptions, save_classifier

# For images of 32 x 32 and larger. Each model is called with num_classes and in_channels.
MODELS = {
    "simple": SimpleCNN,
    "nin": partial(NetworkInNetwork.preset, "cifar10", dropout=0.2),  # the paper's 0.5 is for hundreds of epochs
    "vgg11": partial(VGG.preset, "vgg11_bn", hidden=512),
    "googlenet": partial(GoogLeNet, aux_logits=False),
    "plain18": partial(DeepPlainCNN.preset, "plain18"),
    "resnet8": partial(ResNet, block="basic", depths=(1, 1, 1, 0), width=16, stem="cifar"),
    "resnet20": partial(ResNet.preset, "resnet20"),
    "resnet10": partial(ResNet, block="basic", depths=(1, 1, 1, 1), width=64, stem="half"),  # as wide as ResNet-18
    "resnet18": partial(ResNet.preset, "resnet18", stem="cifar"),
    "resnext11": partial(ResNet, block="bottleneck", depths=(1, 1, 1, 0), groups=8, width_per_group=8, stem="cifar"),
    "seresnet20": partial(ResNet.preset, "resnet20", se_reduction=4),
    "densenet22": partial(DenseNet, growth_rate=12, block_config=(3, 3, 3, 0), stem="cifar"),
}
# data: (model, epochs, random changes of the images, expected result). Digits must not be mirrored, photos may be.
RECIPES = {
    "cifar10": ("resnet20", 30, "photo", "86.61 % of --model resnet10 --epochs 18"),
    "digits": ("resnet8", 12, "writing", "97.8 %"),
    "mnist": ("resnet8", 12, "writing", "not measured"),
}
OTHERS = ("resnet8", 30, "photo", "depends on the images")


@dataclass
class Config(PhotoOptions):
    model: str = ""  # a name of the table MODELS; empty: chosen by the data
    batch_size: int = 128
    lr: float = 0.1
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    sizes: tuple[int, ...] = ()  # of the training images, each in an equal share of the epochs: 16 24 32; empty: size
    begin: str = ""  # the folder of a run whose best weights are the start


def main() -> None:
    config, run_dir = command_line(Config, "cifar10", __doc__)
    default_model, default_epochs, changes, expected = RECIPES.get(config.data, OTHERS)
    name, sizes = config.model or default_model, config.sizes or (config.size,)

    # Data: square, centred. Training on small images first saves time at little loss (Tan and Le 2021, section 4).
    train, test = config.load(config.size)
    epochs = config.epochs_for(train, default_epochs)
    if name not in MODELS or len(sizes) > epochs:
        raise ValueError(f"--model {name}: one of {', '.join(MODELS)}; --sizes: no more than --epochs, {epochs}")
    fit, centred = Resize(config.size), (ToFloat(), Normalize(0.5, 0.25))
    changed = augmentation(config.augment or changes, config.size)
    moved = {epochs * i // len(sizes): Compose(fit, *changed, Resize(s), *centred) for i, s in enumerate(sizes)}
    batches, held_out = config.loaders(train, test, moved, Compose(fit, *centred))

    # Model, and training: momentum, a warm-up of a tenth, then half a cosine.
    model = MODELS[name](num_classes=len(train.class_names), in_channels=train.images.size(1))
    if config.begin and not config.resume:
        load_best(model, config.begin)
    loss = make_objective(partial(cross_entropy, label_smoothing=config.label_smoothing))
    lr = config.lr * batches.batch_size / config.batch_size  # in proportion to the batch
    optimizer = SGD_Momentum(decay_groups(model, config.weight_decay), lr=lr, nesterov=True)
    warmup = epochs * len(batches) // 10
    schedule = LR_CosineDecayScheduler(optimizer, warmup_steps=warmup, decay_steps=epochs * len(batches) - warmup)
    options = {"scheduler": schedule, "seed": config.seed, "config": config.settings()}
    options |= {"evaluate": classification(held_out, cross_entropy), "evaluate_every": -(-epochs // 5) * len(batches)}
    options |= {"steps": 2} if config.smoke else {"epochs": epochs}
    result = Trainer(model, optimizer, loss, batches, run_dir=run_dir, **options).fit(resume=config.resume)
    scores, labels = predict(model, held_out)
    digit_page(test.images, labels, scores, run_dir / "predictions.png", class_names=test.class_names)
    print(f"""
test accuracy {100 * result.final["accuracy"]:.2f} % · expected {"anything" if config.smoke else expected}
pictures      {run_dir}/curves.png (training), {run_dir}/predictions.png (the test images, mistakes marked)
resume after Ctrl-C     python examples/convolutional/cifar10.py --resume
CIFAR-10, your images   python examples/convolutional/cifar10.py --data cifar10 | --data PATH [--model NAME]
classify an image       {save_classifier(model, run_dir, test, fit, *centred)}""")


if __name__ == "__main__":
    run(main)
