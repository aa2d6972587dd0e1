"""Rows: the convolutional networks, narrow and on small images, and the Inception module."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from groundup.functional import auxiliary_cross_entropy
from groundup.layers import BatchNorm2d
from groundup.models import convolutional_networks as M
from groundup.models.blocks import ConvReLU, Inception
from groundup.models.convolutional_networks.nin import Perceptron
from rows.benchmark import compare_image_networks, torchvision_model
from rows.kit import Case, bad_inputs, draw
from rows.oracles.convolutional import (
    AlexNetOracle,
    GoogLeNetOracle,
    InceptionOracle,
    NINOracle,
    PlainOracle,
    SimpleCNNOracle,
    SimpleFullyCNNOracle,
    VGGOracle,
)


def net(component, label, arguments, size, oracle, channels=3, **rest):
    """A case of `component(**arguments)` on images of `channels` × `size`."""
    build = partial(getattr(M, component, None) or Inception, **arguments)
    return Case(component, label, build, draw(channels, *size), oracle, network=True, **rest)


ALEXNET = {"num_classes": 5, "channels": (4, 6, 8, 6, 4), "hidden": 7}
ALEXNETS = {
    "paper": {"groups": 2, "response_norm": True, "padding": 0, "drop_inputs": False},
    "single_tower": {"groups": 1, "response_norm": True, "padding": 0, "drop_inputs": False},
    "torchvision": {"groups": 1, "response_norm": False, "padding": 2, "drop_inputs": True},
}
NIN = (
    Perceptron((4, 5, 3), 5, padding=2, pool="max", drops=True),
    Perceptron((6, 4, 4), 3, stride=2, pool="average"),
    Perceptron((5, 6), 3, padding=1),
)


def nin_oracle(p):
    plan = (
        ((4, 5, 3), {"kernel_size": 5, "padding": 2}, [nn.MaxPool2d(3, 2, ceil_mode=True)], p),
        ((6, 4, 4), {"kernel_size": 3, "stride": 2}, [nn.AvgPool2d(3, 2, ceil_mode=True)], 0.0),
        ((5, 6), {"kernel_size": 3, "padding": 1}, [], 0.0),
    )
    return NINOracle(plan, 5)


VGG = {"num_classes": 5, "width": 2, "hidden": 7, "dropout": 0.0}
VGGS = {  # table 1's columns: the kernels of each stage
    "A": ((3,), (3,), (3, 3), (3, 3), (3, 3)),
    "B": ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)),
    "C": ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)),
    "D": ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    "E": ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3)),
}
GOOGLENET = {"num_classes": 5, "width": 8}
STILL = {"dropout": 0.0, "dropout_aux": 0.0}
MODULE = dict(
    zip(("in_channels", "ch1x1", "ch3x3red", "ch3x3", "ch5x5red", "ch5x5", "pool_proj"), (5, 4, 3, 6, 2, 3, 4))
)

CASES = [
    *[
        net("SimpleCNN", f"{c} classes", {"num_classes": c}, (32, 32), partial(SimpleCNNOracle, c, 3), gain=0.1)
        for c in (10, 7)
    ],
    *[
        net(
            "SimpleFullyCNN",
            f"{c} classes, {size[0]} × {size[1]}",
            {"num_classes": c},
            size,
            partial(SimpleFullyCNNOracle, c, 3),
            gain=0.1,
        )
        for c, size in ((10, (32, 32)), (7, (41, 36)))
    ],
    *[
        net(
            "AlexNet",
            f"{name},{size},p={p}",
            {**ALEXNET, **options, "dropout": p},
            (size, size + 4),
            partial(AlexNetOracle, **ALEXNET, **options, dropout=p),
            random=p > 0,
            gain=0.2,
        )
        for name, options in ALEXNETS.items()
        for size, p in ((67, 0.0), (75, 0.4))
    ],
    *[
        net(
            "NetworkInNetwork",
            f"p={p}",
            {"num_classes": 5, "perceptrons": NIN, "dropout": p},
            (21, 18),
            partial(nin_oracle, p),
            random=p > 0,
            modes=(True, False) if p == 0 else (False,),  # what is dropped of a map depends on its layout in memory
            gain=0.4,
        )
        for p in (0.4, 0.0)
    ],
    *[
        net(
            "VGG16",
            f"{column}{', batch norm' if eps else ''}",
            {**VGG, "configuration": column, "batch_norm": eps is not None},
            (64, 66) if eps else (32, 35),
            partial(VGGOracle, VGGS[column], 2, 7, 5, eps),
            gain=1.0 if eps else 0.3,
        )
        for column, eps in (("A", None), ("D", 1e-5), ("D", None), ("B", None), ("C", None), ("E", None))
    ],
    net(
        "VGG16",
        "A-LRN, p=0.4",
        {**VGG, "configuration": "A-LRN", "dropout": 0.4},
        (32, 35),
        partial(VGGOracle, VGGS["A"], 2, 7, 5, response_norm=True, dropout=0.4),
        random=True,
        gain=0.3,
    ),
    *[
        net(
            "GoogLeNet",
            f"{variant}{', dropout' if p else ''}",
            {**GOOGLENET, "variant": variant, "dropout": p, "dropout_aux": p},
            (83, 79) if variant == "paper" else (56, 52),
            partial(GoogLeNetOracle, variant, 8, 5, dropout=p, dropout_aux=p),
            random=p > 0,
            gain=0.1,
            deep=True,
        )
        for p in (0.4, 0.0)
        for variant in ("torchvision", "paper")
    ],
    net(
        "GoogLeNet",
        "torchvision, as its weights want it",
        {**GOOGLENET, **STILL, "variant": "torchvision", "aux_logits": False, "transform_input": True},
        (56, 52),
        partial(GoogLeNetOracle, "torchvision", 8, 5, aux=False, transform=True),
        modes=(False,),
        gain=0.1,
    ),
    *[
        net(
            "DeepPlainCNN",
            f"{variant},{depths}",
            {"num_classes": 5, "width": 2, "depths": depths, "variant": variant},
            (64, 40),
            partial(PlainOracle, depths, 2, 5, paper=variant == "paper"),
        )
        for variant, depths in (("shipped", (1, 1, 1, 1)), ("paper", (1, 2, 1, 2)))
    ],
    *[
        net(
            "Inception",
            f"{large}{', batch norm' if eps else ''}",
            {**MODULE, "large": large, "norm": partial(BatchNorm2d, eps=eps) if eps else None},
            (6, 7),
            partial(InceptionOracle, *MODULE.values(), large, eps),
            channels=5,
        )
        for large, eps in ((5, None), (3, None), (5, 1e-3), (3, 1e-3))
    ],
]

NAMES = ("SimpleCNN", "SimpleFullyCNN", "AlexNet", "NetworkInNetwork", "VGG16", "GoogLeNet", "DeepPlainCNN")
REQUIRED = dict.fromkeys((*NAMES, "Inception"), ())


def image(size, channels=3):
    return torch.ones(2, channels, size, size)


def build_small(component):
    arguments = {
        "AlexNet": ALEXNET,
        "NetworkInNetwork": {"perceptrons": NIN},
        "VGG16": VGG,
        "GoogLeNet": GOOGLENET,
        "DeepPlainCNN": {"width": 2},
    }
    return getattr(M, component)(**arguments.get(component, {}))


SMALLEST = {"SimpleCNN": 32, "SimpleFullyCNN": 32, "AlexNet": 67, "NetworkInNetwork": 10, "VGG16": 32, "GoogLeNet": 31}

BAD_INPUTS = bad_inputs(
    SimpleCNN=[
        (
            lambda: build_small("SimpleCNN")(image(36)),
            "x must be 32 × 32 pixels for SimpleCNN, got 36 × 36: "
            "resize the images, or slide the network over them with",
        )
    ],
    AlexNet=[
        (lambda: M.AlexNet(channels=(4, 4, 4)), "channels must be 5 ints, one per convolution, got (4, 4, 4)"),
        (lambda: M.AlexNet(channels=5), "TypeError: channels must be 5 ints, one per convolution, got 5 (int)"),
        (lambda: M.AlexNet(padding=40), "padding must be at most 5, got 40"),
        (lambda: M.AlexNet(padding="same"), "TypeError: padding must be an int, got 'same'"),
        (lambda: M.AlexNet(dropout=2.0), "dropout must be a finite number in [0.0, 1.0], got 2.0"),
        (lambda: M.AlexNet(initial="zeros"), "initial must be one of 'paper', 'layers'"),
        (lambda: M.AlexNet(groups=5, device="meta"), "must be divisible by groups=5"),
    ],
    VGG16=[
        (lambda: M.VGG16(dropout=-1.0), "dropout must be a finite number in [0.0, 1.0], got -1.0"),
        (lambda: M.VGG16(configuration="F"), "configuration must be one of 'A', 'A-LRN', "),
        (lambda: M.VGG16(width=0), "width must be at least 1, got 0"),
        (lambda: M.VGG16.preset("vgg11"), "VGG16 has no preset 'vgg11'; it has 'vgg16', 'vgg16_bn'"),
    ],
    GoogLeNet=[
        (lambda: M.GoogLeNet(dropout_aux=2.0), "dropout_aux must be a finite number in"),
        (lambda: M.GoogLeNet(variant="v3"), "variant must be one of 'paper', 'torchvision'"),
        (lambda: M.GoogLeNet(width=12), "width must be a multiple of 8, as table 1's are, got 12"),
        (lambda: M.GoogLeNet(in_channels=1, transform_input=True), "transform_input needs in_channels=3, got 1"),
        (
            lambda: build_small("GoogLeNet").train()(image(78)),
            "train on images of at least 79 × 79 pixels, or build with aux_logits=False",
        ),
    ],
    NetworkInNetwork=[
        (lambda: M.NetworkInNetwork(perceptrons=3), "TypeError: perceptrons must be a list of Perceptron"),
        (lambda: M.NetworkInNetwork(perceptrons=[((), 3)]), "channels of perceptron 1 must"),
        (lambda: M.NetworkInNetwork(perceptrons=()), "perceptrons must hold at least one"),
        (
            lambda: M.NetworkInNetwork(perceptrons=(Perceptron((4, 4), 3, pool="mean"),)),
            "pool must be one of 'max', 'average', '', got 'mean'",
        ),
    ],
    DeepPlainCNN=[
        (lambda: M.DeepPlainCNN(depths=(2, 2)), "depths must be 4 ints, one per layer, got (2, 2)"),
        (lambda: M.DeepPlainCNN(depths=3), "TypeError: depths must be 4 ints, one per layer, got 3 (int)"),
        (lambda: M.DeepPlainCNN(depths=(2, 2, 0, 1)), "depths must be at least 1, got 0"),
        (lambda: M.DeepPlainCNN(variant="v1"), "variant must be one of 'shipped', 'paper'"),
    ],
    Inception=[
        (lambda: Inception(ch3x3red=0), "ch3x3red must be at least 1, got 0"),
        (lambda: Inception(large=4), "large must be odd, so that the branch's map is as large"),
        (lambda: Inception()(torch.ones(1, 3, 8, 8)), "x must have 192 channels (axis 1)"),
        (lambda: ConvReLU(3, 0, 1), "out_channels must be at least 1, got 0"),
    ],
)
BAD_INPUTS += [
    *[
        (name, lambda n=name: build_small(n)(image(80, 1)), ValueError, "x must have 3 channels (axis 1), got 1")
        for name in NAMES
    ],
    *[
        (
            name,
            lambda n=name: build_small(n)(image(80).byte()),
            TypeError,
            "x must be a floating-point tensor, got torch.uint8",
        )
        for name in NAMES
    ],
    *[
        (name, lambda n=name: build_small(n)(image(80)[0]), ValueError, "x must have shape (N, C, H, W), got 3 axes")
        for name in NAMES
    ],
    *[
        (
            name,
            lambda n=name, s=size: build_small(n)(image(s - 1)),
            ValueError,
            f"x must be at least {size} × {size} pixels",
        )
        for name, size in SMALLEST.items()
    ],
    *[
        (name, lambda n=name: getattr(M, n)(num_classes=0, device="meta"), ValueError, "num_classes must be at least 1")
        for name in NAMES
    ],
    *[
        (name, lambda n=name: getattr(M, n)(in_channels=1.0, device="meta"), TypeError, "in_channels must be an int")
        for name in NAMES
    ],
    *[
        (name, lambda n=name: getattr(M, n).preset("modern"), ValueError, f"{name} has no preset 'modern'; it has '")
        for name in (*NAMES[:-1], "DeepPlainCNN")
    ],
]

# ---- benchmarks ----------------------------------------------------------------------------------------------------


def auxiliary_loss(outputs, target):
    """The cross-entropy, and 0.3 of that of each auxiliary classifier."""
    if isinstance(outputs, torch.Tensor):
        return F.cross_entropy(outputs, target)
    scores, *others = (F.cross_entropy(each, target) for each in outputs)
    return scores + 0.3 * sum(others)


PLAIN = {"init_weights": False, "dropout": 0.0}  # dropout's draws differ under `torch.compile`
BENCHMARKS = [
    row
    for name, ours, peer in (
        ("VGG16", lambda: M.VGG16(dropout=0.0), torchvision_model("vgg16", **PLAIN)),
        (
            "GoogLeNet torchvision",
            lambda: M.GoogLeNet.preset("torchvision", **STILL),
            torchvision_model("googlenet", **PLAIN, aux_logits=True, dropout_aux=0.0),
        ),
    )
    for row in compare_image_networks(name, ours, peer, "torchvision", (auxiliary_cross_entropy, auxiliary_loss))
]
