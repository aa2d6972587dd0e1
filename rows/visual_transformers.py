"""Rows: visual transformers, small, against torchvision's and timm's."""

import copy
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from groundup.functional import cross_entropy
from groundup.models.visual_transformers import (
    SwinTransformer,
    SwinTransformerBlock,
    VisionTransformer,
    VisionTransformerConvStem,
)
from groundup.optimizers import AdamW
from groundup.weights import to_ours
from groundup.weights.visual_transformers import (
    SWIN_TIMM,
    SWIN_TORCHVISION,
    VIT_CONV_TORCHVISION,
    VIT_TIMM,
    VIT_TORCHVISION,
)
from rows.benchmark import MINUTES, Benchmark, draw_images, timm_model, torchvision_model
from rows.kit import Case, bad_inputs, draw, image, label
from rows.oracles.residual import translate_names
from rows.oracles.visual import SWIN_BLOCK, TorchSwin, TorchSwinBlock, averaging_vit, translate_swin_names, vit
from rows.units import Apply, TrainImages

TINY = {"num_classes": 3, "image_size": 8, "patch_size": 4, "embed_dim": 8, "num_heads": 2, "mlp_dim": 16}
STEM = ((4, 2), (6, 1), (5, 2))
SWIN = {"patch_size": 2, "embed_dim": 4, "num_heads": (1, 2, 2, 4), "window_size": 2, "stochastic_depth": 0.0}
ROUNDING = {torch.float32: 2e-4, torch.bfloat16: 0.25}  # a norm of eight features divides by little


def case(component, name, build, inputs, oracle, table, speak=translate_names, **rest):
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
        "VisionTransformer", "another size", lambda: VisionTransformer(**TINY, num_layers=1), image(3, 12, 16), gain=0.5
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
            draw(*size, 8),
            lambda s=shift: TorchSwinBlock(8, 2, [3, 3], [s, s]),
            SWIN_BLOCK,
            translate_swin_names,
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
            translate_swin_names,
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


BAD_INPUTS = bad_inputs(
    VisionTransformer=[
        (lambda: VisionTransformer(0), "num_classes must be at least 1, got 0"),
        (lambda: VisionTransformer(image_size=225), "image_size must be a multiple of patch_size 16"),
        (lambda: VisionTransformer(embed_dim=100), "embed_dim must be divisible by num_heads=12, got 100"),
        (lambda: VisionTransformer(num_layers=0), "num_layers must be at least 1, got 0"),
        (lambda: VisionTransformer(pool="max"), "pool must be one of 'token', 'mean', got 'max'"),
        (lambda: VisionTransformer(dropout=2.0), "p must be a finite number in [0.0, 1.0], got 2.0"),
        (tiny(pixels[..., :15]), "x's width must be a multiple of the patch's 4, got 15"),
        (tiny(pixels[..., :3]), "x must be at least 4 × 4 pixels for VisionTransformer, got 16 × 3"),
        (tiny(pixels[:, :1]), "x must have 3 channels (axis 1), got 1"),
        (tiny(pixels[0]), "x must have shape (N, C, H, W), got 3 axes"),
        (tiny(pixels.long()), "TypeError: x must be a floating-point tensor, got torch.int64"),
    ],
    VisionTransformerConvStem=[
        (lambda: VisionTransformerConvStem(conv_stem=((8, 2), (8, 2))), "conv_stem's strides must make 16"),
        (lambda: VisionTransformerConvStem(conv_stem=((0, 16),)), "out_channels must be at least 1, got 0"),
    ],
    SwinTransformerBlock=[
        (lambda: SwinTransformerBlock(8, 3), "embed_dim must be divisible by num_heads=3, got 8"),
        (lambda: SwinTransformerBlock(8, 2, 4, 4), "shift_size must be below window_size 4, got 4"),
        (lambda: SwinTransformerBlock(8, 2, 0), "window_size must be at least 1, got 0"),
        (lambda: SwinTransformerBlock(8, 2, stochastic_depth=1.5), "p must be a finite number in [0.0"),
        (lambda: SwinTransformerBlock(8, 2)(torch.ones(2, 9, 8)), "x must have shape (N, H, W, E), got 3"),
        (lambda: SwinTransformerBlock(8, 2)(torch.ones(2, 8, 4, 4)), "x must have 8 features (embed_dim)"),
    ],
    SwinTransformer=[
        (lambda: SwinTransformer(depths=(2, 2)), "depths must be 4 ints, one per stage, got (2, 2)"),
        (lambda: SwinTransformer(depths=(2, 2, 0, 2)), "depths must be at least 1, got 0"),
        (lambda: SwinTransformer(num_heads=(3,)), "num_heads must be 4 ints, one per stage, got (3,)"),
        (lambda: SwinTransformer(stochastic_depth=-1), "stochastic_depth must be a finite number in [0.0"),
        (lambda: SwinTransformer(3, **SWIN)(pixels[:, :1]), "x must have 3 channels (axis 1), got 1"),
    ],
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------


def draw_weights(peer):
    """The peer's network with random weights, which ours takes over; a head of 0, ViT's initial one, hides the rest."""
    torch.manual_seed(0)
    model = peer()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.02) if parameter.dim() > 1 else nn.init.uniform_(parameter, -1.0, 1.0)
    return model


def take_weights(ours, peer, table):
    model = ours()
    model.load_state_dict(to_ours(table, draw_weights(peer).state_dict(), model.state_dict()))
    return model


class TrainShared(TrainImages):
    """A training step from given weights; its outcome is the loss of a copy in float64, on all pixels of one image."""

    def __init__(self, model, loss, optimizer):
        self.model, self.loss = model, loss
        self.x, self.target = draw_images(4)
        self.parameters = list(model.parameters())
        self.optimizer = optimizer(self.parameters, lr=1e-4)

    def outcome(self):
        twin = copy.deepcopy(self.model).double()
        x = self.x[:1].double().requires_grad_()
        loss = self.loss(twin(x), self.target[:1])
        return [loss.detach(), *torch.autograd.grad(loss, x)]


class Forward(Apply):
    """Inference, compared by the scores alone: timm keeps its masks as buffers."""

    def outcome(self):
        return list(self.run())


def compare_transformers(name, ours, peer, table, against):
    head = "vision", name, (4, 3, 224, 224)
    builds = partial(take_weights, ours, peer, table), partial(draw_weights, peer)
    step = [
        lambda b=build, l=loss, o=optimizer: TrainShared(b(), l, o)
        for build, loss, optimizer in zip(builds, (cross_entropy, F.cross_entropy), (AdamW, torch.optim.AdamW))
    ]
    infer = [
        lambda b=build: Forward(b().eval(), lambda: draw_images(4)[:1], backward=False, given=True) for build in builds
    ]
    return [
        Benchmark(*head, "training step, AdamW", f"{against} + optim.AdamW", *step, 1.0, 1e-8, not_compiled=MINUTES),
        Benchmark(*head, "forward, eval", against, *infer, 1.0, 1e-3, not_compiled=MINUTES),
    ]


def swin_of_torchvision():
    import torchvision

    model = torchvision.models.swin_t()
    for part in model.modules():
        if isinstance(part, torchvision.ops.StochasticDepth):
            part.p = 0.0
    return model


swin = partial(SwinTransformer, stochastic_depth=0.0)
swin_of_timm = timm_model("swin_tiny_patch4_window7_224", drop_path_rate=0.0)
BENCHMARKS = [
    *compare_transformers("ViT-B/16", VisionTransformer, torchvision_model("vit_b_16"), VIT_TORCHVISION, "torchvision"),
    *compare_transformers("ViT-B/16 (timm)", VisionTransformer, timm_model("vit_base_patch16_224"), VIT_TIMM, "timm"),
    *compare_transformers("Swin-T", swin, swin_of_torchvision, SWIN_TORCHVISION, "torchvision"),
    *compare_transformers("Swin-T (timm)", swin, swin_of_timm, SWIN_TIMM, "timm"),
]
