"""The catalogue's visual transformers."""

from __future__ import annotations

from groundup.catalogue.component import Component

_MODULE = "groundup.models.visual_transformers"
_DOSOVITSKIY = ("Dosovitskiy et al. 2021, An Image is Worth 16x16 Words", "https://arxiv.org/abs/2010.11929")
_XIAO = ("Xiao et al. 2021, Early Convolutions Help Transformers See Better", "https://arxiv.org/abs/2106.14881")
_LIU = ("Liu et al. 2021, Swin Transformer", "https://arxiv.org/abs/2103.14030")

ROWS = (
    Component(
        113,
        "VisionTransformer",
        "vision",
        _MODULE,
        "transformer over the patches of an image",
        *_DOSOVITSKIY,
        "torchvision's vit_b_16, timm's and transformers' ViT",
        figures=(("parameters", "86 × 10⁶ (table 1, ViT-Base)"),),
        example="VisionTransformer()(torch.randn(1, 3, 224, 224))",
    ),
    Component(
        114,
        "VisionTransformerConvStem",
        "vision",
        _MODULE,
        "vision transformer with a convolutional stem",
        *_XIAO,
        "torchvision's VisionTransformer with conv_stem_configs",
        example="VisionTransformerConvStem()(torch.randn(1, 3, 224, 224))",
    ),
    Component(
        115,
        "SwinTransformerBlock",
        "vision",
        _MODULE,
        "attention in windows, optionally shifted",
        *_LIU,
        "torchvision's SwinTransformerBlock; dense attention, masked",
        example="SwinTransformerBlock(96, 3)(torch.randn(1, 56, 56, 96))",
    ),
    Component(
        116,
        "SwinTransformer",
        "vision",
        _MODULE,
        "hierarchical vision transformer with shifted windows",
        *_LIU,
        "torchvision's swin_t, timm's and transformers' Swin",
        figures=(
            ("parameters", "29 × 10⁶ (table 1, Swin-T)"),
            ("multiply-adds", "4.5 × 10⁹ (table 1, Swin-T)"),
        ),
        example="SwinTransformer()(torch.randn(1, 3, 224, 224))",
    ),
)
