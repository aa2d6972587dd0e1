"""Attention networks: they learn which part of an image or of a sentence to look at."""

from groundup.models.attention_networks.bahdanau import AttentionDecoder, AttentionEncoder, BahdanauAttention
from groundup.models.attention_networks.recurrent_attention import Episode, RecurrentAttention, hybrid_loss
from groundup.models.attention_networks.spatial_transformer import SpatialTransformer, SpatialTransformerNet

__all__ = [
    "AttentionDecoder",
    "AttentionEncoder",
    "BahdanauAttention",
    "Episode",
    "hybrid_loss",
    "RecurrentAttention",
    "SpatialTransformer",
    "SpatialTransformerNet",
]
