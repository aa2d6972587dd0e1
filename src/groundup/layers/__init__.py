"""Parameters around a function: the layers, one concept a file."""

from groundup.layers.activation import GELU, GLU, ReLU, ScaledTanh, SwiGLU
from groundup.layers.attention import AdditiveAttention, DotProductAttention
from groundup.layers.cache import KVCache
from groundup.layers.convolution import Conv2d, Conv2dGroups
from groundup.layers.dropout import Dropout, StochasticDepth
from groundup.layers.embedding import Embedding
from groundup.layers.gate import SEGate
from groundup.layers.graph import GCN_cell, Graph_cell, GraphSAGE_cell
from groundup.layers.graph_pooling import BatchAddPool, DiffPool
from groundup.layers.linear import Flatten, Linear
from groundup.layers.multi_head_attention import GroupedQueryAttention, MultiHeadAttention
from groundup.layers.normalization import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    LayerNorm,
    RMSNorm,
)
from groundup.layers.patches import PatchEmbedding
from groundup.layers.pooling import AvgPool2d, MaxPool2d, Pool2d
from groundup.layers.positions import PositionalEncoding, RelativePositionBias2d, RotaryEncoding
from groundup.layers.recurrent import RNN, RecurrentCell
from groundup.layers.recurrent_cells import GRU_cell, LSTM_cell, RNN_cell
from groundup.layers.response_norm import LocalResponseNorm
from groundup.layers.sparse_attention import ColumnBlockAttention, DiagBlockAttention, SparseMultiHeadAttention
from groundup.layers.window_attention import RelativeWindowAttention

__all__ = [
    "Linear",
    "Embedding",
    "Flatten",
    "ReLU",
    "ScaledTanh",
    "GELU",
    "GLU",
    "SwiGLU",
    "Dropout",
    "StochasticDepth",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "LayerNorm",
    "RMSNorm",
    "LocalResponseNorm",
    "RecurrentCell",
    "RNN_cell",
    "LSTM_cell",
    "GRU_cell",
    "RNN",
    "Conv2d",
    "Conv2dGroups",
    "Pool2d",
    "MaxPool2d",
    "AvgPool2d",
    "SEGate",
    "BatchAddPool",
    "Graph_cell",
    "GCN_cell",
    "GraphSAGE_cell",
    "DiffPool",
    "PatchEmbedding",
    "DotProductAttention",
    "AdditiveAttention",
    "DiagBlockAttention",
    "ColumnBlockAttention",
    "MultiHeadAttention",
    "GroupedQueryAttention",
    "RelativeWindowAttention",
    "SparseMultiHeadAttention",
    "KVCache",
    "PositionalEncoding",
    "RotaryEncoding",
    "RelativePositionBias2d",
]
