"""Weight tables of the convolutional networks that torchvision publishes: AlexNet, VGG and GoogLeNet.

torchvision numbers all layers of `features` and `classifier`, activations and poolings included; here they have the
names of the papers.
"""

from __future__ import annotations

import torch

from groundup.weights.registry import Published, torchvision_row
from groundup.weights.weight_map import Absent, Drop, Row, Table

UNCOUNTED = "files from before 2018 have no count of batches"

ALEXNET: Table = (
    *(Row(f"features.{place}", f"conv{number}.conv") for number, place in enumerate((0, 3, 6, 8, 10), 1)),
    Row("classifier.1", "fc6"),
    Row("classifier.4", "fc7"),
    Row("classifier.6", "fc8"),
)


def vgg_table(depths: tuple[int, ...], batch_norm: bool) -> Table:
    """Return the weight map of a VGG: per stage, `depth` times convolution, optional norm and ReLU; then pooling."""
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


# Convolutions per stage, and the first digits of the file's SHA-256 without and with batch normalisation.
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

_UNIT = (("conv", "conv"), ("bn", "norm"))  # a convolution and its normalisation: their name, our name
_BRANCHES = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
GOOGLENET: Table = (
    *(Row(f"inception{{m}}.{b}.{theirs}", f"inception{{m}}.{b}.{ours}") for b in _BRANCHES for theirs, ours in _UNIT),
    *(Row(f"aux{{i}}.conv.{theirs}", f"aux{{i}}.conv.{ours}") for theirs, ours in _UNIT),
    Row("aux{i}.fc{j}", "aux{i}.fc{j}"),
    *(Row(f"conv{{i}}.{theirs}", f"conv{{i}}.{ours}") for theirs, ours in _UNIT),
    Row("fc", "fc"),
)
#: Weight map of the published file. torchvision itself leaves its auxiliary classifiers out, and transforms its inputs.
GOOGLENET_WEIGHTS: Table = (Drop("aux{i}", "the auxiliary classifiers of the file are not trained"), *GOOGLENET)


PUBLISHED: tuple[Published, ...] = (
    torchvision_row("alexnet", "AlexNet", "torchvision", ALEXNET, "alexnet-owt-7be5be79"),
    *(
        torchvision_row(
            name + suffix,
            "VGG16" if name == "vgg16" else "VGG",
            name + suffix,
            VGG[name + suffix],
            f"{name}{suffix}-{digits}",
        )
        for name, (_, *both) in _VGG.items()
        for suffix, digits in zip(("", "_bn"), both)
    ),
    torchvision_row(
        "googlenet", "GoogLeNet", "torchvision_weights", GOOGLENET_WEIGHTS, "googlenet-1378be20", alone=True
    ),
    Published("torchvision/googlenet.aux", "GoogLeNet", "torchvision", GOOGLENET, address=""),
)
