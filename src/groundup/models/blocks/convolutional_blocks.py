"""The seven convolutional blocks in one module; each is defined in its own file."""

from groundup.models.blocks.dense import DenseBlock, DenseLayer, DenseTransition
from groundup.models.blocks.inception import Inception
from groundup.models.blocks.residual import ResBlock, ResBottleneckBlock, ResNeXtBlock

__all__ = [
    "Inception",
    "ResBlock",
    "ResBottleneckBlock",
    "ResNeXtBlock",
    "DenseLayer",
    "DenseBlock",
    "DenseTransition",
]
