"""Attention networks: those that look again, at a source sentence."""

from groundup.models.attention_networks.bahdanau import AttentionDecoder, AttentionEncoder, BahdanauAttention

__all__ = ["AttentionEncoder", "AttentionDecoder", "BahdanauAttention"]
"""Attention networks: where to look is learned."""

from groundup.models.attention_networks.recurrent_attention import Episode, RecurrentAttention, hybrid_loss
from groundup.models.attention_networks.spatial_transformer import SpatialTransformer, SpatialTransformerNet

__all__ = ["Episode", "RecurrentAttention", "SpatialTransformer", "SpatialTransformerNet", "hybrid_loss"]
