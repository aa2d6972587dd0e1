"""Blocks: what the deep convolutional networks are stacked of."""

from groundup.models.blocks.dense import DenseBlock, DenseLayer, DenseTransition
from groundup.models.blocks.inception import ConvReLU, Inception
from groundup.models.blocks.residual import ResBlock, ResBottleneckBlock, ResNeXtBlock

__all__ = [
    "ConvReLU",
    "Inception",
    "ResBlock",
    "ResBottleneckBlock",
    "ResNeXtBlock",
    "DenseLayer",
    "DenseBlock",
    "DenseTransition",
]
