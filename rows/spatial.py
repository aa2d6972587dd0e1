"""Rows: sampling an image, spatial transformers, and the network that starts with one."""

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from groundup.models.attention_networks import SpatialTransformer, SpatialTransformerNet
from rows.kit import Case, bad_inputs, image, label, randn, simple
from rows.oracles.spatial import NetOracle, TransformerOracle, in_float32, sample

SMALL = {"num_classes": 3, "in_channels": 2, "image_size": 8, "width": 3, "hidden": 4}


def build_on(make, localization, features, **options):
    return lambda: make(localization(), features, **options)


CASES = [
    *[
        Case(
            "SpatialTransformer",
            label(**options),
            build_on(SpatialTransformer, L.Flatten, 2 * 5 * 6, **options),
            image(2, 5, 6),
            build_on(TransformerOracle, nn.Flatten, 2 * 5 * 6, **options),
            gain=0.1,
        )
        for options in (
            {"mode": "affine"},
            {"mode": "affine", "output_size": (7, 3)},
            {"mode": "attention"},
            {"mode": "attention", "output_size": (2, 4)},
            {"mode": "thin_plate", "points": 3},
            {"mode": "thin_plate", "points": 2, "output_size": (3, 4)},
        )
    ],
    *[
        Case(
            "SpatialTransformerNet",
            f"mode={mode}",
            lambda m=mode: SpatialTransformerNet(**SMALL, mode=m, points=4),
            image(2, 8, 8),
            lambda m=mode: NetOracle(3, 2, 8, m, 3, 4),
            gain=0.3,
            # Convolutions rounded to bfloat16 move a place over a pixel's centre, where the sampler's slope jumps.
            tolerance={torch.bfloat16: 1.0} if mode else {},
        )
        for mode in ("affine", "attention", None)
    ],
]

REQUIRED = {"SpatialTransformer": (nn.Sequential(), 5), "SpatialTransformerNet": ()}


def affine_oracle(align_corners):
    return in_float32(lambda theta, size, *_: F.affine_grid(theta, [len(theta), 1, *size], align_corners=align_corners))


def bicubic(x, size):
    return F.interpolate(x, size, mode="bicubic", align_corners=False)


def places(*shape):
    """From -1.5 to 1.5: inside and outside of the image."""
    return lambda dtype: 1.5 * torch.tanh(randn(*shape, seed=4)(dtype))


FUNCTION_CASES = [
    *[
        simple(G.affine_grid, affine_oracle(align), randn(3, 2, 3), size, align, label=f"{size},{align}")
        for size in ((4, 5), (1, 3), (6, 2))
        for align in (True, False)
        if not (align and 1 in size)  # PyTorch warns of it
    ],
    *[
        simple(G.grid_sample, sample, randn(2, 3, h, w), places(2, 4, 5, 2), align, label=f"{h}x{w},{align}")
        for h, w in ((6, 7), (1, 4), (2, 2))
        for align in (True, False)
    ],
    *[
        simple(G.resize_bicubic, in_float32(bicubic), randn(2, 3, 6, 7), size, label=str(size))
        for size in ((9, 4), (3, 12), (6, 7), (1, 1), (2, 20))
    ],
]

T, S = "SpatialTransformer", "SpatialTransformerNet"
x4 = torch.ones(2, 2, 8, 8)


def transformer(**options):
    return lambda: SpatialTransformer(nn.Flatten(), 2 * 64, **options)(x4)


BAD_INPUTS = bad_inputs(
    SpatialTransformer=[
        (lambda: SpatialTransformer(torch.relu, 3), "TypeError: localization must be an nn.Module, got builtin"),
        (lambda: SpatialTransformer(nn.Flatten(), 0), "features must be at least 1, got 0"),
        (transformer(mode="rigid"), "mode must be one of 'affine', 'attention', 'thin_plate', got 'rigid'"),
        (transformer(output_size=0), "output_size must be at least 1, got 0"),
        (transformer(mode="thin_plate", points=1), "points must be at least 2, got 1"),
        (lambda: SpatialTransformer(nn.Flatten(), 5)(x4[0]), "x must have shape (N, C, H, W), got 3 axes"),
        (lambda: SpatialTransformer(nn.Flatten(), 5)(x4.long()), "TypeError: x must be a floating-point tensor"),
        (lambda: G.affine_grid(torch.ones(2, 3), (4, 4)), "theta must have shape (N, 2, 3), got 2 axes"),
        (lambda: G.affine_grid(torch.ones(2, 3, 2), (4, 4)), "theta must have shape (N, 2, 3), got"),
        (lambda: G.affine_grid(torch.ones(2, 2, 3), (4, 0)), "size must be at least 1, got 0"),
        (lambda: G.grid_sample(x4, torch.ones(2, 3, 3, 3)), "grid must have shape (N, P, Q, 2), got (2, 3, 3, 3)"),
        (lambda: G.grid_sample(x4, torch.ones(3, 3, 3, 2)), "grid must have shape (N, P, Q, 2) with N = 2, as x has"),
        (lambda: G.grid_sample(x4[:, :, :0], torch.ones(2, 3, 3, 2)), "x must have at least one pixel"),
        (lambda: G.thin_plate_matrix(torch.ones(2, 2), (3, 3)), "control must hold at least 3 points"),
        (lambda: G.resize_bicubic(x4[0], (3, 3)), "x must have shape (N, C, H, W), got 3 axes"),
    ],
    SpatialTransformerNet=[
        (lambda: SpatialTransformerNet(image_size=30), "image_size must be a multiple of 4, got 30"),
        (lambda: SpatialTransformerNet(mode="rigid"), "mode must be one of 'affine', 'attention'"),
        (lambda: SpatialTransformerNet(**SMALL)(x4[..., :4]), "x must be at least 8 × 8 pixels"),
        (lambda: SpatialTransformerNet(**SMALL)(torch.ones(1, 2, 8, 12)), "x must be 8 pixels high and wide"),
        (lambda: SpatialTransformerNet(**SMALL)(x4[:, :1]), "x must have 2 channels (axis 1), got 1"),
    ],
)
