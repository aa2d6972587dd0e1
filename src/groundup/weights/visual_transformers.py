"""Weight tables of visual transformers: torchvision's, timm's and Hugging Face's ViT and Swin.

Models: groundup.models.visual_transformers. Hugging Face's tables have the names in its files, which its newer models
convert when they load them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from math import isqrt

from torch import Tensor

from groundup.functional import relative_index
from groundup.weights.registry import Preprocessing, Published, timm_row, torchvision_row
from groundup.weights.weight_map import SPLIT_IN_THREE, Derived, Drop, Row, Table

_PARTS = ("weight", "bias")


def _attention(theirs: str, ours: str, packed: tuple[str, str] | None, output: str) -> tuple[Row, ...]:
    """Return the rows of attention: with one tensor for query, key and value, called `packed`, or with three."""
    if packed is None:
        apart = tuple(Row(f"{theirs}.{name}", f"{ours}.{name[0]}_proj") for name in ("query", "key", "value"))
    else:
        apart = tuple(
            Row(f"{theirs}.{name}", tuple(f"{ours}.{n}_proj.{part}" for n in "qkv"), *SPLIT_IN_THREE)
            for name, part in zip(packed, _PARTS)
        )
    return (*apart, Row(output, f"{ours}.out_proj"))


def _block(theirs: str, ours: str, norms: tuple[str, str], linears: tuple[str, str]) -> tuple[Row, ...]:
    """Return the rows of a block except its attention."""
    norm1, norm2 = norms
    linear1, linear2 = linears
    return (
        Row(f"{theirs}.{norm1}", f"{ours}.self_attn_norm"),
        Row(f"{theirs}.{norm2}", f"{ours}.feed_forward_norm"),
        Row(f"{theirs}.{linear1}", f"{ours}.feed_forward.linear1"),
        Row(f"{theirs}.{linear2}", f"{ours}.feed_forward.linear2"),
    )


_PACKED = ("qkv.weight", "qkv.bias")
_DENSE = ("layernorm_before", "layernorm_after"), ("intermediate.dense", "output.dense")
_OLD = {"mlp.0": "mlp.linear_1", "mlp.3": "mlp.linear_2"}  # before torchvision 0.13, and in the published files

_LAYER = "encoder.layers.encoder_layer_{i}"
_AFTER_THE_STEM: Table = (
    Row("class_token", "tokens.class_token"),
    Row("encoder.pos_embedding", "tokens.positions"),
    *_block(_LAYER, "blocks.{i}", ("ln_1", "ln_2"), ("mlp.0", "mlp.3")),
    *(
        Row(f"{_LAYER}.{old}", f"blocks.{{i}}.feed_forward.linear{n}", reading_only=True)
        for n, old in enumerate(_OLD.values(), 1)
    ),
    *_attention(
        f"{_LAYER}.self_attention",
        "blocks.{i}.self_attn",
        ("in_proj_weight", "in_proj_bias"),
        f"{_LAYER}.self_attention.out_proj",
    ),
    Row("encoder.ln", "norm"),
    Row("heads.head", "head"),
)
VIT_TORCHVISION: Table = (Row("conv_proj", "tokens.stem.proj"), *_AFTER_THE_STEM)
VIT_CONV_TORCHVISION: Table = (
    Row("conv_proj.conv_bn_relu_{c}.0", "tokens.stem.conv{c}.conv"),
    Row("conv_proj.conv_bn_relu_{c}.1", "tokens.stem.conv{c}.norm"),
    Row("conv_proj.conv_last", "tokens.stem.proj"),
    *_AFTER_THE_STEM,
)
VIT_TIMM: Table = (
    Row("cls_token", "tokens.class_token"),
    Row("pos_embed", "tokens.positions"),
    Row("patch_embed.proj", "tokens.stem.proj"),
    *_block("blocks.{i}", "blocks.{i}", ("norm1", "norm2"), ("mlp.fc1", "mlp.fc2")),
    *_attention("blocks.{i}.attn", "blocks.{i}.self_attn", _PACKED, "blocks.{i}.attn.proj"),
    Row("norm", "norm"),
    Row("fc_norm", "norm", reading_only=True),  # of models whose head reads the mean of the tokens
    Row("head", "head"),
)
_LAYER = "vit.encoder.layer.{i}"
VIT_HUGGING_FACE: Table = (
    Row("vit.embeddings.cls_token", "tokens.class_token"),
    Row("vit.embeddings.position_embeddings", "tokens.positions"),
    Row("vit.embeddings.patch_embeddings.projection", "tokens.stem.proj"),
    *_attention(f"{_LAYER}.attention.attention", "blocks.{i}.self_attn", None, f"{_LAYER}.attention.output.dense"),
    *_block(_LAYER, "blocks.{i}", *_DENSE),
    Row("vit.layernorm", "norm"),
    Row("classifier", "head"),
    Drop("vit.pooler", "a head of the pre-training, which the classifier does not use"),
)


def _index(table: Tensor) -> Tensor:
    """Return the index of the bias of each pair of positions in a square window, which torchvision stores."""
    size = (isqrt(table.size(0)) + 1) // 2
    return relative_index(size, size, table.device).flatten()


_FOLLOWS = "the index of the bias of each pair of positions, which follows from the window's size"
_SWIN_ATTENTION = "blocks.{b}.self_attn.attention"


def _swin_stage(theirs: str, stage: str, linears: tuple[str, str]) -> tuple[Row, ...]:
    """Return the rows of the blocks of a stage, of torchvision or timm."""
    attention, own = f"{theirs}.{{b}}.attn", f"{stage}.{_SWIN_ATTENTION}"
    return (
        *_block(f"{theirs}.{{b}}", f"{stage}.blocks.{{b}}", ("norm1", "norm2"), linears),
        *_attention(attention, f"{own}.attention", _PACKED, f"{attention}.proj"),
        Row(f"{attention}.relative_position_bias_table", f"{own}.position_bias.table"),
    )


def _torchvision_stage(s: int) -> Table:
    """Return the rows of stage s = 1, 2, 3, 4 and of the merging after it."""
    theirs, stage = f"features.{2 * s - 1}", f"stage{s}"
    own = f"{stage}.{_SWIN_ATTENTION}.position_bias.table"
    return (
        Derived(f"{theirs}.{{b}}.attn.relative_position_index", own, _index, _FOLLOWS),
        *_swin_stage(theirs, stage, ("mlp.0", "mlp.3")),
        Row(f"features.{2 * s}", f"stage{s + 1}.merge"),
    )


def _timm_stage(s: int) -> Table:
    """Return the rows of stage s and of the merging before it."""
    theirs = f"layers.{s - 1}.blocks"
    return (
        Drop(f"{theirs}.{{b}}.attn.relative_position_index", _FOLLOWS),
        Drop(f"{theirs}.{{b}}.attn_mask", "the mask, which follows from the size of the map"),
        *_swin_stage(theirs, f"stage{s}", ("mlp.fc1", "mlp.fc2")),
        Row(f"layers.{s - 1}.downsample", f"stage{s}.merge"),
    )


def _hugging_face_stage(s: int) -> Table:
    """Return the rows of stage s and of the merging after it."""
    theirs, own = f"swin.encoder.layers.{s - 1}.blocks.{{b}}", f"stage{s}.{_SWIN_ATTENTION}"
    return (
        Drop(f"{theirs}.attention.self.relative_position_index", _FOLLOWS),
        Row(f"{theirs}.attention.self.relative_position_bias_table", f"{own}.position_bias.table"),
        *_attention(f"{theirs}.attention.self", f"{own}.attention", None, f"{theirs}.attention.output.dense"),
        *_block(theirs, f"stage{s}.blocks.{{b}}", *_DENSE),
        Row(f"swin.encoder.layers.{s - 1}.downsample", f"stage{s + 1}.merge"),
    )


SWIN_TORCHVISION: Table = (
    Row("features.0.0", "patches.embedding.proj"),
    Row("features.0.2", "patches.norm"),
    *chain.from_iterable(map(_torchvision_stage, (1, 2, 3, 4))),
    Row("norm", "norm"),
    Row("head", "head"),
)
SWIN_TIMM: Table = (
    Row("patch_embed.proj", "patches.embedding.proj"),
    Row("patch_embed.norm", "patches.norm"),
    *chain.from_iterable(map(_timm_stage, (1, 2, 3, 4))),
    Row("norm", "norm"),
    Row("head.fc", "head"),
)
SWIN_HUGGING_FACE: Table = (
    Row("swin.embeddings.patch_embeddings.projection", "patches.embedding.proj"),
    Row("swin.embeddings.norm", "patches.norm"),
    *chain.from_iterable(map(_hugging_face_stage, (1, 2, 3, 4))),
    Row("swin.layernorm", "norm"),
    Row("classifier", "head"),
)

# ---- published weights ---------------------------------------------------------------------------------------------

_HALF = (0.5, 0.5, 0.5)


def _torchvision(preset: str, digits: str, resize: int, interpolation: str = "bilinear") -> Published:
    vit = preset.startswith("vit")
    model, table = ("VisionTransformer", VIT_TORCHVISION) if vit else ("SwinTransformer", SWIN_TORCHVISION)
    preprocessing = Preprocessing(resize=resize, interpolation=interpolation)
    return torchvision_row(preset, model, preset, table, f"{preset}-{digits}", preprocessing=preprocessing)


def _timm(name: str, preset: str, size: int = 224) -> Published:
    vit = name.startswith("vit")
    model, table = ("VisionTransformer", VIT_TIMM) if vit else ("SwinTransformer", SWIN_TIMM)
    preprocessing = Preprocessing(crop=size, resize=int(size / (0.9 if size == 224 else 1.0)), interpolation="bicubic")
    return timm_row(name, model, preset, table, replace(preprocessing, mean=_HALF, std=_HALF) if vit else preprocessing)


PUBLISHED: tuple[Published, ...] = (
    _torchvision("vit_b_16", "c867db91", 256),
    _torchvision("vit_b_32", "d86f8d99", 256),
    _torchvision("vit_l_16", "852ce7e3", 242),
    _torchvision("vit_l_32", "c7638314", 256),
    _torchvision("swin_t", "704ceda3", 232, "bicubic"),
    _torchvision("swin_s", "5e29d889", 246, "bicubic"),
    _torchvision("swin_b", "68c6b09e", 238, "bicubic"),
    _timm("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "vit_ti_16"),
    _timm("vit_small_patch16_224.augreg_in1k", "vit_s_16"),
    _timm("vit_small_patch16_224.augreg_in21k_ft_in1k", "vit_s_16"),
    _timm("vit_small_patch32_224.augreg_in21k_ft_in1k", "vit_s_32"),
    _timm("vit_base_patch16_224.augreg2_in21k_ft_in1k", "vit_b_16"),
    _timm("vit_base_patch16_224.augreg_in1k", "vit_b_16"),
    _timm("vit_base_patch16_224.augreg_in21k_ft_in1k", "vit_b_16"),
    _timm("vit_base_patch16_224.orig_in21k_ft_in1k", "vit_b_16"),
    _timm("vit_base_patch32_224.augreg_in1k", "vit_b_32"),
    _timm("vit_base_patch32_224.augreg_in21k_ft_in1k", "vit_b_32"),
    _timm("vit_large_patch16_224.augreg_in21k_ft_in1k", "vit_l_16"),
    _timm("vit_base_patch16_384.augreg_in21k_ft_in1k", "vit_b_16_384", 384),
    _timm("swin_tiny_patch4_window7_224.ms_in1k", "swin_t"),
    _timm("swin_small_patch4_window7_224.ms_in1k", "swin_s"),
    _timm("swin_base_patch4_window7_224.ms_in1k", "swin_b"),
    Published(
        "google/vit-base-patch16-224",
        "VisionTransformer",
        "vit_b_16.hf",
        VIT_HUGGING_FACE,
        "hf://google/vit-base-patch16-224/model.safetensors",
        preprocessing=Preprocessing(resize=224, mean=_HALF, std=_HALF),
    ),
    Published(
        "microsoft/swin-tiny-patch4-window7-224",
        "SwinTransformer",
        "swin_t",
        SWIN_HUGGING_FACE,
        "hf://microsoft/swin-tiny-patch4-window7-224/model.safetensors",
        preprocessing=Preprocessing(resize=224, interpolation="bicubic"),
    ),
)
