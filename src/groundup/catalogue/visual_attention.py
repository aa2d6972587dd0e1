"""The catalogue's attention networks for images."""

from __future__ import annotations

from groundup.catalogue.component import Component

_MODULE = "groundup.models.attention_networks"
_JADERBERG = ("Jaderberg et al. 2015, Spatial Transformer Networks", "https://arxiv.org/abs/1506.02025")

ROWS = (
    Component(
        95,
        "RecurrentAttention",
        "attention",
        _MODULE,
        "looks at an image in glimpses and learns where to look",
        "Mnih et al. 2014, Recurrent Models of Visual Attention",
        "https://arxiv.org/abs/1406.6247",
        "a loop over pixels and steps, same draws; REINFORCE's mean",
        example="RecurrentAttention()(torch.randn(1, 1, 28, 28))",
    ),
    Component(
        96,
        "SpatialTransformer",
        "attention",
        _MODULE,
        "learns to crop, rotate and scale its input image",
        *_JADERBERG,
        "torch's affine_grid and grid_sample; a loop over control points",
        example="SpatialTransformer(Flatten(), 784)(torch.randn(1, 1, 28, 28))",
    ),
    Component(
        97,
        "SpatialTransformerNet",
        "attention",
        _MODULE,
        "a convolutional network behind a spatial transformer",
        *_JADERBERG,
        "the same network in torch.nn",
        example="SpatialTransformerNet()(torch.randn(1, 1, 28, 28))",
    ),
)
