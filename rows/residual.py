"""Rows: residual and dense blocks, and the networks made of them, narrow."""

import torch
from timm.models.senet import SEResNetBottleneck, SEResNeXtBottleneck
from torch import nn
from torchvision.models.densenet import DenseNet as TorchDenseNet

from groundup.models.blocks.convolutional_blocks import (
    DenseBlock,
    DenseLayer,
    DenseTransition,
    ResBlock,
    ResBottleneckBlock,
    ResNeXtBlock,
)
from groundup.models.residual_networks import DenseNet121, ResNet34, ResNet50, ResNeXt50, SEResNet50, SEResNeXt50
from groundup.weights.residual import DENSENET, LEGACY_SENET, RESNET
from rows.benchmark import compare_image_networks, timm_model, torchvision_model
from rows.kit import Case, bad_inputs, image, label
from rows.oracles.residual import (
    DENSE,
    RESIDUAL,
    BasicBlock,
    Bottleneck,
    NarrowResNet,
    NarrowSENet,
    _DenseBlock,
    _DenseLayer,
    _Transition,
    caffe,
    move_stride,
    projection,
    translate_names,
)

PADDED, CEIL = nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, ceil_mode=True)


def case(component, name, build, inputs, oracle, table=RESIDUAL, **rest):
    return Case(component, name, build, inputs, **translate_names(table, build, oracle), network=True, **rest)


def network(component, name, build, oracle, table, **rest):
    """Images of an odd size, so that the two pools differ at every border.

    Gradients of early layers sum many terms that nearly cancel, each with the rounding of all layers behind it.
    """
    tolerance = {torch.float32: 2e-4}
    return case(component, name, build, image(3, 33, 30), oracle, table, gain=0.3, tolerance=tolerance, **rest)


#: The first case of each is compiled, exported and the like: one block, which halves. The others have identities too.
DEPTHS = ((0, 1, 0, 0), (1, 2, 1, 0))
THIN = {"num_classes": 3, "growth_rate": 4, "num_init_features": 6, "bn_size": 2}

CASES = [
    case(
        "ResBlock", "projected", lambda: ResBlock(4, 6, 2), image(4), lambda: BasicBlock(4, 6, 2, projection(4, 6, 2))
    ),
    case("ResBlock", "", lambda: ResBlock(4, 4), image(4), lambda: BasicBlock(4, 4)),
    case("ResBlock", "wider", lambda: ResBlock(4, 6), image(4), lambda: BasicBlock(4, 6, 1, projection(4, 6))),
    case(
        "ResBottleneckBlock",
        "projected",
        lambda: ResBottleneckBlock(4, 8, 2),
        image(4),
        lambda: Bottleneck(4, 2, 2, projection(4, 8, 2)),
    ),
    case("ResBottleneckBlock", "", lambda: ResBottleneckBlock(8, 8), image(8), lambda: Bottleneck(8, 2)),
    case(
        "ResBottleneckBlock",
        "paper",
        lambda: ResBottleneckBlock(4, 8, 2, variant="paper"),
        image(4),
        lambda: move_stride(Bottleneck(4, 2, 2, projection(4, 8, 2))),
    ),
    case(
        "ResBottleneckBlock",
        "wide",
        lambda: ResBottleneckBlock(4, 8, 2, width_per_group=128),
        image(4),
        lambda: Bottleneck(4, 2, 2, projection(4, 8, 2), base_width=128),
    ),
    case(
        "ResBottleneckBlock",
        "gated",
        lambda: ResBottleneckBlock(4, 8, 2, variant="paper", se_reduction=4),
        image(4),
        lambda: SEResNetBottleneck(4, 2, 1, 4, 2, projection(4, 8, 2)),
        gain=0.5,
    ),
    case(
        "ResNeXtBlock",
        "projected",
        lambda: ResNeXtBlock(4, 64, 2, groups=4),
        image(4),
        lambda: Bottleneck(4, 16, 2, projection(4, 64, 2), groups=4, base_width=4),
    ),
    case(
        "ResNeXtBlock",
        "paper",  # the stride stays where it is
        lambda: ResNeXtBlock(4, 64, 2, groups=4, width_per_group=8, variant="paper"),
        image(4),
        lambda: Bottleneck(4, 16, 2, projection(4, 64, 2), groups=4, base_width=8),
    ),
    case(
        "ResNeXtBlock",
        "gated",
        lambda: ResNeXtBlock(4, 64, 2, groups=4, se_reduction=8),
        image(4),
        lambda: SEResNeXtBottleneck(4, 16, 4, 8, 2, projection(4, 64, 2)),
        gain=0.5,
    ),
    case("DenseLayer", "", lambda: DenseLayer(5, 3, 2), image(5), lambda: _DenseLayer(5, 3, 2, 0.0), DENSE),
    case(
        "DenseLayer",
        "memory_efficient",
        lambda: DenseLayer(5, 3, 2, memory_efficient=True),
        image(5),
        lambda: _DenseLayer(5, 3, 2, 0.0),
        DENSE,
    ),
    case("DenseBlock", "", lambda: DenseBlock(5, 2, 4, 2), image(5), lambda: _DenseBlock(2, 5, 2, 4, 0.0), DENSE),
    case(
        "DenseBlock",
        "memory_efficient",
        lambda: DenseBlock(5, 3, 4, 2, memory_efficient=True),
        image(5),
        lambda: _DenseBlock(3, 5, 2, 4, 0.0),
        DENSE,
    ),
    case("DenseTransition", "", lambda: DenseTransition(6), image(6), lambda: _Transition(6, 3), DENSE),
    case("DenseTransition", "odd", lambda: DenseTransition(7, 0.6), image(7, 7, 5), lambda: _Transition(7, 4), DENSE),
    *[
        network(
            model.__name__,
            f"depths={depths},variant={variant}",
            lambda m=model, d=depths, v=variant: m(3, width=4, depths=d, variant=v),
            lambda t=block, d=depths, p=patch: p(NarrowResNet(t, d, 4, 3)),
            RESNET,
        )
        for model, block in ((ResNet34, BasicBlock), (ResNet50, Bottleneck))
        for depths in DEPTHS
        for variant, patch in (("shipped", lambda m: m), ("paper", caffe))
    ],
    *[
        network(
            "ResNeXt50",
            f"depths={depths}",
            lambda d=depths: ResNeXt50(3, width=16, groups=2, depths=d),
            lambda d=depths: NarrowResNet(Bottleneck, d, 16, 3, groups=2, base_width=4),
            RESNET,
        )
        for depths in DEPTHS
    ],
    *[
        network(
            "SEResNet50",
            f"depths={depths}",
            lambda d=depths: SEResNet50(3, width=4, variant="paper", se_reduction=4, depths=d),
            lambda d=depths: NarrowSENet(SEResNetBottleneck, d, 4, 3, 1, 4, CEIL),
            LEGACY_SENET,
        )
        for depths in DEPTHS
    ],
    *[
        network(
            "SEResNeXt50",
            f"depths={depths},variant={variant}",
            lambda d=depths, v=variant: SEResNeXt50(3, width=16, groups=2, variant=v, depths=d),
            lambda d=depths, p=pool: NarrowSENet(SEResNeXtBottleneck, d, 16, 3, 2, 16, p),
            LEGACY_SENET,
        )
        for depths in DEPTHS
        for variant, pool in (("shipped", PADDED), ("paper", CEIL))
    ],
    *[
        network(
            "DenseNet121",
            label(block_config=layers, **options),
            lambda c=layers, o=options: DenseNet121(block_config=(*c, *[0] * (4 - len(c))), **THIN, **o),
            lambda c=layers: TorchDenseNet(block_config=c, **THIN),
            DENSENET,
        )
        for layers, options in (((1, 1), {}), ((2, 1, 2), {}), ((2, 1), {"memory_efficient": True}))
    ],
]

REQUIRED = {
    **dict.fromkeys(("ResNet34", "ResNet50", "ResNeXt50", "SEResNet50", "SEResNeXt50", "DenseNet121"), ()),
    "ResBlock": (4, 6),
    "ResBottleneckBlock": (4, 8),
    "ResNeXtBlock": (4, 64),
    "DenseLayer": (4,),
    "DenseBlock": (4, 2),
    "DenseTransition": (4,),
}

pixels = torch.ones(2, 3, 40, 40)

BAD_INPUTS = bad_inputs(
    ResBlock=[
        (lambda: ResBlock(0, 4), "in_channels must be at least 1, got 0"),
        (lambda: ResBlock(4, 4, stride=0), "stride must be at least 1"),
        (lambda: ResBlock(4, 4)(pixels), "x must have 4 channels (axis 1)"),
        (lambda: ResBlock(3, 3)(pixels[0]), "x must have shape (N, C, H, W), got 3 axes"),
        (lambda: ResBlock(4, 6, se_reduction=4), "channels must be divisible by reduction=4, got 6"),
    ],
    ResBottleneckBlock=[
        (lambda: ResBottleneckBlock(4, 6), "out_channels must be divisible by 4, got 6"),
        (lambda: ResBottleneckBlock(4, 8, variant="caffe"), "variant must be one of 'shipped', 'paper', got 'caffe'"),
        (lambda: ResBottleneckBlock(4, 8)(pixels), "x must have 4 channels (axis 1)"),
        (lambda: ResBottleneckBlock(3, 8)(pixels.long()), "TypeError: x must be a floating-point tensor"),
    ],
    ResNeXtBlock=[
        (lambda: ResNeXtBlock(4, 32), "width_per_group=4 leaves no channel for a group"),
        (lambda: ResNeXtBlock(4, 64, groups=0), "groups must be at least 1, got 0"),
        (lambda: ResNeXtBlock(4, 64)(pixels), "x must have 4 channels (axis 1)"),
    ],
    DenseLayer=[
        (lambda: DenseLayer(4, dropout=1.5), "p must be a finite number in [0.0, 1.0], got 1.5"),
        (lambda: DenseLayer(4)(pixels), "x must have 4 channels (axis 1)"),
        (lambda: DenseLayer(4)(), "TypeError: features must be at least one tensor"),
    ],
    DenseBlock=[
        (lambda: DenseBlock(4, 0), "num_layers must be at least 1, got 0"),
        (lambda: DenseBlock(4, 2)(pixels), "x must have 4 channels (axis 1)"),
    ],
    DenseTransition=[
        (lambda: DenseTransition(4, 0.2), "compression=0.2 leaves none of in_channels=4"),
        (lambda: DenseTransition(4, 2.0), "compression must be a finite number in [0.0, 1.0]"),
        (lambda: DenseTransition(3)(pixels[..., :1]), "x's width 1 (+ 2 × 0 padding)"),
    ],
    ResNet34=[
        (lambda: ResNet34(depths=(1, 1)), "depths must be 4 ints, the blocks of each layer"),
        (lambda: ResNet34(depths=(0, 0, 0, 0)), "depths must have at least one block"),
        (lambda: ResNet34(groups=2), 'groups and width_per_group belong to block="bottleneck"'),
        (lambda: ResNet34(stem="mnist"), "stem must be one of 'imagenet', 'cifar', 'half'"),
        (lambda: ResNet34(width=4)(pixels[:, :1]), "x must have 3 channels (axis 1), got 1"),
    ],
    ResNet50=[
        (lambda: ResNet50.preset("resnet34"), "ResNet50 has no preset 'resnet34'; it has 'resnet50'"),
        (lambda: ResNet50(block="plain"), "block must be one of 'basic', 'bottleneck', got 'plain'"),
        (
            lambda: ResNet50(width=4, variant="paper")(pixels[..., :2]),
            "x must be at least 3 × 3 pixels for ResNet50, got 40 × 2: enlarge the images",
        ),
    ],
    ResNeXt50=[(lambda: ResNeXt50(width=8), "width_per_group=4 leaves no channel for a group")],
    SEResNet50=[
        (lambda: SEResNet50(variant="v1"), "variant must be one of 'shipped', 'paper'"),
        (lambda: SEResNet50(se_reduction=0), "se_reduction must be at least 1, got 0"),
    ],
    DenseNet121=[
        (lambda: DenseNet121(growth_rate=0), "growth_rate must be at least 1, got 0"),
        (lambda: DenseNet121(block_config=4), "TypeError: block_config must be 4 ints, the layers of each"),
        (lambda: DenseNet121(dropout=2.0), "dropout must be a finite number in"),
        (lambda: DenseNet121(block_config=(6, 12)), "block_config must be 4 ints, the layers of each block"),
        (
            lambda: DenseNet121(**THIN)(pixels[..., :28, :]),
            "x must be at least 29 × 29 pixels for DenseNet121, got 28 × 40",
        ),
        (
            lambda: DenseNet121(**THIN).forward_intermediates(pixels, "block5"),
            "names: DenseNet121 has no stage 'block5'; it has stem, block1, transition1",
        ),
    ],
    SEResNeXt50=[(lambda: SEResNeXt50(num_classes=0), "num_classes must be at least 1, got 0")],
)

BENCHMARKS = [
    *compare_image_networks("ResNet50", ResNet50, torchvision_model("resnet50"), "torchvision", folded=True),
    *compare_image_networks("DenseNet121", DenseNet121, torchvision_model("densenet121"), "torchvision", folded=True),
    *compare_image_networks("SEResNet50", SEResNet50, timm_model("seresnet50"), "timm", folded=True),
]
