"""Transformer networks: language models and translation, built from one block with different parts."""

from groundup.models.transformer_networks.block import FeedForward, GatedFeedForward, TransformerBlock
from groundup.models.transformer_networks.causal import CausalLanguageModel, LanguageState
from groundup.models.transformer_networks.gpt import GPT2, GPT3, GPT_SparseTransformerBlock, GPT_TransformerBlock
from groundup.models.transformer_networks.llama import LLaMA, LLaMA1, LLaMA2, LLaMA_TransformerBlock
from groundup.models.transformer_networks.transformer import Transformer
from groundup.models.transformer_networks.transformer_layers import (
    DecoderState,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [
    "TransformerBlock",
    "FeedForward",
    "GatedFeedForward",
    "TransformerEncoderLayer",
    "TransformerEncoder",
    "TransformerDecoderLayer",
    "TransformerDecoder",
    "DecoderState",
    "Transformer",
    "CausalLanguageModel",
    "LanguageState",
    "GPT_TransformerBlock",
    "GPT_SparseTransformerBlock",
    "GPT2",
    "GPT3",
    "LLaMA_TransformerBlock",
    "LLaMA",
    "LLaMA1",
    "LLaMA2",
]
