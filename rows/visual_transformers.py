"""Rows: visual transformers, small, against torchvision's and timm's."""

import torch

from groundup.models.visual_transformers import (
    SwinTransformer,
    SwinTransformerBlock,
    VisionTransformer,
    VisionTransformerConvStem,
)
from groundup.weights.visual_transformers import SWIN_TORCHVISION, VIT_CONV_TORCHVISION, VIT_TIMM, VIT_TORCHVISION
from rows.kit import Case, image, label, shaped
from rows.oracles.residual import speaking
from rows.oracles.visual import SWIN_BLOCK, TorchSwin, TorchSwinBlock, averaging_vit, swin_speaking, vit

TINY = {"num_classes": 3, "image_size": 8, "patch_size": 4, "embed_dim": 8, "num_heads": 2, "mlp_dim": 16}
STEM = ((4, 2), (6, 1), (5, 2))
SWIN = {"patch_size": 2, "embed_dim": 4, "num_heads": (1, 2, 2, 4), "window_size": 2, "stochastic_depth": 0.0}
ROUNDING = {torch.float32: 2e-4, torch.bfloat16: 0.25}  # a norm of eight features divides by little


def case(component, name, build, inputs, oracle, table, speak=speaking, **rest):
    return Case(component, name, build, inputs, **speak(table, build, oracle), gain=0.5, tolerance=ROUNDING, **rest)


def torch_swin(depths):
    heads, window = SWIN["num_heads"], [2, 2]
    return TorchSwin([2, 2], 4, list(depths), list(heads), window, stochastic_depth_prob=0.0, num_classes=3)


CASES = [
    case(
        "VisionTransformer",
        "token",
        lambda: VisionTransformer(**TINY, num_layers=1),
        image(3, 8, 8),
        lambda: vit(layers=1),
        VIT_TORCHVISION,
    ),
    case(
        "VisionTransformer",
        "two layers",
        lambda: VisionTransformer(**TINY | {"image_size": 12}, num_layers=2),
        image(3, 12, 12),
        lambda: vit(12),
        VIT_TORCHVISION,
    ),
    case(
        "VisionTransformer",
        "mean",
        lambda: VisionTransformer(**TINY, num_layers=2, pool="mean"),
        image(3, 8, 8),
        averaging_vit,
        VIT_TIMM,
    ),
    Case(
        "VisionTransformer",
        "another size",
        lambda: VisionTransformer(**TINY, num_layers=1),
        image(3, 12, 16),
        gain=0.5,
    ),
    case(
        "VisionTransformerConvStem",
        "",
        lambda: VisionTransformerConvStem(**TINY, num_layers=1, conv_stem=STEM),
        image(3, 8, 8),
        lambda: vit(layers=1, stem=STEM),
        VIT_CONV_TORCHVISION,
        deep=True,
    ),
    *[
        case(
            "SwinTransformerBlock",
            label(shift=shift, size=size),
            lambda s=shift: SwinTransformerBlock(8, 2, 3, s),
            shaped(*size, 8),
            lambda s=shift: TorchSwinBlock(8, 2, [3, 3], [s, s]),
            SWIN_BLOCK,
            swin_speaking,
        )
        for shift, size in ((1, (6, 6)), (0, (6, 3)), (0, (7, 5)), (1, (7, 5)), (1, (3, 7)), (1, (2, 3)), (2, (6, 9)))
    ],
    *[
        case(
            "SwinTransformer",
            label(depths=depths, size=size),
            lambda d=depths: SwinTransformer(3, **SWIN, depths=d),
            image(3, *size),
            lambda d=depths: torch_swin(d),
            SWIN_TORCHVISION,
            swin_speaking,
            deep=True,
        )
        for depths, size in (((1, 2, 1, 1), (16, 16)), ((2, 2, 1, 2), (14, 18)))
    ],
]

REQUIRED = {
    **dict.fromkeys(("VisionTransformer", "VisionTransformerConvStem", "SwinTransformer"), ()),
    "SwinTransformerBlock": (8, 2),
}

V, C, B, S = "VisionTransformer", "VisionTransformerConvStem", "SwinTransformerBlock", "SwinTransformer"
pixels = torch.ones(2, 3, 16, 16)


def tiny(x, **changes):
    return lambda: VisionTransformer(**TINY, num_layers=1, **changes)(x)


BAD_INPUTS = [
    (V, lambda: VisionTransformer(0), ValueError, "num_classes must be at least 1, got 0"),
    (V, lambda: VisionTransformer(image_size=225), ValueError, "image_size must be a multiple of patch_size 16"),
    (V, lambda: VisionTransformer(embed_dim=100), ValueError, "embed_dim must be divisible by num_heads=12, got 100"),
    (V, lambda: VisionTransformer(num_layers=0), ValueError, "num_layers must be at least 1, got 0"),
    (V, lambda: VisionTransformer(pool="max"), ValueError, "pool must be one of 'token', 'mean', got 'max'"),
    (V, lambda: VisionTransformer(dropout=2.0), ValueError, "p must be a finite number in [0.0, 1.0], got 2.0"),
    (V, tiny(pixels[..., :15]), ValueError, "x's width must be a multiple of the patch's 4, got 15"),
    (V, tiny(pixels[..., :3]), ValueError, "x must be at least 4 × 4 pixels for VisionTransformer, got 16 × 3"),
    (V, tiny(pixels[:, :1]), ValueError, "x must have 3 channels (axis 1), got 1"),
    (V, tiny(pixels[0]), ValueError, "x must have shape (N, C, H, W), got 3 axes"),
    (V, tiny(pixels.long()), TypeError, "x must be a floating-point tensor, got torch.int64"),
    (C, lambda: VisionTransformerConvStem(conv_stem=((8, 2), (8, 2))), ValueError, "conv_stem's strides must make 16"),
    (C, lambda: VisionTransformerConvStem(conv_stem=((0, 16),)), ValueError, "out_channels must be at least 1, got 0"),
    (B, lambda: SwinTransformerBlock(8, 3), ValueError, "embed_dim must be divisible by num_heads=3, got 8"),
    (B, lambda: SwinTransformerBlock(8, 2, 4, 4), ValueError, "shift_size must be below window_size 4, got 4"),
    (B, lambda: SwinTransformerBlock(8, 2, 0), ValueError, "window_size must be at least 1, got 0"),
    (B, lambda: SwinTransformerBlock(8, 2, stochastic_depth=1.5), ValueError, "p must be a finite number in [0.0"),
    (B, lambda: SwinTransformerBlock(8, 2)(torch.ones(2, 9, 8)), ValueError, "x must have shape (N, H, W, E), got 3"),
    (B, lambda: SwinTransformerBlock(8, 2)(torch.ones(2, 8, 4, 4)), ValueError, "x must have 8 features (embed_dim)"),
    (S, lambda: SwinTransformer(depths=(2, 2)), ValueError, "depths must be 4 ints, one a stage, got (2, 2)"),
    (S, lambda: SwinTransformer(depths=(2, 2, 0, 2)), ValueError, "depths must be at least 1, got 0"),
    (S, lambda: SwinTransformer(num_heads=(3,)), ValueError, "num_heads must be 4 ints, one a stage, got (3,)"),
    (S, lambda: SwinTransformer(stochastic_depth=-1), ValueError, "stochastic_depth must be a finite number in [0.0"),
    (S, lambda: SwinTransformer(3, **SWIN)(pixels[:, :1]), ValueError, "x must have 3 channels (axis 1), got 1"),
]
