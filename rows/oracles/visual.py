"""torchvision's, timm's and transformers' visual transformers, small."""

from functools import partial

from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer as TorchSwin
from torchvision.models.swin_transformer import SwinTransformerBlock as TorchSwinBlock
from torchvision.models.vision_transformer import ConvStemConfig
from torchvision.models.vision_transformer import VisionTransformer as TorchViT

from groundup.weights import Row, to_theirs
from groundup.weights.visual_transformers import _attention
from rows.oracles.residual import translate_names

__all__ = ["TimmViT", "TorchSwin", "TorchSwinBlock", "TorchViT"]

#: Of one block of torchvision's Swin.
SWIN_BLOCK = (
    Row("norm1", "self_attn_norm"),
    Row("norm2", "feed_forward_norm"),
    Row("mlp.0", "feed_forward.linear1"),
    Row("mlp.3", "feed_forward.linear2"),
    *_attention("attn", "self_attn.attention.attention", ("qkv.weight", "qkv.bias"), "attn.proj"),
    Row("attn.relative_position_bias_table", "self_attn.attention.position_bias.table"),
)


def vit(size=8, layers=2, stem=None, classes=3):
    """torchvision's, with patches of 4 × 4."""
    stem = stem and [ConvStemConfig(channels, 3, stride) for channels, stride in stem]
    return TorchViT(size, 4, layers, 2, 8, 16, num_classes=classes, conv_stem_configs=stem)


def averaging_vit(size=8):
    """timm's, without a class token."""
    return TimmViT(
        *(size, 4, 3, 3),
        embed_dim=8,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        global_pool="avg",
        class_token=False,
        fc_norm=False,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )


def without_indices(module):
    """torchvision keeps the index of the bias table as a buffer: here it is not part of the state."""
    for part in module.modules():
        if "relative_position_index" in part._buffers:
            part._non_persistent_buffers_set.add("relative_position_index")
    return module


def translate_swin_names(table, build, oracle):
    made = translate_names(table, build, lambda: without_indices(oracle()))
    return made | {"transfer": lambda s: {n: v for n, v in to_theirs(table, s).items() if v.is_floating_point()}}
