"""Convolutional blocks: the parts that the networks of two families repeat."""

from groundup.models.blocks.dense import DenseBlock, DenseLayer, DenseTransition
from groundup.models.blocks.residual import ResBlock, ResBottleneckBlock, ResNeXtBlock

__all__ = [
    "ResBlock",
    "ResBottleneckBlock",
    "ResNeXtBlock",
    "DenseLayer",
    "DenseBlock",
    "DenseTransition",
]
