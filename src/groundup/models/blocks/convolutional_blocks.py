"""The convolutional blocks under one name, each from its own file."""

from groundup.models.blocks.inception import Inception

__all__ = ["Inception"]
