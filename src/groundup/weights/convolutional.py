"""Weight tables of the convolutional networks that torchvision publishes: AlexNet, VGG and GoogLeNet.

torchvision numbers the layers of its `features` and `classifier` as they follow each other, activations and poolings
included; here they have the names of the papers.
"""

from __future__ import annotations

import torch

from groundup.weights.registry import Published
from groundup.weights.weight_map import Absent, Drop, Row, Table

ADDRESS = "https://download.pytorch.org/models/{}.pth"
UNCOUNTED = "files from before 2018 do not count their batches"

ALEXNET: Table = (
    *(Row(f"features.{place}", f"conv{number}.conv") for number, place in enumerate((0, 3, 6, 8, 10), 1)),
    Row("classifier.1", "fc6"),
    Row("classifier.4", "fc7"),
    Row("classifier.6", "fc8"),
)


def vgg_table(depths: tuple[int, ...], batch_norm: bool) -> Table:
    """The table of a VGG whose stages have so many convolutions: convolution, perhaps norm, ReLU; then a pooling."""
    rows: list[Row | Drop | Absent] = []
    place = 0
    for stage, depth in enumerate(depths, 1):
        for number in range(depth):
            rows.append(Row(f"features.{place}", f"stage{stage}.{number}.conv"))
            if batch_norm:
                rows.append(Row(f"features.{place + 1}", f"stage{stage}.{number}.norm"))
            place += 2 + batch_norm
        place += 1
    rows += [Row("classifier.0", "fc6"), Row("classifier.3", "fc7"), Row("classifier.6", "fc8")]
    if batch_norm:
        rows.append(Absent("{stage}.{number}.norm.num_batches_tracked", torch.zeros_like, UNCOUNTED))
    return tuple(rows)


# Depths of the stages, and the first eight digits of the file's SHA-256 without and with batch normalisation.
_VGG = {
    "vgg11": ((1, 1, 2, 2, 2), "8a719046", "6002323d"),
    "vgg13": ((2, 2, 2, 2, 2), "19584684", "abd245e5"),
    "vgg16": ((2, 2, 3, 3, 3), "397923af", "6c64b313"),
    "vgg19": ((2, 2, 4, 4, 4), "dcbb9e9d", "c79401a0"),
}
VGG: dict[str, Table] = {
    name + suffix: vgg_table(depths, batch_norm=suffix == "_bn")
    for name, (depths, *_) in _VGG.items()
    for suffix in ("", "_bn")
}

_UNIT = (("conv", "conv"), ("bn", "norm"))  # a convolution and its normalisation, there and here
_BRANCHES = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
GOOGLENET: Table = (
    *(Row(f"inception{{m}}.{b}.{theirs}", f"inception{{m}}.{b}.{ours}") for b in _BRANCHES for theirs, ours in _UNIT),
    *(Row(f"aux{{i}}.conv.{theirs}", f"aux{{i}}.conv.{ours}") for theirs, ours in _UNIT),
    Row("aux{i}.fc{j}", "aux{i}.fc{j}"),
    *(Row(f"conv{{i}}.{theirs}", f"conv{{i}}.{ours}") for theirs, ours in _UNIT),
    Row("fc", "fc"),
)
#: Of the published file, whose auxiliary classifiers torchvision itself leaves out; its images are transformed, too.
GOOGLENET_WEIGHTS: Table = (Drop("aux{i}", "the auxiliary classifiers of the file are not trained"), *GOOGLENET)


def _published(file: str, model: str, preset: str, table: Table, alone: bool = False) -> Published:
    name, _, digits = file.rpartition("-")
    name = f"torchvision/{name.removesuffix('-owt')}"
    return Published(name, model, preset, table, ADDRESS.format(file), digits, alone=alone)


PUBLISHED: tuple[Published, ...] = (
    _published("alexnet-owt-7be5be79", "AlexNet", "torchvision", ALEXNET),
    *(
        _published(f"{name}{suffix}-{digits}", "VGG16" if name == "vgg16" else "VGG", name + suffix, VGG[name + suffix])
        for name, (_, *both) in _VGG.items()
        for suffix, digits in zip(("", "_bn"), both)
    ),
    _published("googlenet-1378be20", "GoogLeNet", "torchvision_weights", GOOGLENET_WEIGHTS, alone=True),
    Published("torchvision/googlenet.aux", "GoogLeNet", "torchvision", GOOGLENET, address=""),
)
