"""Attention networks: where to look is learned."""

from groundup.models.attention_networks.spatial_transformer import SpatialTransformer, SpatialTransformerNet

__all__ = ["SpatialTransformer", "SpatialTransformerNet"]
