"""Attention: each query takes the mean of the values, weighted by how well their keys match it.

Legend: B batch, H heads, T queries, S keys, E features of a query and a key (the papers' d_k), V features of a value.

Masks, one rule everywhere:
    boolean       True = this query may attend to this key
    floating      added to the scores; -inf forbids
    shape         (T, S), or as many axes as the scores (..., T, S), each axis but the last of full size or 1:
                  (B, 1, T, S) for one mask per sample, (B, 1, 1, S) for padded keys.
                  (B, T, S) for (B, H, T, S) scores is refused: it would line up the batch with the heads.
    `is_causal`   no key after the query's own position. The last query is at the position of the last key, so that the
                  queries may be the newest few of a longer (cached) sequence. With a mask: what both allow.
A query that may attend to nothing gets zeros, and gives no gradient.
"""

from __future__ import annotations

from math import sqrt

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from groundup.backend import checked, fused_by
from groundup.functional.activations import tanh
from groundup.functional.dropout import Probability, dropout
from groundup.functional.precision import widen
from groundup.functional.softmax import softmax
from groundup.kernels import attention as kernels
from groundup.rules import attention as rules

Mask = Bool[Tensor, "..."] | Float[Tensor, "..."]
Attended = Float[Tensor, "*batch T V"] | tuple[Float[Tensor, "*batch T V"], Float[Tensor, "*batch T S"]]


@fused_by(kernels.scaled_dot_product_attention, rules.scaled_dot_product_attention)
def scaled_dot_product_attention(
    query: Float[Tensor, "*batch T E"],
    key: Float[Tensor, "*groups S E"],
    value: Float[Tensor, "*groups S V"],
    mask: Mask | None = None,
    is_causal: bool = False,
    dropout_p: Probability = 0.0,
    scale: float | None = None,
    enable_gqa: bool = False,
    need_weights: bool = False,
) -> Attended:
    """Attention(Q, K, V) = softmax(Q Kᵀ / √d_k) V                                                       (equation 1)

    Each query asks for information, each key says what its value is about. The output is the mean of the values,
    weighted by how well their keys match the query.

    Why √d_k: if the entries of q and k are independent with variance 1, q · k has the variance d_k. Without the
    division, scores grow with the width, the softmax puts all weight on one key, and its gradient vanishes.

    Args:
        query: Q; the leading axes are the same for all three, such as (B, H).
        key: K.
        value: V.
        mask: which queries may attend to which keys; see the head of this file.
        is_causal: each query attends to its own position and earlier ones only.
        dropout_p: the probability of dropping a weight, in training and in evaluation: pass 0 in evaluation.
        scale: replaces 1 / √d_k.
        enable_gqa: key and value have H / r heads, each shared by r neighbouring query heads: a smaller cache.
            Ainslie et al. 2023, arXiv:2305.13245.
        need_weights: return (output, weights (..., T, S)), the weights before dropout.

    Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762, section 3.2.1.
    Differs from PyTorch's function of this name: the rules of masks, and the position of the last query.

    Example:
        >>> q = k = v = torch.randn(2, 8, 10, 64)
        >>> scaled_dot_product_attention(q, k, v, is_causal=True).shape
        torch.Size([2, 8, 10, 64])
    """
    if enable_gqa:  # K_0 K_0 K_1 K_1: query head h uses key head h // r
        repeats = query.size(-3) // key.size(-3)
        key, value = (x.repeat_interleave(repeats, -3) for x in (key, value))
    Q, K, V = widen(query), widen(key), widen(value)
    scores = Q @ K.mT * (1 / sqrt(query.size(-1)) if scale is None else scale)  # ..., T, S
    weights = attention_weights(scores, mask, is_causal)  # each row sums to 1
    output = (dropout(weights, dropout_p) @ V).to(query.dtype)  # ..., T, V
    return (output, weights.to(query.dtype)) if need_weights else output


@checked(rules.additive_attention)
def additive_attention(
    query: Float[Tensor, "*batch T A"],
    key: Float[Tensor, "*batch S A"],
    value: Float[Tensor, "*batch S V"],
    v: Float[Tensor, " A"],
    mask: Mask | None = None,
    is_causal: bool = False,
    dropout_p: Probability = 0.0,
    need_weights: bool = False,
) -> Attended:
    """c_i = Σ_j α_ij h_j with α_i = softmax_j(e_ij) and e_ij = vᵀ tanh(W q_i + U k_j)

    Why: a small network scores each pair of a query and a key, so that the two need not have the same width, and no
    score grows with it. A dot product is one matrix product for all pairs, and much faster.

    Args:
        query: W q_i; in the paper q_i is the decoder's state s_{i-1}.
        key: U k_j; in the paper k_j = h_j. The products are the caller's, so that a decoder projects its keys once.
        value: h_j.
        v: the vector of the scores.
        mask, is_causal, dropout_p, need_weights: see `scaled_dot_product_attention`.

    Bahdanau et al. 2015, arXiv:1409.0473, section 3.1 and appendix A.1.2.

    Example:
        >>> query, key, value = torch.randn(2, 5, 8), torch.randn(2, 7, 8), torch.randn(2, 7, 3)
        >>> additive_attention(query, key, value, torch.randn(8)).shape
        torch.Size([2, 5, 3])
    """
    e = tanh(query[..., :, None, :] + key[..., None, :, :]) @ v  # ..., T, S
    alpha = attention_weights(e, mask, is_causal)
    c = dropout(alpha, dropout_p) @ value
    return (c, alpha) if need_weights else c


def attention_weights(
    scores: Float[Tensor, "*batch T S"], mask: Mask | None = None, is_causal: bool = False
) -> Float[Tensor, "*batch T S"]:
    """Return the softmax over the keys that mask and causality allow; all others get 0."""
    allowed = None
    if mask is not None and mask.dtype == torch.bool:
        allowed = mask
    elif mask is not None:
        scores = scores + mask
    if is_causal:
        past = causal_mask(scores.size(-2), scores.size(-1), scores.device)
        allowed = past if allowed is None else allowed & past
    return softmax(scores, -1, allowed)


def causal_mask(queries: int, keys: int, device: torch.device | None = None) -> Bool[Tensor, "T S"]:
    """Return True where key j is not after query i, the last query being at the last key: j ≤ i + S - T."""
    i, j = torch.arange(queries, device=device)[:, None], torch.arange(keys, device=device)
    return j <= i + (keys - queries)
