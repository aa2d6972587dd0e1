"""Blocks of the deep convolutional networks: Inception, residual and dense."""

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
