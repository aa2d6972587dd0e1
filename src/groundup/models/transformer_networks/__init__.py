"""Transformer networks: one block, told apart by its parts."""

from groundup.models.transformer_networks.block import FeedForward, GatedFeedForward, TransformerBlock

__all__ = ["TransformerBlock", "FeedForward", "GatedFeedForward"]
