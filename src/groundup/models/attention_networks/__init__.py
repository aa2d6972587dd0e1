"""Attention networks: those that look again, at a source sentence."""

from groundup.models.attention_networks.bahdanau import AttentionDecoder, AttentionEncoder, BahdanauAttention

__all__ = ["AttentionEncoder", "AttentionDecoder", "BahdanauAttention"]
