"""The mathematics: pure functions, one concept per file. A function with a fast kernel names it where it is defined."""

from groundup.functional.activations import (
    gelu,
    glu,
    logsigmoid,
    relu,
    scaled_tanh,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from groundup.functional.attention import additive_attention, scaled_dot_product_attention
from groundup.functional.convolution import conv2d
from groundup.functional.dropout import dropout
from groundup.functional.embedding import embedding
from groundup.functional.graph import l2_normalize, neighbour_max, neighbour_mean, neighbour_sum, normalized_sum
from groundup.functional.graph_pooling import diff_pool, segment_sum
from groundup.functional.gru import gru, gru_step
from groundup.functional.linear import linear
from groundup.functional.linear_cross_entropy import linear_cross_entropy
from groundup.functional.losses import (
    auxiliary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    map_loss,
    mse_loss,
    nll_loss,
    walk_loss,
)
from groundup.functional.lstm import lstm, lstm_step
from groundup.functional.margin_losses import (
    crammer_singer_loss,
    hinge_loss,
    logistic_loss,
    multiclass_perceptron_loss,
    perceptron_loss,
    weston_watkins_loss,
)
from groundup.functional.metrics import accuracy, confusion_matrix, per_class_accuracy, top_k_accuracy
from groundup.functional.norm import batch_norm, layer_norm, rms_norm
from groundup.functional.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d, pool2d
from groundup.functional.positions import relative_index, rotary, sinusoids
from groundup.functional.recurrence import rnn, rnn_step
from groundup.functional.response_norm import local_response_norm
from groundup.functional.sampling import affine_grid, grid_sample, resize_bicubic, thin_plate_matrix
from groundup.functional.softmax import log_softmax, logsumexp, softmax
from groundup.functional.sparse_attention import column_attention, local_attention, merged_attention, sparse_mask
from groundup.functional.windows import pad2d

__all__ = [
    "linear",
    "embedding",
    "relu",
    "sigmoid",
    "tanh",
    "scaled_tanh",
    "softplus",
    "logsigmoid",
    "silu",
    "gelu",
    "glu",
    "softmax",
    "log_softmax",
    "logsumexp",
    "dropout",
    "batch_norm",
    "layer_norm",
    "rms_norm",
    "local_response_norm",
    "rnn_step",
    "rnn",
    "lstm_step",
    "lstm",
    "gru_step",
    "gru",
    "conv2d",
    "pad2d",
    "pool2d",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "scaled_dot_product_attention",
    "additive_attention",
    "local_attention",
    "column_attention",
    "merged_attention",
    "sparse_mask",
    "sinusoids",
    "rotary",
    "relative_index",
    "neighbour_sum",
    "neighbour_mean",
    "neighbour_max",
    "normalized_sum",
    "l2_normalize",
    "segment_sum",
    "walk_loss",
    "diff_pool",
    "nll_loss",
    "cross_entropy",
    "linear_cross_entropy",
    "map_loss",
    "auxiliary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "mse_loss",
    "perceptron_loss",
    "hinge_loss",
    "logistic_loss",
    "multiclass_perceptron_loss",
    "weston_watkins_loss",
    "crammer_singer_loss",
    "accuracy",
    "top_k_accuracy",
    "confusion_matrix",
    "per_class_accuracy",
    "affine_grid",
    "grid_sample",
    "thin_plate_matrix",
    "resize_bicubic",
]
