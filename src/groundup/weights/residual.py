"""Weight tables of residual networks: torchvision's ResNet, ResNeXt, wide ResNet and DenseNet, timm's gated ResNets.

Models: groundup.models.residual_networks. The files come with BSD-3 (torchvision) and Apache 2.0 (timm) licences.
"""

from __future__ import annotations

import torch
from torch import Tensor

from groundup.weights.registry import Preprocessing, Published, timm_row, torchvision_row
from groundup.weights.weight_map import Absent, Row, Table


def _matrix(t: Tensor) -> Tensor:
    """Return the weight (O, C, 1, 1) of a 1 × 1 convolution as that of a linear layer, (O, C)."""
    return t.flatten(1)


def _kernel(t: Tensor) -> Tensor:
    """Return the weight (O, C) of a linear layer as that of a 1 × 1 convolution."""
    return t[:, :, None, None]


_OLD = "files from before PyTorch 0.4.1 have no count of batches"
_UNCOUNTED = tuple(
    Absent(f"{norm}.num_batches_tracked", torch.zeros_like, _OLD)
    for norm in ("stem.bn", "layer{s}.{b}.bn{i}", "layer{s}.{b}.shortcut.bn")
)


def _gates(name: str) -> tuple[Row, ...]:
    """Return the rows of timm's gates, which are 1 × 1 convolutions."""
    theirs, ours = f"layer{{s}}.{{b}}.{name}.fc{{i}}", "layer{s}.{b}.gate.fc{i}"
    return Row(f"{theirs}.weight", f"{ours}.weight", _matrix, _kernel), Row(f"{theirs}.bias", f"{ours}.bias")


_BLOCKS: Table = (
    Row("layer{s}.{b}.conv{i}", "layer{s}.{b}.conv{i}"),
    Row("layer{s}.{b}.bn{i}", "layer{s}.{b}.bn{i}"),
    Row("layer{s}.{b}.downsample.0", "layer{s}.{b}.shortcut.conv"),
    Row("layer{s}.{b}.downsample.1", "layer{s}.{b}.shortcut.bn"),
)

#: torchvision's ResNet and timm's, gated or not.
RESNET: Table = (
    Row("conv1", "stem.conv"),
    Row("bn1", "stem.bn"),
    *_BLOCKS,
    *_gates("se"),
    Row("fc", "head"),
    *_UNCOUNTED,
)

#: timm's "legacy" SE-ResNet and SE-ResNeXt, converted from the authors' Caffe files.
LEGACY_SENET: Table = (
    Row("layer0.conv1", "stem.conv"),
    Row("layer0.bn1", "stem.bn"),
    *_BLOCKS,
    *_gates("se_module"),
    Row("last_linear", "head"),
    *_UNCOUNTED,
)

_LAYER = "features.denseblock{b}.denselayer{l}"
DENSENET: Table = (
    Row("features.conv0", "stem.conv"),
    Row("features.norm0", "stem.bn"),
    Row(f"{_LAYER}.norm{{i}}", "block{b}.layer{l}.bn{i}"),
    Row(f"{_LAYER}.conv{{i}}", "block{b}.layer{l}.conv{i}"),
    Row(f"{_LAYER}.norm.{{i}}", "block{b}.layer{l}.bn{i}", reading_only=True),  # the published files' names
    Row(f"{_LAYER}.conv.{{i}}", "block{b}.layer{l}.conv{i}", reading_only=True),
    Row("features.transition{t}.norm", "transition{t}.bn"),
    Row("features.transition{t}.conv", "transition{t}.conv"),
    Row("features.norm5", "norm.bn"),
    Row("classifier", "head"),
    *(
        Absent(f"{norm}.num_batches_tracked", torch.zeros_like, _OLD)
        for norm in ("stem.bn", "block{b}.layer{l}.bn{i}", "transition{t}.bn", "norm.bn")
    ),
)

# ---- published weights ---------------------------------------------------------------------------------------------

#: Class of a preset's weights, if the family has one for it.
_CLASSES = {
    "resnet34": "ResNet34",
    "resnet50": "ResNet50",
    "resnext50_32x4d": "ResNeXt50",
    "seresnet50": "SEResNet50",
    "legacy_seresnet50": "SEResNet50",
    "seresnext50_32x4d": "SEResNeXt50",
    "legacy_seresnext50_32x4d": "SEResNeXt50",
    "densenet121": "DenseNet121",
}


def _torchvision(preset: str, digits: str, version: int = 1, resize: int = 256) -> Published:
    """Return the row of torchvision's IMAGENET1K_V1 or, with ".v2" in its name, IMAGENET1K_V2."""
    family, table = ("DenseNet", DENSENET) if preset.startswith("dense") else ("ResNet", RESNET)
    name, model = preset + ("" if version == 1 else f".v{version}"), _CLASSES.get(preset, family)
    return torchvision_row(name, model, preset, table, f"{preset}-{digits}", preprocessing=Preprocessing(resize=resize))


def _timm(preset: str, tag: str, resize: int = 256, crop: int = 224) -> Published:
    """Return the row of timm's weights with a tag."""
    preprocessing = Preprocessing(crop=crop, resize=resize, interpolation="bicubic")
    return timm_row(f"{preset}.{tag}", _CLASSES[preset], preset, RESNET, preprocessing)


def _legacy(preset: str, folder: str, file: str, sha256: str) -> Published:
    """Return the row of timm's weights that are not on the hub."""
    address = f"https://github.com/rwightman/pytorch-image-models/releases/download/{folder}/{file}-{sha256}.pth"
    return Published(f"timm/{preset}.in1k", _CLASSES[preset], preset, LEGACY_SENET, address, sha256)


PUBLISHED: tuple[Published, ...] = (
    _torchvision("resnet18", "f37072fd"),
    _torchvision("resnet34", "b627a593"),
    _torchvision("resnet50", "0676ba61"),
    _torchvision("resnet50", "11ad3fa6", 2, 232),
    _torchvision("resnet101", "63fe2227"),
    _torchvision("resnet101", "cd907fc2", 2, 232),
    _torchvision("resnet152", "394f9c45"),
    _torchvision("resnet152", "f82ba261", 2, 232),
    _torchvision("resnext50_32x4d", "7cdf4587"),
    _torchvision("resnext50_32x4d", "1a0047aa", 2, 232),
    _torchvision("resnext101_32x8d", "8ba56ff5"),
    _torchvision("resnext101_32x8d", "110c445d", 2, 232),
    _torchvision("resnext101_64x4d", "173b62eb", 1, 232),
    _torchvision("wide_resnet50_2", "95faca4d"),
    _torchvision("wide_resnet50_2", "9ba9bcbe", 2, 232),
    _torchvision("wide_resnet101_2", "32ee1156"),
    _torchvision("wide_resnet101_2", "d733dc28", 2, 232),
    _torchvision("densenet121", "a639ec97"),
    _torchvision("densenet161", "8d451a50"),
    _torchvision("densenet169", "b2777c0a"),
    _torchvision("densenet201", "c1103571"),
    _timm("seresnet50", "ra2_in1k"),
    _timm("seresnet50", "a1_in1k", resize=235),
    _timm("seresnet50", "a2_in1k", resize=235),
    _timm("seresnet50", "a3_in1k", resize=168, crop=160),
    _timm("seresnext50_32x4d", "racm_in1k"),
    _timm("seresnext50_32x4d", "gluon_in1k"),
    _legacy("legacy_seresnet50", "v0.1-cadene", "se_resnet50", "ce0d4300"),
    _legacy("legacy_seresnext50_32x4d", "v0.1-weights", "legacy_se_resnext50_32x4d", "f3651bad"),
)
