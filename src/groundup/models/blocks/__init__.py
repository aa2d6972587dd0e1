"""Blocks: what the deep convolutional networks are stacked of."""

from groundup.models.blocks.inception import ConvReLU, Inception

__all__ = ["ConvReLU", "Inception"]
