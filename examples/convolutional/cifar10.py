"""A residual network learns to tell small pictures apart: `python examples/convolutional/cifar10.py`.

--data cifar10 trains on CIFAR-10, --data PATH on your own folder (or zip) with one subfolder of images for each class.
"""

from dataclasses import dataclass
from functools import partial

from groundup.data import NAMES, Compose, Loader, Normalize, RandomCrop, RandomHorizontalFlip, Resize, ToFloat, load
from groundup.functional import cross_entropy
from groundup.models.convolutional_networks import VGG, DeepPlainCNN, GoogLeNet, NetworkInNetwork, SimpleCNN
from groundup.models.residual_networks import DenseNet, ResNet
from groundup.optimizers import LR_CosineDecayScheduler, SGD_Momentum, decay_groups
from groundup.plots import digit_page
from groundup.training import RunOptions, Trainer, classification, command_line, load_best, predict, run, supervised

# At 32 x 32: a line adds a model. Each is called with num_classes and in_channels.
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
# data: (model, epochs, random changes of an image, what to expect); a digit must not be mirrored, a ship may be.
CROP, FLIP = RandomCrop(32, padding=4), RandomHorizontalFlip()
RECIPES = {
    "cifar10": ("resnet20", 30, (CROP, FLIP), "86.61 % of --model resnet10 --epochs 18"),
    "digits": ("resnet8", 12, (CROP,), "97.8 %"),
}


@dataclass
class Config(RunOptions):
    data: str = "digits"  # digits, mnist, fashion_mnist, cifar10, or the path of your own folder or zip of images
    model: str = ""  # a name of the table MODELS; empty: what the data wants
    epochs: int = 0  # 0: what the data wants
    batch_size: int = 128
    lr: float = 0.1
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    sizes: tuple[int, ...] = (32,)  # of the training images, each in an equal share of the epochs: 16 24 32
    begin: str = ""  # the folder of a run whose best weights to begin with


def main() -> None:
    config, run_dir = command_line(Config, "cifar10", __doc__)
    default_model, default_epochs, augmentation, expected = RECIPES.get(config.data, RECIPES["digits"])
    name, epochs = config.model or default_model, config.epochs or default_epochs
    if name not in MODELS or epochs < 1 or not 1 <= len(config.sizes) <= epochs:
        raise ValueError(f"--model {name}: one of {', '.join(MODELS)}; --epochs {epochs}: 1 or more; --sizes: no more")

    # Data: 32 x 32, centred. Smaller images first are cheap, and teach nearly as much (Tan and Le 2021, section 4).
    train, test = load(config.data, seed=config.seed, **({} if config.data in NAMES else {"size": 32}))
    print(train, test, sep="\n")
    centred = (ToFloat(), Normalize(0.5, 0.25))
    sizes = {epochs * i // len(config.sizes): size for i, size in enumerate(config.sizes)}  # by their first epoch
    moved = {epoch: Compose(Resize(32), *augmentation, Resize(size), *centred) for epoch, size in sizes.items()}
    batches = Loader(train, config.batch_size, shuffle=True, seed=config.seed, transform=moved, drop_last=True)
    held_out = Loader(test, 500, transform=Compose(Resize(32), *centred))

    # Model, and training: momentum, a warm-up of a tenth, then half a cosine.
    model = MODELS[name](num_classes=len(train.class_names), in_channels=train.images.size(1))
    if config.begin and not config.resume:
        load_best(model, config.begin)
    loss = supervised(partial(cross_entropy, label_smoothing=config.label_smoothing))
    optimizer = SGD_Momentum(decay_groups(model, config.weight_decay), lr=config.lr, nesterov=True)
    warmup = epochs * len(batches) // 10
    schedule = LR_CosineDecayScheduler(optimizer, warmup_steps=warmup, decay_steps=epochs * len(batches) - warmup)
    options = {"scheduler": schedule, "seed": config.seed, "config": config.settings()}
    options |= {"evaluate": classification(held_out, cross_entropy), "evaluate_every": -(-epochs // 5) * len(batches)}
    options |= {"steps": 2} if config.smoke else {"epochs": epochs}
    result = Trainer(model, optimizer, loss, batches, run_dir=run_dir, **options).fit(resume=config.resume)
    scores, labels = predict(model, held_out)
    digit_page(test.images, labels, scores.argmax(1), run_dir / "predictions.png", class_names=test.class_names)
    print(f"""
test accuracy {100 * result.final["accuracy"]:.2f} % · expected {"anything" if config.smoke else expected}
pictures      {run_dir}/curves.png (training), {run_dir}/predictions.png (the test images, mistakes marked)
the model     {name}: src/groundup/models · He et al. 2016, section 4.2; Huang et al. 2017; Lin et al. 2014
go on after Ctrl-C      python examples/convolutional/cifar10.py --resume
CIFAR-10, your images   python examples/convolutional/cifar10.py --data cifar10 | --data PATH [--model NAME]""")


if __name__ == "__main__":
    run(main)
